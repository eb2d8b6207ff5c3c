/** A message: the numbers of its fields with what they hold, in order. Texts are UTF-8, numbers integers ≥ 0. */
export type Message = readonly (readonly [field: number, value: Value])[];
export type Value = number | string | Uint8Array | Message;

const VARINT = 0;
const BYTES = 2;

/** A message in the wire format of Protocol Buffers (https://protobuf.dev/programming-guides/encoding/). */
export function encodeMessage(message: Message): Uint8Array {
  const parts = partsOf(message);
  const bytes = new Uint8Array(lengthOf(parts));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

const lengthOf = (parts: readonly ArrayLike<number>[]): number => parts.reduce((sum, { length }) => sum + length, 0);

const partsOf = (message: Message): ArrayLike<number>[] => message.flatMap(([field, value]) => {
  if (typeof value === "number") return [varint(field * 8 + VARINT), varint(value)];
  const contents = typeof value === "string" ? [new TextEncoder().encode(value)] : value instanceof Uint8Array ? [value] : partsOf(value);
  return [varint(field * 8 + BYTES), varint(lengthOf(contents)), ...contents];
});

/** Seven bits to a byte, the lowest first. */
function varint(value: number): number[] {
  const bytes = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) + 0x80);
  return [...bytes, rest];
}
