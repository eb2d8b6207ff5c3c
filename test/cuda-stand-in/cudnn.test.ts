import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { noise } from "../conformance/suite.ts";
import { standIn } from "./build.mjs";
import { bf16, fromBf16, tf32 } from "./cublasLt.ts";
import { Backend, BF16, DESCRIPTOR, type Direction, type Problem, shapeOfY, written } from "./cudnn.ts";
import { ILLEGAL_ADDRESS, LAUNCH_FAILED, ok, results, Testbed } from "./testbed.ts";

const library = standIn();

const BAD_PARAM = 2000;
const NULL_POINTER = 2002;
const MISALIGNED = 2003;
const NOT_FINALIZED = 2004;
const WRONG_TYPE = 2010;
/** The notes of the engines for float32: tensor cores, inputs rounded; and strict. */
const TENSOR_CORES = [0];
const STRICT: number[] = [];

const random = noise(11);
const values = (size: readonly number[]): Float32Array => Float32Array.from({ length: size.reduce((a, b) => a * b) }, random);

/** What is written, by loops over all indices, in double. */
function plain(problem: Problem, [x, w, y]: ArrayLike<number>[]): Float64Array {
  const { direction, padding = [0, 0], stride = [1, 1], dilation = [1, 1], channelsFirst = false } = problem;
  const sizes = [problem.x, problem.w, shapeOfY(problem)];
  const at = (i: number, a: number, b: number, c: number, d: number): number => {
    const [, channels, rows, columns] = sizes[i];
    return channelsFirst ? ((a * channels + b) * rows + c) * columns + d : ((a * rows + c) * columns + d) * channels + b;
  };
  const out = new Float64Array(sizes[written(direction)].reduce((a, b) => a * b));
  const [n, k, p, q] = sizes[2];
  const [, channels, r, s] = problem.w;
  const filters = k / (problem.x[1] / channels);
  for (let image = 0; image < n; image++) for (let filter = 0; filter < k; filter++) for (let i = 0; i < p; i++) for (let j = 0; j < q; j++) {
    for (let c = 0; c < channels; c++) for (let u = 0; u < r; u++) for (let v = 0; v < s; v++) {
      const [row, column] = [i * stride[0] - padding[0] + u * dilation[0], j * stride[1] - padding[1] + v * dilation[1]];
      if (row < 0 || row >= problem.x[2] || column < 0 || column >= problem.x[3]) continue;
      const [atX, atW, atY] = [at(0, image, Math.floor(filter / filters) * channels + c, row, column), at(1, filter, c, u, v), at(2, image, filter, i, j)];
      if (direction === "forward") out[atY] += x[atX] * w[atW];
      else if (direction === "data") out[atX] += w[atW] * y[atY];
      else out[atW] += x[atX] * y[atY];
    }
  }
  return out;
}

