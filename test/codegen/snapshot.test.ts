import { describe, expect, it } from "vitest";
import { emitCudaKernels } from "../../src/codegen/cuda/emit.ts";
import { wasmModule } from "../../src/codegen/wasm/emit.ts";
import { wgslModule } from "../../src/codegen/wgsl/emit.ts";
import { vectorOf } from "../../src/codegen/wgsl/vector.ts";
import { shapeOf } from "../../src/device/cuda/shape.ts";
import { plan } from "../../src/fusion/plan.ts";
import { describePlan } from "../../src/fusion/print.ts";
import { lif, parametricLif, surrogate } from "../../src/neuron/index.ts";
import { recurrentOf } from "../conformance/cases.ts";
import { adaptiveLif } from "../conformance/neurons.ts";

const cases = [
  ["lif", plan({ neuron: lif({ surrogate: surrogate.atan() }), steps: 32, gradients: ["x"] })],
  ["adaptiveLif-1000", plan({ neuron: adaptiveLif, steps: 1000, gradients: ["x", "beta"], params: { beta: "channel" } })],
  ["parametricLif-u8", plan({ neuron: parametricLif(), steps: 8, gradients: ["x", "w"], outputs: { spike: "u8" } })],
] as const;

/** What a workgroup or block of 64 threads does for a sample of up to 64 neurons. */
const recurrent = plan({ ...recurrentOf(lif({ surrogate: surrogate.atan() })), steps: 8, gradients: ["x"], record: [], finalState: false });

it("the text of kernels with a recurrent product", async () => {
  await expect(emitCudaKernels(recurrent, { vector: 1, block: 64 }).join("\n")).toMatchFileSnapshot("snapshots/recurrent-lif.cu");
  const wgsl = (["forward", "backward"] as const).map((direction) => wgslModule(recurrent, direction, { steps: 8, vector: 1, workgroup: 64 }));
  await expect(wgsl.join("\n")).toMatchFileSnapshot("snapshots/recurrent-lif.wgsl");
});

describe("the text of plans and kernels", () => {
  it.each(cases)("%s", async (name, kernels) => {
    await expect(describePlan(kernels)).toMatchFileSnapshot(`snapshots/${name}.plan.txt`);
    await expect(wasmModule(kernels).text).toMatchFileSnapshot(`snapshots/${name}.wat`);
    const wgsl = (["forward", "backward"] as const).map((direction) => wgslModule(kernels, direction, { steps: kernels.steps, vector: vectorOf(kernels, direction, 4096) }));
    const cuda = (["forward", "backward"] as const).flatMap((direction) => emitCudaKernels(kernels, shapeOf(kernels, direction, 1 << 20, kernels.steps, 132), [direction]));
    await expect(cuda.join("\n")).toMatchFileSnapshot(`snapshots/${name}.cu`);
    await expect(wgsl.join("\n")).toMatchFileSnapshot(`snapshots/${name}.wgsl`);
  });
});
