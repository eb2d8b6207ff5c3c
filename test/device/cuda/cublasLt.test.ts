import { afterAll, beforeAll, expect, it } from "vitest";
import { CublasLt, type MatmulProblem } from "../../../src/device/cuda/cublasLt.ts";
import type { CudaDevice } from "../../../src/device/cuda/device.ts";
import type { Tensor } from "../../../src/device/device.ts";
import { decodeElement, encodeElement } from "../../../src/codegen/formats.ts";
import { DeviceError } from "../../../src/errors.ts";
import { noise } from "../../conformance/suite.ts";
import { sample } from "../../sample.ts";
import { describeOnStandIn, openCuda } from "./standIn.ts";

type Type = "f32" | "bf16";

describeOnStandIn("matrix products by cuBLASLt", () => {
  let device: CudaDevice;
  let library: CublasLt;
  beforeAll(async () => {
    device = await openCuda();
    library = CublasLt.open(device.context.driver);
  });
  afterAll(async () => {
    library.dispose();
    await device.dispose();
  });

  const random = noise(7);
  /** Quarters, which bf16 and TF32 hold exactly, as do f32 sums of their products. */
  const values = (count: number): number[] => Array.from({ length: count }, () => Math.round(random() * 8) / 4);
  const upload = (data: readonly number[], type: Type): Tensor => device.tensor(type === "f32" ? Float32Array.from(data) : Uint16Array.from(data, (value) => encodeElement("bf16", value)), [data.length]);
  const download = async (tensor: Tensor, type: Type): Promise<number[]> => Array.from(await device.read(tensor), (stored) => (type === "f32" ? stored : decodeElement("bf16", stored)));

  async function product(problem: MatmulProblem): Promise<void> {
    const { m, n, k, transposeA = false, transposeB = false, type, output = type, accumulate = false, epilogue } = problem;
    const { leadingA = transposeA ? m : k, leadingB = transposeB ? k : n, leadingD = n } = problem;
    const [a, b, d] = [values((transposeA ? k : m) * leadingA), values((transposeB ? n : k) * leadingB), values(m * leadingD)];
    const bias = values(epilogue === "sumsOfA" ? m : n);
    const atA = (i: number, l: number): number => (transposeA ? a[l * leadingA + i] : a[i * leadingA + l]);
    const atB = (l: number, j: number): number => (transposeB ? b[j * leadingB + l] : b[l * leadingB + j]);
    const sum = (term: (l: number) => number): number => Array.from({ length: k }, (_, l) => term(l)).reduce((x, y) => x + y, 0);
    const expected = d.map((old, at) => {
      const [i, j] = [Math.floor(at / leadingD), at % leadingD];
      return j >= n ? old : sum((l) => atA(i, l) * atB(l, j)) + (accumulate ? old : 0) + (epilogue === "bias" ? bias[j] : 0);
    });
    const vector = epilogue === "sumsOfA" ? bias.map((_, i) => sum((l) => atA(i, l))) : epilogue === "sumsOfB" ? bias.map((_, j) => sum((l) => atB(l, j))) : bias;
    const tensors = [upload(a, type), upload(b, type), upload(d, output), upload(bias, output)];
    const [pa, pb, pd, pv] = tensors.map((tensor) => device.context.ptr(tensor, "test"));
    const operands = { a: pa, b: pb, d: pd, ...(epilogue && { bias: pv }) };
    const plan = library.plan(problem, operands);
    using workspace = device.empty([Math.max(1, Math.ceil(plan.workspaceBytes / 4))]);
    library.run(plan, operands, device.context.ptr(workspace, "test"), device.context.stream);
    const round = (value: number): number => (output === "f32" ? value : decodeElement("bf16", encodeElement("bf16", value)));
    expect(await download(tensors[2], output), JSON.stringify(problem)).toEqual(expected.map(round));
    expect(await download(tensors[3], output), JSON.stringify(problem)).toEqual(vector.map(round));
    for (const tensor of tensors) tensor.dispose();
  }

  const flags = [false, true];
  const problems = flags.flatMap((transposeA) => flags.flatMap((transposeB) => flags.flatMap((accumulate) => ([["f32", "f32"], ["bf16", "bf16"], ["bf16", "f32"]] as const).flatMap(([type, output]) =>
    ([undefined, "bias", "sumsOfA", "sumsOfB"] as const).map((epilogue): MatmulProblem => ({ m: 8, n: 24, k: 16, transposeA, transposeB, accumulate, type, output, epilogue }))))));

  it.each(sample(problems, 24))("are those of row-major matrices: %j", async (problem) => {
    if (library.supports(problem)) await product(problem);
    else expect(problem.epilogue).toMatch(/^sums/);
  });

  it("take matrices with gaps, of any size", async () => {
    await product({ m: 3, n: 5, k: 7, type: "f32", leadingA: 9, leadingB: 6, leadingD: 11 });
    await product({ m: 1, n: 1, k: 1, type: "f32", tf32: true });
  });

  it("sum in f32 where the sum is split and D is bf16", async () => {
    // 256 + 1 has no bf16, 258 has one.
    const problem: MatmulProblem = { m: 1, n: 1, k: 4, type: "bf16" };
    const tensors = [upload([256, 1, 1, 0], "bf16"), upload([1, 1, 1, 1], "bf16"), upload([0], "bf16")];
    const [a, b, d] = tensors.map((tensor) => device.context.ptr(tensor, "test"));
    const plan = library.plan(problem);
    expect(plan.workspaceBytes).toBeGreaterThan(0);
    using workspace = device.empty([plan.workspaceBytes / 4]);
    library.run(plan, { a, b, d }, device.context.ptr(workspace, "test"), device.context.stream);
    expect(await download(tensors[2], "bf16")).toEqual([258]);
    for (const tensor of tensors) tensor.dispose();
  });

  it("choose their algorithm once a problem and alignment", () => {
    const problem: MatmulProblem = { m: 8, n: 8, k: 8, type: "f32" };
    const plan = library.plan(problem, { a: 512, b: 1024, d: 4096 });
    expect(library.plan({ ...problem }, { a: 2048, b: 512, d: 256 })).toBe(plan);
    expect(library.plan(problem)).toBe(plan);
    expect(library.plan(problem, { a: 512, b: 1024 + 16, d: 4096 })).not.toBe(plan);
    expect(library.plan({ ...problem, tf32: true })).not.toBe(plan);
  });

  it("name the problem that cuBLASLt has no algorithm for", () => {
    const problem: MatmulProblem = { m: 8, n: 8, k: 8, type: "f32", output: "bf16" };
    expect(library.supports(problem)).toBe(false);
    expect(() => library.plan(problem)).toThrow(DeviceError);
    expect(() => library.plan(problem)).toThrow(/has no algorithm for the product \{"m":8,.*"output":"bf16"\}/);
  });

  it("keep their workspace within what is allowed", () => {
    const none = CublasLt.open(device.context.driver, { workspaceBytes: 0 });
    expect(none.plan({ m: 64, n: 64, k: 4096, type: "f32" }).workspaceBytes).toBe(0);
    none.dispose();
  });
});