describe.skipIf(library === null)("cuDNN on the stand-in", () => {
  let bed: Testbed;
  let backend: Backend;
  const renew = () => {
    bed = new Testbed(library!);
    backend = new Backend(library!, bed.stream);
  };
  beforeEach(renew);
  afterEach(() => bed.cuda.reset());

  const small: Problem = { direction: "forward", x: [2, 8, 5, 4], w: [16, 8, 3, 3], padding: [1, 1] };
  const sizesOf = (problem: Problem) => [problem.x, problem.w, shapeOfY(problem)];

  /** Places for x, w and y, filled. */
  function place(problem: Problem): { data: Float32Array[]; at: number[] } {
    const data = sizesOf(problem).map(values);
    return { data, at: data.map((array) => bed.upload(problem.type === BF16 ? bf16(array) : array)) };
  }

  function run(problem: Problem, notes: readonly number[], { data, at } = place(problem)) {
    const { plan, workspace } = backend.planWith(problem, notes);
    ok(backend.execute(plan, at, workspace === 0 ? 0 : bed.alloc(workspace)));
    const which = written(problem.direction);
    const count = data[which].length;
    const actual = problem.type === BF16 ? fromBf16(bed.download(at[which], new Uint16Array(count) as never)) : bed.download(at[which], new Float32Array(count));
    return { data, actual };
  }

  const expectClose = (actual: ArrayLike<number>, expected: ArrayLike<number>, within: number): void => {
    expect(actual.length).toBe(expected.length);
    expect(Math.max(...Array.from(expected, (value, n) => Math.abs(actual[n] - value)))).toBeLessThan(within);
  };

  describe.each<Direction>(["forward", "data", "filter"])("computes %s", (direction) => {
    it.each<[string, Partial<Problem>]>([
      ["padded", {}],
      ["with strides", { stride: [2, 1], padding: [1, 0] }],
      ["dilated", { dilation: [2, 1], padding: [2, 1] }],
      ["in groups", { x: [2, 6, 5, 4], w: [9, 2, 3, 2], stride: [1, 2] }],
      ["of each channel", { w: [8, 1, 3, 3] }],
      ["of one channel", { x: [3, 1, 6, 5], w: [3, 1, 2, 4], padding: [0, 2] }],
      ["of one pixel", { w: [16, 8, 1, 1], padding: [0, 0] }],
      ["with channels first", { channelsFirst: true }],
      ["of patches larger than the image", { x: [1, 4, 2, 2], w: [4, 4, 5, 5], padding: [3, 2] }],
    ])("%s", (_, part) => {
      const problem = { ...small, ...part, direction };
      const { data, actual } = run(problem, STRICT);
      expectClose(actual, plain(problem, data), 1e-5);
    });

    it("by tensor cores, whose inputs are rounded to tf32", () => {
      const problem = { ...small, direction };
      const given = place(problem);
      const { actual } = run(problem, TENSOR_CORES, given);
      expectClose(actual, plain(problem, given.data.map(tf32)), 1e-5);
      const strict = run(problem, STRICT, { ...given, at: given.data.map((array) => bed.upload(array)) }).actual;
      expect(strict).not.toEqual(actual);
    });

    it.each([[8, 16], [3, 5]])("in bf16, %i and %i channels", (c, k) => {
      const problem: Problem = { ...small, direction, type: BF16, x: [2, c, 5, 4], w: [k, c, 3, 3] };
      const given = place(problem);
      const { actual } = run(problem, [0], given);
      const exact = plain(problem, given.data.map((array) => fromBf16(bf16(array))));
      expectClose(actual, fromBf16(bf16(exact)), 0.07);
      expect(Array.from(actual).filter((value, n) => value === fromBf16(bf16([exact[n]]))[0]).length).toBeGreaterThan(0.98 * actual.length);
    });

    it("scaled, added to what is there", () => {
      const problem: Problem = { ...small, direction, alpha: 2, beta: -0.5 };
      const { data, actual } = run(problem, STRICT);
      const before = data[written(direction)];
      expectClose(actual, plain(problem, data).map((value, n) => 2 * value - 0.5 * before[n]), 2e-5);
    });
  });

  it("waits in the handle's stream, and is part of a graph", () => {
    const problem: Problem = { ...small, beta: 1 };
    const { data, at } = place(problem);
    ok(bed.synchronize());
    const { plan } = backend.planWith(problem, STRICT);
    ok(bed.cuda.cuStreamBeginCapture(bed.stream, 0));
    ok(backend.execute(plan, at));
    const [graph] = results(1, (place) => bed.cuda.cuStreamEndCapture(bed.stream, place));
    const [executable] = results(1, (place) => bed.cuda.cuGraphInstantiate(place, graph, 0));
    expect(bed.download(at[2], new Float32Array(data[2].length))).toEqual(data[2]);
    for (let n = 0; n < 3; n++) ok(bed.cuda.cuGraphLaunch(executable, bed.stream));
    const other = new Float32Array(data[2].length);
    const [elsewhere] = results(1, (place) => bed.cuda.cuStreamCreate(place, 1));
    ok(bed.cuda.cuMemcpyDtoHAsync(other, at[2], other.byteLength, elsewhere));
    expect(other).toEqual(data[2]);
    const once = plain(problem, data);
    expectClose(bed.download(at[2], new Float32Array(data[2].length)), once.map((value, n) => 3 * value + data[2][n]), 5e-5);
    ok(bed.cuda.cuMemFree(at[1]));
    ok(bed.cuda.cuGraphLaunch(executable, bed.stream));
    expect(bed.synchronize()).toBe(ILLEGAL_ADDRESS);
    expect(bed.cuda.lastFault()).toMatch(/^cudnnBackendExecute, w: read of 4608 bytes .* which is freed$/);
  });

  it("keeps a plan when all that it was made of is gone", () => {
    const graph = backend.graph(small);
    const { configuration } = backend.configurations(graph).at(-1)!;
    const plan = backend.plan(configuration);
    ok(backend.cudnn.finalize(plan));
    for (const descriptor of [graph, configuration]) ok(backend.cudnn.descriptorDestroy(descriptor));
    ok(backend.execute(plan, place(small).at));
    expect(bed.synchronize()).toBe(0);
  });

  describe("offers", () => {
    const notes = (problem: Problem, mode?: number) => backend.configurations(backend.graph(problem), mode).map((each) => each.notes);

    it("tensor cores first, for gradients of filters those that sum in any order, strict float32 last", () => {
      expect(notes(small)).toEqual([[0], []]);
      expect(notes({ ...small, direction: "filter" })).toEqual([[0, 4], [0], []]);
      expect(notes({ ...small, type: BF16 })).toEqual([[0], [0]]);
      expect(notes(small, 2)).toEqual([[]]);
    });

    it("no tensor cores for channels that are no whole 16 bytes, channels first, or less aligned tensors", () => {
      expect(notes({ ...small, x: [2, 3, 5, 4], w: [16, 3, 3, 3] })).toEqual([[]]);
      expect(notes({ ...small, channelsFirst: true })).toEqual([[]]);
      expect(notes({ ...small, alignment: 4 })).toEqual([[]]);
      expect(notes({ ...small, type: BF16, w: [4, 8, 3, 3] })).toEqual([[0]]);
    });

    it("configurations of which no plan can be made: tensor cores with dilation", () => {
      const [first, last] = backend.configurations(backend.graph({ ...small, dilation: [2, 2], padding: [2, 2] }));
      expect(backend.cudnn.finalize(backend.plan(first.configuration))).toBe(3002);
      expect(backend.lastError()).toBe("this engine has no dilation");
      expect(backend.cudnn.finalize(backend.plan(last.configuration))).toBe(0);
    });

    it("fewer configurations than there is place for, as many as there is", () => {
      const heuristics = backend.heuristics(backend.graph(small));
      ok(backend.cudnn.finalize(heuristics));
      const made = Array.from({ length: 5 }, () => backend.descriptor(DESCRIPTOR.configuration));
      expect(backend.get(heuristics, 202, "descriptor", made)).toEqual(made.slice(0, 2));
      expect(backend.get(heuristics, 202, "descriptor", made.slice(0, 1))).toEqual(made.slice(0, 1));
      expect(() => backend.get(heuristics, 202, "descriptor", [backend.descriptor(DESCRIPTOR.engine)])).toThrow("2000");
    });
  });

  describe("faults when it runs", () => {
    it.each([0, 1, 2])("past the end of tensor %i", (which) => {
      const { data, at } = place(small);
      const short = bed.alloc(4 * (data[which].length - 1));
      const { plan } = backend.planWith(small, STRICT);
      ok(backend.execute(plan, at.map((pointer, n) => (n === which ? short : pointer))));
      expect(bed.synchronize()).toBe(ILLEGAL_ADDRESS);
      expect(bed.cuda.lastFault()).toMatch(new RegExp(`^cudnnBackendExecute, ${"xwy"[which]}: ${which === 2 ? "write" : "read"} of`));
    });

    it("past the end of the workspace, which is unwritten afterwards", () => {
      const problem: Problem = { ...small, direction: "data" };
      const { plan, workspace } = backend.planWith(problem, TENSOR_CORES);
      expect(workspace).toBe(1280);
      const scratch = bed.upload(new Float32Array(workspace / 4));
      ok(backend.execute(plan, place(problem).at, scratch));
      expect(bed.download(scratch, new Float32Array(1))).toEqual(Float32Array.of(NaN));
      ok(backend.execute(plan, place(problem).at, bed.alloc(workspace - 4)));
      expect(bed.synchronize()).toBe(ILLEGAL_ADDRESS);
      expect(bed.cuda.lastFault()).toContain("workspace");
    });

    it("where the output overlaps an input", () => {
      const { at } = place(small);
      const { plan } = backend.planWith(small, STRICT);
      ok(backend.execute(plan, [at[2] + 64, at[1], at[2]]));
      expect(bed.synchronize()).toBe(LAUNCH_FAILED);
      expect(bed.cuda.lastFault()).toBe("cudnnBackendExecute: x overlaps y");
    });
  });

  describe("refuses to run", () => {
    it("without workspace, or with one that is not aligned", () => {
      const problem: Problem = { ...small, direction: "data" };
      const { plan, workspace } = backend.planWith(problem, TENSOR_CORES);
      const { at } = place(problem);
      expect(backend.execute(plan, at)).toBe(NULL_POINTER);
      expect(backend.lastError()).toBe("the plan needs 1280 bytes of workspace");
      expect(backend.execute(plan, at, bed.alloc(workspace + 16) + 8)).toBe(MISALIGNED);
    });

    it("tensors that are null or not aligned as they say", () => {
      const { plan } = backend.planWith(small, STRICT);
      const { at } = place(small);
      expect(backend.execute(plan, [at[0], 0, at[2]])).toBe(NULL_POINTER);
      expect(backend.execute(plan, [at[0] + 4, at[1], at[2]])).toBe(MISALIGNED);
    });

    it("a pack that lacks a tensor, has one twice, or another number of pointers", () => {
      const { cudnn, handle } = backend;
      const { plan } = backend.planWith(small, STRICT);
      const { at } = place(small);
      const lacking = backend.pack(at, 0, [1, 2, 4]);
      ok(cudnn.finalize(lacking));
      expect(cudnn.execute(handle, plan, lacking)).toBe(BAD_PARAM);
      expect(backend.lastError()).toBe("the variant pack has no pointer for y, unique id 3");
      expect(cudnn.finalize(backend.pack(at, 0, [1, 2, 2]))).toBe(BAD_PARAM);
      expect(cudnn.finalize(backend.pack(at.slice(1)))).toBe(BAD_PARAM);
    });

    it("what is not finalized, is destroyed or is something else", () => {
      const { cudnn, handle } = backend;
      const { plan } = backend.planWith(small, STRICT);
      const { at } = place(small);
      const pack = backend.pack(at);
      expect(cudnn.execute(handle, plan, pack)).toBe(NOT_FINALIZED);
      ok(cudnn.finalize(pack));
      expect(cudnn.execute(handle, pack, plan)).toBe(BAD_PARAM);
      ok(cudnn.descriptorDestroy(plan));
      expect(cudnn.execute(handle, plan, pack)).toBe(BAD_PARAM);
      expect(cudnn.descriptorDestroy(plan)).toBe(BAD_PARAM);
      expect(cudnn.execute(handle + 1, plan, pack)).toBe(BAD_PARAM);
      ok(cudnn.destroy(handle));
      expect(cudnn.setStream(handle, bed.stream)).toBe(BAD_PARAM);
    });

    it("on the default stream while another captures", () => {
      const { plan } = backend.planWith(small, STRICT);
      const [stream] = results(1, (place) => bed.cuda.cuStreamCreate(place, 0));
      ok(backend.cudnn.setStream(backend.handle, 0));
      const { at } = place(small);
      ok(bed.cuda.cuStreamBeginCapture(stream, 0));
      expect(backend.execute(plan, at)).toBe(5000);
    });
  });

  describe("refuses a descriptor", () => {
    const finalized = (type: number, attributes: readonly (readonly [number, ...unknown[]])[]) => backend.cudnn.finalize(backend.begin(type, attributes as never));
    const tensorWith = (...changed: [number, ...unknown[]]) => finalized(DESCRIPTOR.tensor, [...backend.tensor(1, [2, 8, 5, 4]), changed]);

    it("that lacks an attribute", () => {
      const all = backend.tensor(1, [2, 8, 5, 4]);
      for (let n = 0; n < all.length; n++) expect(finalized(DESCRIPTOR.tensor, all.filter((_, i) => i !== n)), `without ${all[n][0]}`).toBe(BAD_PARAM);
      const convolution = backend.convolution({});
      for (let n = 0; n < convolution.length; n++) expect(finalized(DESCRIPTOR.convolution, convolution.filter((_, i) => i !== n))).toBe(BAD_PARAM);
      const [type, operation] = backend.operation(small);
      for (let n = 0; n < 4; n++) expect(finalized(type, operation.filter((_, i) => i !== n))).toBe(BAD_PARAM);
      expect(finalized(type, operation.slice(0, 4))).toBe(0);
    });

    it("of a tensor that cannot be", () => {
      expect(tensorWith(900, "int64", 3)).toBe(BAD_PARAM);
      expect(tensorWith(900, "int64", 2)).toBe(BAD_PARAM);
      expect(tensorWith(902, "int64", 2, 8, 5)).toBe(BAD_PARAM);
      expect(tensorWith(902, "int64", 2, 0, 5, 4)).toBe(BAD_PARAM);
      expect(tensorWith(901, "dataType", 3)).toBe(3000);
    });

    it("of a convolution that cannot be", () => {
      const convolutionWith = (...changed: [number, ...unknown[]]) => finalized(DESCRIPTOR.convolution, [...backend.convolution({}), changed]);
      expect(convolutionWith(102, "int64", 1)).toBe(BAD_PARAM);
      expect(convolutionWith(103, "int64", 0, 1)).toBe(BAD_PARAM);
      expect(convolutionWith(105, "int64", -1, 0)).toBe(BAD_PARAM);
    });

    it.each<[string, Partial<Problem>]>([
      ["rows of y", { y: [2, 16, 4, 4] }], ["columns of y", { y: [2, 16, 5, 5] }], ["channels of y", { y: [2, 15, 5, 4] }], ["images of y", { y: [3, 16, 5, 4] }], ["channels of w", { w: [16, 7, 3, 3] }],
      ["filters larger than the image", { w: [16, 8, 9, 3], y: [2, 16, 1, 4] }],
    ])("of an operation with wrong %s", (_, part) => {
      for (const direction of ["forward", "data", "filter"] as const) {
        const [type, attributes] = backend.operation({ ...small, ...part, direction });
        expect(finalized(type, attributes)).toBe(BAD_PARAM);
      }
    });

    it("made of one that was not finalized when it was set", () => {
      const [type, attributes] = backend.operation(small);
      const late = backend.begin(DESCRIPTOR.tensor, backend.tensor(1, small.x));
      const operation = backend.begin(type, [...attributes.filter(([name]) => name !== 704), [704, "descriptor", late]]);
      ok(backend.cudnn.finalize(late));
      expect(backend.cudnn.finalize(operation)).toBe(BAD_PARAM);
    });

    it("of a graph with two operations, or tensors of one id", () => {
      const operations = [0, 1].map(() => backend.make(...backend.operation(small)));
      expect(finalized(DESCRIPTOR.graph, [[801, "descriptor", ...operations]])).toBe(3001);
      const [type, attributes] = backend.operation(small);
      const same = backend.make(type, [...attributes, [703, "descriptor", backend.make(DESCRIPTOR.tensor, backend.tensor(1, small.w))]]);
      expect(finalized(DESCRIPTOR.graph, [[801, "descriptor", same]])).toBe(BAD_PARAM);
    });

    it("for which there is no engine: groups with dilation, mixed types, other layouts", () => {
      const heuristics = (graph: number) => backend.cudnn.finalize(backend.heuristics(graph));
      expect(heuristics(backend.graph({ ...small, w: [16, 4, 3, 3], dilation: [1, 2] }))).toBe(3002);
      expect(heuristics(backend.graph({ ...small, type: BF16, channelsFirst: true }))).toBe(3004);
      const [type, attributes] = backend.operation(small);
      const graphWith = (...changed: [number, "descriptor", number]) => backend.make(DESCRIPTOR.graph, [[801, "descriptor", backend.make(type, [...attributes, changed])]]);
      expect(heuristics(graphWith(703, "descriptor", backend.make(DESCRIPTOR.tensor, backend.tensor(2, small.w, { type: BF16 }))))).toBe(3003);
      const strided = backend.make(DESCRIPTOR.tensor, [...backend.tensor(1, small.x), [903, "int64", 400, 2, 80, 20]]);
      expect(heuristics(graphWith(704, "descriptor", strided))).toBe(3004);
    });

    it("that is no type it knows, and attributes of the wrong type, number or time", () => {
      const { cudnn } = backend;
      expect(cudnn.descriptorCreate(13, [0])).toBe(3000);
      const tensor = backend.descriptor(DESCRIPTOR.tensor);
      expect(backend.set(tensor, [906, "float", 1])).toBe(WRONG_TYPE);
      expect(backend.set(tensor, [906, "int64", 1, 2])).toBe(BAD_PARAM);
      expect(backend.set(tensor, [906, "int64"])).toBe(BAD_PARAM);
      expect(backend.set(tensor, [100, "dataType", 0])).toBe(BAD_PARAM);
      expect(cudnn.set(tensor, 906, 3, 1, null)).toBe(BAD_PARAM);
      expect(cudnn.get(tensor, 906, 3, 1, [0], new BigInt64Array(1))).toBe(1001);
      const done = backend.make(DESCRIPTOR.tensor, backend.tensor(5, small.x));
      expect(backend.set(done, [906, "int64", 6])).toBe(BAD_PARAM);
      expect(cudnn.finalize(done)).toBe(BAD_PARAM);
      expect(backend.get(done, 906, "int64")).toEqual([5]);
      expect(backend.get(done, 902, "int64", 2)).toEqual([2, 8]);
      expect(cudnn.get(done, 906, 4, 1, [0], new Float32Array(1))).toBe(WRONG_TYPE);
      const operation = backend.descriptor(10);
      expect(backend.set(operation, [702, "descriptor", done])).toBe(BAD_PARAM);
      expect(backend.set(operation, [704, "descriptor", 0])).toBe(BAD_PARAM);
      ok(cudnn.descriptorDestroy(done));
      expect(backend.set(operation, [704, "descriptor", done])).toBe(BAD_PARAM);
    });
  });

  it("names its version and statuses, and counts what is not given back", () => {
    const { cudnn } = backend;
    expect(cudnn.getVersion()).toBe(92400);
    expect([0, 2000, 3000, 77].map(cudnn.getErrorString)).toEqual(["CUDNN_STATUS_SUCCESS", "CUDNN_STATUS_BAD_PARAM", "CUDNN_STATUS_NOT_SUPPORTED", "CUDNN_UNKNOWN_STATUS"]);
    const tensor = backend.descriptor(DESCRIPTOR.tensor);
    expect(bed.cuda.leaks()).toMatch(/cuDNN: handle\ncuDNN: descriptor of a tensor\n$/);
    ok(cudnn.descriptorDestroy(tensor));
    ok(cudnn.destroy(backend.handle));
    expect(bed.cuda.leaks()).not.toContain("cuDNN");
  });
});
