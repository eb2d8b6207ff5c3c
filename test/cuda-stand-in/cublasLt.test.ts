import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { noise } from "../conformance/suite.ts";
import { standIn } from "./build.mjs";
import { bf16, BF16, bindCublasLt, COMPUTE, EPILOGUE, fromBf16, INVALID_VALUE, NOT_SUPPORTED, type Product, Products, tf32 } from "./cublasLt.ts";
import { ILLEGAL_ADDRESS, LAUNCH_FAILED, ok, results, Testbed } from "./testbed.ts";

const library = standIn();
const f32 = (...values: number[]) => Float32Array.from(values);

const random = noise(7);
const values = (count: number): Float32Array => Float32Array.from({ length: count }, random);

/** Columns of op(A) op(B), in double. */
function plain({ a, b, d, options = {} }: Product, x: ArrayLike<number>, y: ArrayLike<number>): number[] {
  const k = options.transA ? a.rows : a.cols;
  const at = (m: ArrayLike<number>, layout: Product["a"], transposed: number | undefined, i: number, j: number) => (transposed ? m[i * (layout.ld ?? layout.rows) + j] : m[j * (layout.ld ?? layout.rows) + i]);
  return Array.from({ length: d.rows * d.cols }, (_, n) => {
    const [i, j] = [n % d.rows, Math.floor(n / d.rows)];
    let sum = 0;
    for (let p = 0; p < k; p++) sum += at(x, a, options.transA, i, p) * at(y, b, options.transB, p, j);
    return sum;
  });
}

const expectClose = (actual: ArrayLike<number>, expected: ArrayLike<number>, within: number): void => {
  expect(actual.length).toBe(expected.length);
  expect(Math.max(...Array.from(expected, (value, n) => Math.abs(actual[n] - value)))).toBeLessThan(within);
};

