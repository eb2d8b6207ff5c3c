import { fileFormatError } from "../idx.ts";

const MAGIC = 0x184d2204;
const UNCOMPRESSED = 0x8000_0000;
/** By the descriptor's code 4 … 7. */
const BLOCK_SIZES = [0x1_0000, 0x4_0000, 0x10_0000, 0x40_0000];
/** No block of LZ4 grows by more: a byte of length stands for 255 bytes. */
const RATIO = 255;

/**
 * Decompresses one frame of LZ4 (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md). Memory grows with the blocks that are there and with what they
 * can hold at most, whatever sizes the frame promises; checksums are not looked at.
 *
 * @param offset of `bytes` in the file, for errors
 */
export function decompressLz4(file: string, bytes: Uint8Array, offset: number): Uint8Array {
  const fail = (at: number, problem: string): Error => fileFormatError(file, offset + at, `found a malformed LZ4 frame: ${problem}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 7) throw fail(bytes.length, "it is cut off");
  if (view.getUint32(0, true) !== MAGIC) throw fail(0, `it starts with 0x${view.getUint32(0, true).toString(16)}, expected 0x${MAGIC.toString(16)}`);
  const [flags, descriptor] = [bytes[4], bytes[5]];
  if (flags >> 6 !== 1 || flags & 0x01) throw fail(4, `its flags are 0x${flags.toString(16)}, expected version 1 without a dictionary`);
  const blockSize = BLOCK_SIZES[((descriptor >> 4) & 7) - 4];
  if (blockSize === undefined) throw fail(5, `its descriptor of blocks is 0x${descriptor.toString(16)}`);
  const blockChecksum = flags & 0x10 ? 4 : 0;

  const output = new Growing();
  for (let at = flags & 0x08 ? 15 : 7; ; ) {
    // Writers that were stopped leave no end mark.
    if (at === bytes.length) break;
    if (at + 4 > bytes.length) throw fail(bytes.length, "it is cut off");
    const header = view.getUint32(at, true);
    if (header === 0) break;
    const size = header & ~UNCOMPRESSED;
    at += 4;
    if (size > blockSize || at + size > bytes.length) throw fail(at - 4, `it has a block of ${size} bytes, expected at most ${Math.min(blockSize, bytes.length - at)}`);
    if (header & UNCOMPRESSED) output.append(bytes.subarray(at, at + size));
    else decompressBlock(bytes, at, at + size, output, output.length + Math.min(blockSize, size * RATIO), fail);
    at += size + blockChecksum;
  }
  return output.bytes;
}

/** One block of sequences: some bytes as they are, then a repetition of earlier ones, which may lie in the blocks before. */
function decompressBlock(input: Uint8Array, start: number, end: number, output: Growing, most: number, fail: (at: number, problem: string) => Error): void {
  const target = output.reserve(most);
  let to = output.length;
  let at = start;
  const length = (nibble: number): number => {
    if (nibble < 15) return nibble;
    let sum = nibble;
    for (let byte = 255; byte === 255; sum += byte) {
      if (at >= end) throw fail(at, "a length goes beyond its block");
      byte = input[at++];
    }
    return sum;
  };
  while (at < end) {
    const token = input[at++];
    const literals = length(token >> 4);
    if (at + literals > end || to + literals > most) throw fail(at, `${literals} bytes go beyond their block`);
    for (let i = 0; i < literals; i++) target[to++] = input[at++];
    if (at === end) break;
    if (at + 2 > end) throw fail(at, "a block is cut off");
    const distance = input[at] | (input[at + 1] << 8);
    if (distance === 0 || distance > to) throw fail(at, `a repetition from ${distance} bytes before, of ${to}`);
    at += 2;
    const repeated = length(token & 15) + 4;
    if (to + repeated > most) throw fail(at, `a repetition of ${repeated} bytes goes beyond its block`);
    // Byte by byte, as it may repeat what it writes.
    for (let i = 0; i < repeated; i++, to++) target[to] = target[to - distance];
  }
  output.length = to;
}

/** Bytes that are appended to, in a memory that doubles. */
class Growing {
  length = 0;
  #memory = new Uint8Array(0);

  get bytes(): Uint8Array {
    return this.#memory.subarray(0, this.length);
  }

  /** The memory with room for `total` bytes. */
  reserve(total: number): Uint8Array {
    if (total > this.#memory.length) {
      const larger = new Uint8Array(Math.max(total, Math.min(2 * this.#memory.length, total + 0x40_0000)));
      larger.set(this.bytes);
      this.#memory = larger;
    }
    return this.#memory;
  }

  append(bytes: Uint8Array): void {
    this.reserve(this.length + bytes.length).set(bytes, this.length);
    this.length += bytes.length;
  }
}
