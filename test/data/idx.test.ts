import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { parseIdx } from "../../src/data/idx.ts";
import { parseImages } from "../../src/data/mnist.ts";
import { FileFormatError } from "../../src/errors.ts";

const FILE = "some/images.idx";

/** An IDX file with the given magic number and sizes, and `length` elements 0, 1, 2, … */
function idx(magic: number, shape: readonly number[], length = shape.reduce((product, size) => product * size, 1)): Uint8Array {
  const header = new DataView(new ArrayBuffer(4 + 4 * shape.length));
  header.setUint32(0, magic);
  shape.forEach((size, axis) => header.setUint32(4 + 4 * axis, size));
  return Uint8Array.from([...new Uint8Array(header.buffer), ...Array.from({ length }, (_, i) => i % 256)]);
}

const images = idx(0x803, [2, 3, 4]);
const parse = (bytes: Uint8Array, rank = 3) => parseIdx({ file: FILE, bytes }, rank);

/** The error must name the file and the offset, and match what was found. */
async function expectFailure(promise: Promise<unknown>, offset: number, problem: RegExp, file = FILE): Promise<void> {
  const error = await promise.then(() => undefined, (reason: unknown) => reason);
  expect(error).toBeInstanceOf(FileFormatError);
  expect((error as Error).message).toContain(`${file}, byte ${offset}: `);
  expect((error as Error).message).toMatch(problem);
}

describe.each([
  ["plain", (bytes: Uint8Array) => bytes],
  ["gzipped", (bytes: Uint8Array) => new Uint8Array(gzipSync(bytes))],
])("a %s file", (_, pack) => {
  test("gives its shape and elements", async () => {
    const { shape, data } = await parse(pack(images));
    expect(shape).toEqual([2, 3, 4]);
    expect([...data]).toEqual(Array.from({ length: 24 }, (_value, i) => i));
  });

  test("parses from the middle of a larger buffer", async () => {
    const packed = pack(images);
    const larger = new Uint8Array(packed.length + 14).fill(9);
    larger.set(packed, 7);
    const { data } = await parse(larger.subarray(7, 7 + packed.length));
    expect([...data]).toEqual([...images.subarray(16)]);
  });

  test("is refused when cut at any byte, naming the byte where it ends", async () => {
    for (let length = 0; length < images.length; length++) {
      await expectFailure(parse(pack(images.subarray(0, length))), length, /truncated/);
    }
  });

  test("is refused when it goes on after the last element", async () => {
    await expectFailure(parse(pack(Uint8Array.from([...images, 0]))), images.length, /trailing bytes.*\[2, 3, 4\]/);
  });

  test.each([
    ["text", new TextEncoder().encode("<!DOCTYPE html><html>"), 0, /0x3c21444f, expected 0x00000803/],
    ["an unknown element type", idx(0x703, [2, 3, 4]), 0, /0x00000703/],
    ["little-endian", Uint8Array.from(images.subarray(0, 4).toReversed()), 0, /0x03080000/],
    ["floats", idx(0xd03, [2, 3, 4]), 2, /0x0d \(32-bit floats\), expected 0x08/],
    ["signed bytes", idx(0x903, [2, 3, 4]), 2, /signed bytes/],
    ["labels", idx(0x801, [24]), 3, /found 1 dimensions, expected 3/],
    ["sizes beyond any file", idx(0x803, [2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1], 24), 40, /truncated/],
  ])("is refused when it is %s", async (_kind, bytes, offset, problem) => {
    await expectFailure(parse(pack(bytes)), offset, problem);
  });
});

describe("a gzip stream", () => {
  const packed = new Uint8Array(gzipSync(images));

  test("is refused when cut at any byte", async () => {
    for (let length = 2; length < packed.length; length++) {
      await expect(parse(packed.subarray(0, length))).rejects.toThrow(FileFormatError);
    }
  });

  test("is refused when a byte of its contents or checksum is wrong", async () => {
    for (let i = 10; i < packed.length; i++) {
      const corrupt = Uint8Array.from(packed);
      corrupt[i] ^= 0xff;
      await expect(parse(corrupt)).rejects.toThrow(FileFormatError);
    }
  });

  test("is decompressed no further than its header says", async () => {
    const bomb = new Uint8Array(16 * 1024 * 1024);
    bomb.set(images);
    const packedBomb = new Uint8Array(gzipSync(bomb));
    // Whoever reads to the end finds the missing second half instead.
    await expectFailure(parse(packedBomb.subarray(0, packedBomb.length / 2)), images.length, /trailing bytes/);
  });
});

describe("a pair of files", () => {
  const pair = (imageBytes: Uint8Array, labelBytes: Uint8Array, limit?: number) =>
    parseImages({
      name: "test",
      images: { file: "images", bytes: imageBytes },
      labels: { file: "labels", bytes: labelBytes },
      classes: 3,
      limit,
    });

  test("makes a data set", async () => {
    const dataset = await pair(idx(0x803, [3, 2, 2]), idx(0x801, [3]));
    expect(dataset).toMatchObject({ name: "test", count: 3, height: 2, width: 2, channels: 1, classes: 3 });
    expect([...dataset.images]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect([...dataset.labels]).toEqual([0, 1, 2]);
  });

  test("limited, gives a copy of the first images, even from a Buffer", async () => {
    const source = Buffer.from(idx(0x803, [3, 2, 2]));
    const dataset = await pair(source, idx(0x801, [3]), 2);
    source.fill(255);
    expect(dataset.count).toBe(2);
    expect([...dataset.images]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect([...dataset.labels]).toEqual([0, 1]);
    expect((await pair(idx(0x803, [3, 2, 2]), idx(0x801, [3]), 100)).count).toBe(3);
  });

  test("is refused when the counts differ", async () => {
    await expectFailure(pair(idx(0x803, [3, 2, 2]), idx(0x801, [2])), 4, /2 labels, expected 3.*images/, "labels");
  });

  test("is refused when a label is no class", async () => {
    await expectFailure(pair(idx(0x803, [5, 2, 2]), idx(0x801, [5])), 11, /label 3, expected a class in 0 … 2/, "labels");
  });

  test("is refused when there are no images, or images of no size", async () => {
    await expectFailure(pair(idx(0x803, [0, 2, 2]), idx(0x801, [0])), 4, /no images/, "images");
    await expectFailure(pair(idx(0x803, [2, 0, 2]), idx(0x801, [2])), 4, /no images/, "images");
  });
});
