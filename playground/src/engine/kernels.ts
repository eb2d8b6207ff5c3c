import { cudaModule } from "../../../src/codegen/cuda/emit.ts";
import { wgslModule } from "../../../src/codegen/wgsl/emit.ts";
import { wasmModule } from "../../../src/codegen/wasm/emit.ts";
import { plan, type Plan } from "../../../src/fusion/plan.ts";
import { describePlan } from "../../../src/fusion/print.ts";
import { readDefinition } from "../definition/read.ts";
import { describeNeuron } from "./describe.ts";
import type { KernelsRequest, KernelsResult, KernelText, Target } from "./protocol.ts";

type Direction = "forward" | "backward";

/** Neurons of one thread on a GPU; one is easiest to read. */
const vector = 1;

const emitters: Record<Target, (kernels: Plan, direction: Direction) => string> = {
  wgsl: (kernels, direction) => wgslModule(kernels, direction, { steps: kernels.steps, vector }),
  cuda: (kernels, direction) => cudaModule(kernels, { vector }, [direction]),
  wat: (kernels, direction) => wasmModule(kernels, [direction]).text,
};

/** The generated kernels of a definition, on every target. */
export function printKernels({ source, steps, inputs, spikes }: KernelsRequest): KernelsResult {
  const start = performance.now();
  const neuron = readDefinition(source);
  const kernels = plan({ neuron, steps, elements: inputs, outputs: { spike: spikes }, gradients: [...neuron.inputs, ...Object.keys(neuron.params)] });
  const texts = (direction: Direction): Record<Target, KernelText> =>
    Object.fromEntries(Object.entries(emitters).map(([target, emit]) => [target, attempt(() => emit(kernels, direction))])) as Record<Target, KernelText>;
  return { neuron: describeNeuron(neuron), forward: texts("forward"), backward: texts("backward"), plan: describePlan(kernels), milliseconds: performance.now() - start };
}

function attempt(emit: () => string): KernelText {
  try {
    return { text: emit() };
  } catch (error) {
    return { error: (error as Error).message };
  }
}