describe.skipIf(library === null)("cuBLASLt on the stand-in", () => {
  let bed: Testbed;
  let products: Products;
  beforeEach(() => {
    bed = new Testbed(library!);
    products = new Products(bindCublasLt(library!));
  });
  afterEach(() => bed.cuda.reset());

  /** A 5 × 33 matrix times a 33 × 19 one, in any transposition. */
  const product = (transA = 0, transB = 0): Product => ({
    a: transA ? { rows: 33, cols: 5 } : { rows: 5, cols: 33 },
    b: transB ? { rows: 19, cols: 33 } : { rows: 33, cols: 19 },
    d: { rows: 5, cols: 19 },
    options: { transA, transB },
  });
  const small: Product = { a: { rows: 4, cols: 8 }, b: { rows: 8, cols: 4 }, d: { rows: 4, cols: 4 } };
  const place = () => ({ a: bed.upload(new Float32Array(32).fill(1)), b: bed.upload(new Float32Array(32).fill(1)), d: bed.upload(new Float32Array(16)) });
  const read = (at: number, count: number) => bed.download(at, new Float32Array(count));

  it.each([[0, 0], [0, 1], [1, 0], [1, 1]])("multiplies matrices, A transposed: %i, B transposed: %i", (transA, transB) => {
    const given = product(transA, transB);
    const [x, y] = [values(5 * 33), values(33 * 19)];
    const d = bed.alloc(4 * 95);
    ok(products.run(products.describe(given), { a: bed.upload(x), b: bed.upload(y), d }, { stream: bed.stream }));
    expectClose(read(d, 95), plain(given, x, y), 1e-5);
  });

  it("scales, adds C, keeps to leading dimensions", () => {
    const given: Product = { a: { rows: 2, cols: 3, ld: 4 }, b: { rows: 3, cols: 2, ld: 5 }, c: { rows: 2, cols: 2, ld: 3 }, d: { rows: 2, cols: 2, ld: 6 } };
    const [x, y, z] = [values(10), values(8), values(5)];
    const d = bed.upload(new Float32Array(8).fill(7));
    ok(products.run(products.describe(given), { a: bed.upload(x), b: bed.upload(y), c: bed.upload(z), d }, { alpha: 2, beta: -3, stream: bed.stream }));
    const [p, q, r, s] = plain(given, x, y);
    expectClose(read(d, 8), [2 * p - 3 * z[0], 2 * q - 3 * z[1], 7, 7, 7, 7, 2 * r - 3 * z[3], 2 * s - 3 * z[4]], 1e-6);
  });

  it("does not read C where beta is 0", () => {
    const at = place();
    ok(products.run(products.describe(small), { ...at, d: bed.alloc(64) }, { stream: bed.stream }));
    expect(bed.synchronize()).toBe(0);
    const unwritten = bed.alloc(64);
    ok(products.run(products.describe(small), { ...at, d: unwritten }, { stream: bed.stream }));
    expect(read(unwritten, 16)).toEqual(new Float32Array(16).fill(8));
  });

  it("reads float32 as tf32 when asked, and as float32 when not", () => {
    const [x, y] = [values(32), values(32)];
    const d = bed.alloc(64);
    const at = { a: bed.upload(x), b: bed.upload(y), d };
    ok(products.run(products.describe({ ...small, options: { compute: COMPUTE.tf32 } }), at, { stream: bed.stream }));
    const fast = read(d, 16);
    expectClose(fast, plain(small, tf32(x), tf32(y)), 1e-6);
    ok(products.run(products.describe(small), at, { stream: bed.stream }));
    const strict = read(d, 16);
    expectClose(strict, plain(small, x, y), 1e-6);
    expect(strict).not.toEqual(fast);
  });

  it.each([["bf16", BF16], ["f32", 0]])("multiplies bf16 matrices to %s, rounded once", (_, type) => {
    const [x, y] = [bf16(values(32)), bf16(values(32))];
    const given: Product = { a: { ...small.a, type: BF16 }, b: { ...small.b, type: BF16 }, d: { ...small.d, type } };
    const d = bed.alloc(64);
    ok(products.run(products.describe(given), { a: bed.upload(x), b: bed.upload(y), d }, { stream: bed.stream }));
    const exact = plain(small, fromBf16(x), fromBf16(y));
    if (type === BF16) expect(bed.download(d, new Uint16Array(16) as never)).toEqual(bf16(exact));
    else expectClose(read(d, 16), exact, 1e-6);
  });

  it("adds a bias to every column, and sums A and B over k", () => {
    const [x, y, bias] = [values(5 * 33), values(33 * 19), values(5)];
    const given = product();
    const at = { a: bed.upload(x), b: bed.upload(y), d: bed.alloc(4 * 95) };
    ok(products.run(products.describe({ ...given, options: { epilogue: EPILOGUE.bias }, bias: bed.upload(bias) }), at, { stream: bed.stream }));
    expectClose(read(at.d, 95), plain(given, x, y).map((value, n) => value + bias[n % 5]), 1e-5);
    const sums = bed.alloc(4 * 19);
    ok(products.run(products.describe({ ...given, options: { epilogue: EPILOGUE.sumsOfA }, bias: sums }), at, { stream: bed.stream }));
    expectClose(read(sums, 5), Array.from({ length: 5 }, (_, i) => Array.from({ length: 33 }, (_, p) => x[p * 5 + i]).reduce((a, b) => a + b)), 1e-5);
    ok(products.run(products.describe({ ...given, options: { epilogue: EPILOGUE.sumsOfB }, bias: sums }), at, { stream: bed.stream }));
    expectClose(read(sums, 19), Array.from({ length: 19 }, (_, j) => y.slice(33 * j, 33 * (j + 1)).reduce((a, b) => a + b)), 1e-5);
  });

  it("waits in its stream, and is part of a graph, with the alpha of the call", () => {
    const at = place();
    const described = products.describe(small);
    ok(products.run(described, at, { stream: bed.stream }));
    const back = results(1, (stream) => bed.cuda.cuStreamCreate(stream, 1))[0];
    const early = new Float32Array(16);
    ok(bed.cuda.cuMemcpyDtoHAsync(early, at.d, 64, back));
    expect(early).toEqual(new Float32Array(16).fill(NaN));
    expect(read(at.d, 16)).toEqual(new Float32Array(16).fill(8));
    ok(bed.cuda.cuStreamBeginCapture(bed.stream, 0));
    ok(products.run(described, at, { beta: 1, stream: bed.stream }));
    const [graph] = results(1, (place) => bed.cuda.cuStreamEndCapture(bed.stream, place));
    const [executable] = results(1, (place) => bed.cuda.cuGraphInstantiate(place, graph, 0));
    for (let n = 0; n < 3; n++) ok(bed.cuda.cuGraphLaunch(executable, bed.stream));
    expect(read(at.d, 16)).toEqual(new Float32Array(16).fill(32));
    ok(bed.cuda.cuMemFree(at.a));
    ok(bed.cuda.cuGraphLaunch(executable, bed.stream));
    expect(bed.synchronize()).toBe(ILLEGAL_ADDRESS);
    expect(bed.cuda.lastFault()).toMatch(/^cublasLtMatmul, A: read of 128 bytes at offset 0 of device 0, block \d+ of 128 bytes, which is freed$/);
  });

  describe("faults when it runs", () => {
    it.each(["a", "b", "c", "d"] as const)("past the end of %s", (name) => {
      const at = { ...place(), c: bed.upload(new Float32Array(16)) };
      const short = bed.upload(new Float32Array(name === "a" || name === "b" ? 31 : 15));
      ok(products.run(products.describe(small), { ...at, [name]: short }, { beta: 1, stream: bed.stream }));
      expect(bed.synchronize()).toBe(ILLEGAL_ADDRESS);
      expect(bed.cuda.lastFault()).toMatch(new RegExp(`^cublasLtMatmul, ${name.toUpperCase()}: ${name === "d" ? "write" : "read"} of .* past the end of it`));
    });

    it("past the end of the bias and of the workspace", () => {
      const bias = bed.alloc(12);
      ok(products.run(products.describe({ ...small, options: { epilogue: EPILOGUE.bias }, bias }), place(), { stream: bed.stream }));
      expect(bed.synchronize()).toBe(ILLEGAL_ADDRESS);
      expect(bed.cuda.lastFault()).toContain("cublasLtMatmul, bias: read of 16 bytes");
      bed = new Testbed(library!);
      products = new Products(bindCublasLt(library!));
      const described = products.describe(small);
      const [{ bytes, workspace }] = products.heuristic(described).algorithms;
      ok(products.run(described, place(), { algorithm: bytes, workspace: bed.alloc(workspace - 1), bytes: workspace, stream: bed.stream }));
      expect(bed.synchronize()).toBe(ILLEGAL_ADDRESS);
      expect(bed.cuda.lastFault()).toContain("cublasLtMatmul, workspace");
    });

    it("where D overlaps what is read", () => {
      const at = place();
      ok(products.run(products.describe(small), { ...at, d: at.a + 64 }, { stream: bed.stream }));
      expect(bed.synchronize()).toBe(LAUNCH_FAILED);
      expect(bed.cuda.lastFault()).toMatch(/^cublasLtMatmul: A overlaps D$/);
    });
  });

  describe("heuristics", () => {
    it("give an algorithm with workspace first where there may be one, which must then be there", () => {
      const described = products.describe(small);
      const { algorithms } = products.heuristic(described);
      expect(algorithms.map(({ workspace }) => workspace)).toEqual([256, 0]);
      expect(products.heuristic(described, { workspace: 255 }).algorithms.map(({ workspace }) => workspace)).toEqual([0]);
      expect(products.heuristic(described, { asked: 1 }).algorithms).toHaveLength(1);
      const at = place();
      const [{ bytes: algorithm, workspace }] = algorithms;
      expect(products.run(described, at, { algorithm, workspace: bed.alloc(workspace), bytes: workspace - 1 })).toBe(INVALID_VALUE);
      expect(bed.cuda.lastFault()).toBe("cuBLASLt: the algorithm needs 256 bytes of workspace, not 255");
      expect(products.run(described, at, { algorithm, bytes: workspace })).toBe(INVALID_VALUE);
      expect(products.run(described, at, { algorithm, workspace: bed.alloc(512) + 16, bytes: workspace })).toBe(NOT_SUPPORTED);
      const scratch = bed.upload(f32(1, 2, 3, ...new Float32Array(61)));
      ok(products.run(described, at, { algorithm, workspace: scratch, bytes: workspace, stream: bed.stream }));
      expect(read(at.d, 16)).toEqual(new Float32Array(16).fill(8));
      expect(read(scratch, 1)).toEqual(f32(NaN));
    });

    it("take the alignment of matrices from the preference, and hold the call to it", () => {
      const described = products.describe(small);
      const at = { ...place(), a: bed.upload(new Float32Array(33).fill(1)) + 4 };
      const algorithm = (alignment: number) => products.heuristic(described, { alignment, workspace: 0 }).algorithms[0].bytes;
      expect(products.run(described, at, { algorithm: algorithm(256), stream: bed.stream })).toBe(NOT_SUPPORTED);
      expect(bed.cuda.lastFault()).toBe("cuBLASLt: A's address is not a multiple of 16, as the algorithm needs");
      ok(products.run(described, at, { algorithm: algorithm(4), stream: bed.stream }));
      ok(products.run(described, at, { stream: bed.stream }));
      expect(read(at.d, 16)).toEqual(new Float32Array(16).fill(8));
    });

    it("take the alignment of a bias from its address", () => {
      const bias = bed.upload(new Float32Array(8));
      const [aligned, shifted] = [bias, bias + 4].map((at) => products.describe({ ...small, options: { epilogue: EPILOGUE.bias }, bias: at }));
      const [{ bytes: forAligned }] = products.heuristic(aligned, { workspace: 0 }).algorithms;
      expect(products.run(shifted, place(), { algorithm: forAligned, stream: bed.stream })).toBe(NOT_SUPPORTED);
      ok(products.run(shifted, place(), { algorithm: products.heuristic(shifted, { workspace: 0 }).algorithms[0].bytes, stream: bed.stream }));
    });

    it("are for one product: an algorithm is refused for another, and one that was made up too", () => {
      const [{ bytes: algorithm }] = products.heuristic(products.describe(small), { workspace: 0 }).algorithms;
      const wider = products.describe({ ...small, b: { rows: 8, cols: 3 }, d: { rows: 4, cols: 3 } });
      expect(products.run(wider, place(), { algorithm })).toBe(NOT_SUPPORTED);
      expect(products.run(wider, place(), { algorithm: new Uint8Array(64) })).toBe(INVALID_VALUE);
    });
  });

  describe("refuses", () => {
    const status = (given: Product) => {
      const described = products.describe(given);
      const statuses = [products.heuristic(described).status, products.run(described, place(), { stream: bed.stream })];
      expect(statuses[0]).toBe(statuses[1]);
      return statuses[0];
    };
    it.each<[string, Product, number]>([
      ["shapes that do not fit", { ...small, b: { rows: 7, cols: 4 } }, INVALID_VALUE],
      ["an output of another shape", { ...small, d: { rows: 4, cols: 3 } }, INVALID_VALUE],
      ["a C of another shape", { ...small, c: { rows: 3, cols: 4, ld: 4 } }, INVALID_VALUE],
      ["a leading dimension below the rows", { ...small, a: { rows: 4, cols: 8, ld: 3 } }, INVALID_VALUE],
      ["a matrix without elements", { ...small, a: { rows: 4, cols: 0 } }, INVALID_VALUE],
      ["A and B of two types", { ...small, a: { ...small.a, type: BF16 } }, NOT_SUPPORTED],
      ["bf16 from float32", { ...small, d: { ...small.d, type: BF16 } }, NOT_SUPPORTED],
      ["C and D of two types", { a: { ...small.a, type: BF16 }, b: { ...small.b, type: BF16 }, c: small.d, d: { ...small.d, type: BF16 } }, NOT_SUPPORTED],
      ["tf32 of bf16", { a: { ...small.a, type: BF16 }, b: { ...small.b, type: BF16 }, d: small.d, options: { compute: COMPUTE.tf32 } }, NOT_SUPPORTED],
      ["another compute type", { ...small, options: { compute: 64 } }, NOT_SUPPORTED],
      ["another scale type", { ...small, options: { scale: 1 } }, NOT_SUPPORTED],
      ["a type it does not know", { ...small, a: { ...small.a, type: 3 } }, NOT_SUPPORTED],
      ["an epilogue it does not know", { ...small, options: { epilogue: 32 } }, NOT_SUPPORTED],
      ["a bias of another type than D's", { ...small, options: { epilogue: EPILOGUE.bias, biasType: BF16 }, bias: 4096 }, NOT_SUPPORTED],
    ])("%s", (_, given, expected) => {
      expect(status(given)).toBe(expected);
      expect(bed.cuda.lastFault()).toMatch(/^cuBLASLt: /);
    });

    it("a bias that is not given, null matrices", () => {
      expect(products.run(products.describe({ ...small, options: { epilogue: EPILOGUE.bias } }), place())).toBe(INVALID_VALUE);
      expect(products.run(products.describe(small), { ...place(), b: 0 })).toBe(INVALID_VALUE);
    });

    it("descriptors and handles that are destroyed, or of another kind", () => {
      const { lt } = products;
      for (const name of ["a", "b", "c", "d"] as const) {
        const described = products.describe(small);
        ok(lt.layoutDestroy(described[name]));
        expect(products.run(described, place())).toBe(INVALID_VALUE);
        expect(lt.layoutDestroy(described[name])).toBe(INVALID_VALUE);
      }
      const described = products.describe(small);
      expect(lt.descDestroy(described.a)).toBe(INVALID_VALUE);
      expect(products.run({ ...described, a: described.desc }, place())).toBe(INVALID_VALUE);
      ok(lt.descDestroy(described.desc));
      expect(products.run(described, place())).toBe(INVALID_VALUE);
      ok(lt.destroy(products.handle));
      expect(products.run(products.describe(small), place())).toBe(1);
      expect(lt.destroy(products.handle)).toBe(1);
    });

    it("a handle of another device", () => {
      bed.select(1);
      expect(products.run(products.describe(small), { a: 4096, b: 8192, d: 12288 })).toBe(INVALID_VALUE);
      expect(bed.cuda.lastFault()).toBe("cuBLASLt: the handle was made for device 0, the context is of device 1");
    });

    it("attributes of another size, and unknown ones", () => {
      const { lt } = products;
      const { desc, a } = products.describe(small);
      expect(lt.descSet(desc, 3, new Uint8Array(8), 8)).toBe(INVALID_VALUE);
      expect(lt.descSet(desc, 99, new Uint8Array(4), 4)).toBe(INVALID_VALUE);
      expect(lt.layoutSet(a, 4, new Uint8Array(4), 4)).toBe(INVALID_VALUE);
      const value = new BigInt64Array(1);
      const written: [number] = [0];
      ok(lt.layoutGet(a, 4, value, 8, written));
      expect([value[0], written[0]]).toEqual([4n, 8]);
      ok(lt.descGet(desc, 7, null, 0, written));
      expect(written[0]).toBe(4);
    });

    it("work for the default stream while another captures", () => {
      const [stream] = results(1, (place) => bed.cuda.cuStreamCreate(place, 0));
      const at = place();
      ok(bed.cuda.cuStreamBeginCapture(stream, 0));
      expect(products.run(products.describe(small), at)).toBe(13);
    });
  });

  it("names its version and statuses, and counts what is not given back", () => {
    const { lt } = products;
    expect(lt.getVersion()).toBe(130101);
    expect([0, 7, 15, 99].map(lt.getStatusName)).toEqual(["CUBLAS_STATUS_SUCCESS", "CUBLAS_STATUS_INVALID_VALUE", "CUBLAS_STATUS_NOT_SUPPORTED", "unrecognized status"]);
    expect(lt.getStatusString(15)).toBe("the requested functionality is not supported");
    const { desc, a } = products.describe(small);
    expect(bed.cuda.leaks()).toMatch(/cuBLASLt: handle\n(cuBLASLt: matrix layout\n|cuBLASLt: matmul descriptor\n){5}$/);
    ok(lt.descDestroy(desc));
    ok(lt.layoutDestroy(a));
    expect(bed.cuda.leaks()).toMatch(/cuBLASLt: handle\n(cuBLASLt: matrix layout\n){3}$/);
  });
});
