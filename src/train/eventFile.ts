/**
 * The records of TensorBoard's event files. A record is framed as in TFRecord (its length, and masked CRC-32C sums of length and contents); its contents are the
 * protocol buffer `Event` of tensorflow/core/util/event.proto, of which these few fields are written:
 * wall_time 1, step 2, file_version 3, summary 5 { value 1 { tag 1, simple_value 2 } }, session_log 7 { status 1 }.
 */
export function record(contents: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(contents.length + 16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, contents.length, true);
  view.setUint32(8, masked(crc32c(bytes.subarray(0, 8))), true);
  bytes.set(contents, 12);
  view.setUint32(12 + contents.length, masked(crc32c(contents)), true);
  return bytes;
}

/** The first event of a file. `time` is in seconds since 1970, in all of them. */
export const fileVersion = (time: number): Uint8Array => event(time, 0, field(3, text("brain.Event:2")));

/** Readers forget what they know of `step` and later ones. */
export const sessionStart = (time: number, step: number): Uint8Array => event(time, step, field(7, [...key(1, VARINT), START]));

/** Those that are undefined are left out. */
export const scalars = (time: number, step: number, values: Readonly<Record<string, number | undefined>>): Uint8Array =>
  event(time, step, field(5, Object.entries(values).flatMap(([tag, value]) => (value === undefined ? [] : field(1, [...field(1, text(tag)), ...key(2, FIXED32), ...littleEndian(value, 4)])))));

const START = 1;

/** Wire types. */
const [VARINT, FIXED64, BYTES, FIXED32] = [0, 1, 2, 5];

const event = (time: number, step: number, what: readonly number[]): Uint8Array =>
  Uint8Array.from([...key(1, FIXED64), ...littleEndian(time, 8), ...key(2, VARINT), ...varint(step), ...what]);

const field = (number: number, contents: readonly number[]): number[] => [...key(number, BYTES), ...varint(contents.length), ...contents];
const key = (number: number, wireType: number): number[] => [(number << 3) | wireType];
const text = (value: string): number[] => [...new TextEncoder().encode(value)];

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80);
  return [...bytes, value];
}

function littleEndian(value: number, size: 4 | 8): number[] {
  const view = new DataView(new ArrayBuffer(size));
  if (size === 4) view.setFloat32(0, value, true);
  else view.setFloat64(0, value, true);
  return [...new Uint8Array(view.buffer)];
}

/** Castagnoli's polynomial, reflected (RFC 3720, B.4). */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte;
  for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0x82f63b78 : sum >>> 1;
  return sum;
});

export function crc32c(bytes: Uint8Array): number {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = table[(sum ^ byte) & 0xff] ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}

/** A sum over data that hold sums would be weak: TFRecord stores them turned and shifted. */
const masked = (sum: number): number => (((sum >>> 15) | (sum << 17)) + 0xa282ead8) >>> 0;
