import { afterAll, beforeAll, expect, it } from "vitest";
import { decodeElement, encodeElement } from "../../../src/codegen/formats.ts";
import { type ConvolutionProblem, outputShape, workspaceFor } from "../../../src/device/cuda/convolutionProblem.ts";
import { Cudnn } from "../../../src/device/cuda/cudnn.ts";
import type { CudaDevice } from "../../../src/device/cuda/device.ts";
import type { Tensor } from "../../../src/device/device.ts";
import { noise } from "../../conformance/suite.ts";
import { describeOnStandIn, openCuda } from "./standIn.ts";

type Type = "f32" | "bf16";

describeOnStandIn("convolutions by cuDNN", () => {
  let device: CudaDevice;
  let library: Cudnn;
  beforeAll(async () => {
    device = await openCuda();
    library = Cudnn.open(device.context.driver);
  });
  afterAll(async () => {
    library.dispose();
    await device.dispose();
  });

  const random = noise(11);
  /** Quarters, which bf16 holds exactly, as do f32 sums of their products. */
  const values = (count: number): number[] => Array.from({ length: count }, () => Math.round(random() * 4) / 4);
  const upload = (data: readonly number[], type: Type): Tensor => device.tensor(type === "f32" ? Float32Array.from(data) : Uint16Array.from(data, (value) => encodeElement("bf16", value)), [data.length]);
  const size = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1);

  /** Each product of the convolution, by the indices of x, w and y. */
  function* terms({ x: [n, h, w, c], w: [o, kh, kw], padding, stride }: ConvolutionProblem, [, yh, yw]: readonly number[]): Iterable<[x: number, w: number, y: number]> {
    for (let image = 0; image < n; image++) for (let i = 0; i < yh; i++) for (let j = 0; j < yw; j++) for (let out = 0; out < o; out++) for (let p = 0; p < kh; p++) for (let q = 0; q < kw; q++) {
      const [row, column] = [i * stride[0] + p - padding[0], j * stride[1] + q - padding[1]];
      if (row < 0 || row >= h || column < 0 || column >= w) continue;
      for (let channel = 0; channel < c; channel++) {
        yield [((image * h + row) * w + column) * c + channel, ((out * kh + p) * kw + q) * c + channel, ((image * yh + i) * yw + j) * o + out];
      }
    }
  }

  const layers: Pick<ConvolutionProblem, "x" | "w" | "padding" | "stride">[] = [
    { x: [2, 6, 5, 3], w: [4, 3, 3, 3], padding: [1, 1], stride: [1, 1] },
    { x: [1, 7, 8, 2], w: [3, 3, 2, 2], padding: [1, 0], stride: [2, 3] },
    { x: [2, 4, 4, 8], w: [8, 1, 1, 8], padding: [0, 0], stride: [2, 2] },
  ];
  const problems = layers.flatMap((layer) => (["f32", "bf16"] as const).flatMap((type) => (["forward", "data", "filter"] as const).map((kind): ConvolutionProblem => ({ ...layer, type, kind }))));

  it.each(problems)("are those of channels-last tensors: %j", async (problem) => {
    const shape = outputShape(problem);
    const arrays = { x: values(size(problem.x)), w: values(size(problem.w)), y: values(size(shape)) };
    const written = { forward: "y", data: "x", filter: "w" } as const;
    const result = written[problem.kind];
    const expected = arrays[result].map(() => 0);
    for (const [x, w, y] of terms(problem, shape)) {
      if (result === "y") expected[y] += arrays.x[x] * arrays.w[w];
      else if (result === "x") expected[x] += arrays.y[y] * arrays.w[w];
      else expected[w] += arrays.x[x] * arrays.y[y];
    }
    const tensors = { x: upload(arrays.x, problem.type), w: upload(arrays.w, problem.type), y: upload(arrays.y, problem.type) };
    const plan = library.plan(problem);
    expect(library.plan({ ...problem })).toBe(plan);
    using workspace = device.empty([Math.max(1, Math.ceil(plan.workspaceBytes / 4))]);
    const ptr = (tensor: Tensor): number => device.context.ptr(tensor, "test");
    library.run(plan, { x: ptr(tensors.x), w: ptr(tensors.w), y: ptr(tensors.y) }, ptr(workspace), device.context.stream);
    const actual = Array.from(await device.read(tensors[result]), (stored) => (problem.type === "f32" ? stored : decodeElement("bf16", stored)));
    expect(actual).toEqual(expected.map((value) => (problem.type === "f32" ? value : decodeElement("bf16", encodeElement("bf16", value)))));
    for (const tensor of Object.values(tensors)) tensor.dispose();
  });

  it("may take workspace for copies of their f32 tensors, however large, and not more than is allowed", () => {
    const problem: ConvolutionProblem = { x: [1024, 56, 56, 64], w: [64, 3, 3, 64], padding: [1, 1], stride: [1, 1], kind: "data", type: "f32", tf32: true };
    const image = 4 * size(problem.x);
    expect(library.plan(problem).workspaceBytes).toBe(image);
    expect(workspaceFor("f32", 2 * size(problem.x))).toBeGreaterThan(2 * image);
    expect(workspaceFor("bf16", 2 * size(problem.x))).toBe(2 ** 28);
    const bounded = Cudnn.open(device.context.driver, { workspaceBytes: 2 ** 20 });
    expect(bounded.plan(problem).workspaceBytes).toBe(0);
    bounded.dispose();
  });

  it("round the factors of tf32 on tensor cores, and those of float32 not", async () => {
    const fine = 1 + 2 ** -12;
    const problem: ConvolutionProblem = { x: [1, 1, 1, 4], w: [4, 1, 1, 4], padding: [0, 0], stride: [1, 1], kind: "forward", type: "f32" };
    const ptr = (tensor: Tensor): number => device.context.ptr(tensor, "test");
    for (const [tf32, expected] of [[false, fine], [true, 1]] as const) {
      const [x, w, y] = [upload([fine, 0, 0, 0], "f32"), upload(Array.from({ length: 16 }, () => 1), "f32"), upload([0, 0, 0, 0], "f32")];
      const plan = library.plan({ ...problem, tf32 });
      using workspace = device.empty([Math.max(1, plan.workspaceBytes / 4)]);
      library.run(plan, { x: ptr(x), w: ptr(w), y: ptr(y) }, ptr(workspace), device.context.stream);
      expect(await device.read(y)).toEqual(new Float32Array(4).fill(expected));
      for (const tensor of [x, w, y]) tensor.dispose();
    }
  });

  it("give their plans back with the library", () => {
    const other = Cudnn.open(device.context.driver);
    const plan = other.plan(problems[0]);
    other.dispose();
    expect(() => other.run(plan, { x: 512, w: 512, y: 512 }, 0, device.context.stream)).toThrow(/cudnn\w+ failed/);
    other.dispose();
  });
});
