import { interpretBackward } from "../../../src/codegen/interpreter.ts";
import { lower } from "../../../src/fusion/block.ts";
import { plan, type PlanRequest } from "../../../src/fusion/plan.ts";
import type { Neuron } from "../../../src/neuron/define.ts";
import { leaf } from "../../../src/neuron/expr.ts";
import { firing, firingNames, withFiring } from "../../../src/neuron/firing.ts";
import { readDefinition } from "../definition/read.ts";
import { describeNeuron, membraneOf } from "./describe.ts";
import { compile, runForward } from "./evaluate.ts";
import type { BenchRequest, BenchResult } from "./protocol.ts";
import { makeInput } from "./signals.ts";

/** Runs a definition on the bench. */
export function runBench({ source, params, input: settings, steps, size, shown }: BenchRequest): BenchResult {
  const start = performance.now();
  const neuron = readDefinition(source);
  const [driven, ...still] = neuron.inputs;
  const input = makeInput(settings, steps, size);
  const constants = Object.fromEntries([
    ...Object.entries(neuron.params).map(([name, value]) => [name, Float32Array.of(params[name] ?? value)] as const),
    ...still.map((name) => [name, Float32Array.of(params[name] ?? 1)] as const),
  ]);
  const inputs = Object.fromEntries(still.map((name) => [name, { time: "constant", extent: "layer" } as const]));

  const states = Object.keys(neuron.state);
  const { potential, threshold } = firingNames(neuron);
  const forward = plan({ neuron: withFiring(neuron), steps, inputs, outputs: { spike: "f32", [potential]: "f32", [threshold]: "f32" }, record: states });
  const run = runForward(forward, { steps, size, values: { ...constants, ...(driven ? { [driven]: input } : {}) } });
  const one = (rows: Float32Array): Float32Array => Float32Array.from({ length: steps }, (_, t) => rows[t * size + shown]);
  const own = one(input);

  return {
    neuron: { ...describeNeuron(neuron), inputs: [...neuron.inputs] },
    input: own,
    states: Object.fromEntries(states.map((name) => [name, one(run[`trace.${name}`])])),
    potential: one(run[potential]),
    threshold: one(run[threshold]),
    membrane: membraneOf(neuron),
    spikes: Uint8Array.from(run.spike),
    gradient: driven ? gradientOf({ neuron, steps, inputs }, driven, { ...constants, [driven]: own }) : new Float32Array(steps),
    surrogate: surrogateCurve(neuron),
    milliseconds: performance.now() - start,
  };
}

/** ∂(Σ spikes)/∂input of one neuron at each step. */
function gradientOf(request: PlanRequest, driven: string, buffers: Record<string, Float32Array>): Float32Array {
  const { steps } = request;
  const gradient = new Float32Array(steps);
  interpretBackward(plan({ ...request, outputs: {}, seeds: { spike: "varying" }, gradients: [driven] }), {
    steps, size: 1, buffers: { ...buffers, "d.spike": new Float32Array(steps).fill(1), [`grad.${driven}`]: gradient },
  });
  return gradient;
}

const CURVE_POINTS = 201;

function surrogateCurve(neuron: Neuron): BenchResult["surrogate"] {
  const { surrogate } = firing(neuron.next, Object.keys(neuron.state));
  const u = leaf("input", "u");
  const at = Float32Array.from({ length: CURVE_POINTS }, (_, i) => (4 * i) / (CURVE_POINTS - 1) - 2);
  const { derivative } = compile(lower({ derivative: surrogate.derivative(u) }), CURVE_POINTS)(() => at);
  return { name: surrogate.name, at, derivative: derivative.slice() };
}
