import { describe, expect, it } from "vitest";
import { FileFormatError, OptionError, ShapeError } from "../../src/errors.ts";
import { decodeSafetensors, encodeSafetensors, type NamedTensor } from "../../src/train/safetensors.ts";

const tensors: Record<string, NamedTensor> = {
  "mask.u8": { shape: [5], data: Uint8Array.of(1, 0, 255, 4, 5) },
  "fc1.weight": { shape: [2, 3], data: Float32Array.of(1.5, -2, NaN, Infinity, -0, 1e-40) },
  "Membran-Übergang ⚡": { shape: [], data: Int32Array.of(-7) },
  seed: { shape: [2, 2], data: Uint32Array.of(1, 2, 0xffffffff, 4) },
  empty: { shape: [0, 4], data: new Float32Array(0) },
  "0": { shape: [1], data: Float32Array.of(3) },
  ["__proto__"]: { shape: [1], data: Float32Array.of(4) },
};
const metadata = { format: "spikefold", note: 'quote " and \\ and \u2028' };
const file = encodeSafetensors(tensors, metadata);
const headerBytes = Number(new DataView(file.buffer).getBigUint64(0, true));

/** A file with any header and any data. */
function craft(header: string, data: ArrayLike<number> = []): Uint8Array {
  const json = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}
const u8 = (shape: number[], begin: number, end: number) => ({ dtype: "U8", shape, data_offsets: [begin, end] });

describe("safetensors", () => {
  it("gives back names, shapes, types, bits and metadata", () => {
    const decoded = decodeSafetensors(file, "run.safetensors");
    expect(decoded.metadata).toEqual(metadata);
    expect(Object.keys(decoded.tensors).sort()).toEqual(Object.keys(tensors).sort());
    for (const [name, { shape, data }] of Object.entries(tensors)) {
      const read = decoded.tensors[name];
      expect(read.shape).toEqual(shape);
      expect(read.data.constructor).toBe(data.constructor);
      expect(new Uint8Array(read.data.buffer)).toEqual(new Uint8Array(data.buffer));
    }
  });

  it("aligns the data to 8 bytes and every tensor to its element", () => {
    expect(headerBytes % 8).toBe(0);
    const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + headerBytes)));
    for (const [name, { data }] of Object.entries(tensors))
      expect(header[name].data_offsets[0] % data.BYTES_PER_ELEMENT).toBe(0);
  });

  it("writes the same bytes whatever the order of the tensors", () => {
    expect(encodeSafetensors(Object.fromEntries(Object.entries(tensors).reverse()), metadata)).toEqual(file);
  });

  it("reads from a view that is not aligned, and copies", () => {
    const shifted = Buffer.alloc(file.length + 3);
    shifted.set(file, 3);
    const { data } = decodeSafetensors(shifted.subarray(3), "x").tensors.seed;
    shifted.fill(0);
    expect([...data]).toEqual([1, 2, 0xffffffff, 4]);
  });

  it("reads an empty file of no tensors", () => {
    expect(decodeSafetensors(encodeSafetensors({}), "x")).toEqual({ tensors: {}, metadata: {} });
  });

  it("refuses every prefix of a valid file", () => {
    for (let length = 0; length < file.length; length++)
      expect(() => decodeSafetensors(file.subarray(0, length), "cut"), `${length} bytes`).toThrow(FileFormatError);
  });

  it("never fails other than by FileFormatError on single-byte damage", () => {
    let refused = 0;
    for (let at = 0; at < file.length; at++)
      for (let bit = 0; bit < 8; bit++) {
        const damaged = file.slice();
        damaged[at] ^= 1 << bit;
        try {
          decodeSafetensors(damaged, "damaged");
        } catch (error) {
          expect(error).toBeInstanceOf(FileFormatError);
          expect((error as Error).message).toMatch(/^damaged: .* \(at byte offset \d+\)/s);
          refused++;
        }
      }
    expect(refused).toBeGreaterThan(headerBytes * 4);
  });

  it.each([
    ["trailing bytes", craft("{}", [1, 2]), "2 bytes follow"],
    ["a gap", craft(JSON.stringify({ a: u8([1], 0, 1), b: u8([1], 2, 3) }), [1, 2, 3]), "gap of 1 byte"],
    ["an overlap", craft(JSON.stringify({ a: u8([2], 0, 2), b: u8([2], 1, 3) }), [1, 2, 3]), "overlaps"],
    ["truncated data", craft(JSON.stringify({ a: u8([4], 0, 4) }), [1, 2, 3]), "truncated"],
    ["a shape that does not fit", craft(JSON.stringify({ a: u8([2, 3], 0, 5) }), [1, 2, 3, 4, 5]), "needs 6 bytes"],
    ["a shape whose product overflows", craft(JSON.stringify({ a: u8([2 ** 40, 2 ** 40], 0, 1) }), [1]), "needs"],
    ["a negative size", craft(JSON.stringify({ a: u8([-1], 0, 1) }), [1]), "no list of sizes"],
    ["reversed offsets", craft(JSON.stringify({ a: u8([1], 1, 0) }), [1]), "no pair"],
    ["an unknown dtype", craft(JSON.stringify({ a: { ...u8([1], 0, 1), dtype: "F64" } }), [1]), '"F64"'],
    ["a dtype from the prototype", craft(JSON.stringify({ a: { ...u8([1], 0, 1), dtype: "toString" } }), [1]), "dtype"],
    ["an unknown field", craft(JSON.stringify({ a: { ...u8([1], 0, 1), more: 1 } }), [1]), '"more"'],
    ["a tensor twice", craft(`{"a":${JSON.stringify(u8([1], 0, 1))},"\\u0061":${JSON.stringify(u8([1], 0, 1))}}`, [1]), "occurs twice"],
    ["metadata that is no string", craft('{"__metadata__":{"a":1}}'), "__metadata__"],
    ["a header that is no object", craft("[]"), "not a JSON object"],
    ["a header that is no JSON", craft('{"a":'), "not JSON"],
    ["a header that is no UTF-8", craft("{}").fill(0xff, 8), "not JSON"],
    ["an absurd header length", Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 127, 123, 125), "claims 9223372036854775807 bytes"],
  ])("refuses %s", (_, bytes, message) => {
    const decode = () => decodeSafetensors(bytes, "bad.safetensors");
    expect(decode).toThrow(FileFormatError);
    expect(decode).toThrow(message);
  });

  it("names the offset where the file goes wrong", () => {
    const header = JSON.stringify({ a: u8([2], 0, 2) });
    expect(() => decodeSafetensors(craft(header, [1, 2, 3]), "x")).toThrow(`offset ${8 + header.length + 2}`);
  });

  it("refuses to write what it could not read", () => {
    expect(() => encodeSafetensors({ a: { shape: [2], data: new Float32Array(3) } })).toThrow(ShapeError);
    expect(() => encodeSafetensors({ a: { shape: [-1, -3], data: new Float32Array(3) } })).toThrow(ShapeError);
    expect(() => encodeSafetensors({ __metadata__: { shape: [1], data: new Float32Array(1) } })).toThrow(OptionError);
  });
});
