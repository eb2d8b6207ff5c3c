import { expect, it } from "vitest";
import { FileFormatError } from "../../src/errors.ts";
import { decodeNpz, encodeNpz } from "../../src/formats/npz.ts";
import { encodeZip } from "../../src/data/events/zip.ts";

const tensors = {
  "layer.0.weight": { shape: [2, 3], data: Float32Array.of(1.5, -2, 3, 4, 5, 1e-40) }, scalar: { shape: [], data: Int32Array.of(-7) },
  "größe": { shape: [1], data: BigInt64Array.of(-5n) }, empty: { shape: [0, 4], data: new Float32Array(0) }, bytes: { shape: [3], data: Uint8Array.of(1, 2, 255) },
};

it("gives back names, shapes and values", async () => {
  const read = await decodeNpz({ file: "a.npz", bytes: encodeNpz(tensors) });
  expect([...read.keys()]).toEqual(Object.keys(tensors));
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    expect(read.get(name)!.shape).toEqual(shape);
    expect([...read.get(name)!.data]).toEqual([...data].map(Number));
  }
});

/** An .npy file of version 1.0. */
function npy(dictionary: string, data: ArrayLike<number>): Uint8Array {
  const header = new TextEncoder().encode(dictionary);
  return Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length, 0, ...header, ...Array.from(data));
}
const archive = (contents: Uint8Array) => decodeNpz({ file: "a.npz", bytes: encodeZip(new Map([["a.npy", contents]])) });

it("reads an array in Fortran's order, the transpose of a matrix for one", async () => {
  const { shape, data } = (await archive(npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3, 2), }", Array.from({ length: 12 }, (_, i) => i)))).get("a")!;
  expect(shape).toEqual([2, 3, 2]);
  // Element (i, j, k) lies at i + 2·j + 6·k.
  expect([...data]).toEqual([0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11]);
});

it("reads halves, all their kinds", async () => {
  const halves = [0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x8000, 0x0400];
  const { data, dtype } = (await archive(npy("{'descr': '<f2', 'fortran_order': False, 'shape': (7,), }", halves.flatMap((bits) => [bits & 255, bits >> 8])))).get("a")!;
  expect(dtype).toBe("f2");
  expect([...data]).toEqual([1, -2, 2 ** -24, 65504, Infinity, -0, 2 ** -14]);
});

it.each([
  ["records", npy("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (1,), }", [0, 0, 0, 0]), /records, expected numbers/],
  ["texts", npy("{'descr': '|S3', 'fortran_order': False, 'shape': (1,), }", [1, 2, 3]), /expected numbers/],
  ["an end before its values", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", [0, 0]), /truncated/],
  ["a negative length", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", []), /shape/],
])("refuses %s", async (_, contents, message) => {
  await expect(archive(contents)).rejects.toThrow(FileFormatError);
  await expect(archive(contents)).rejects.toThrow(message);
});
