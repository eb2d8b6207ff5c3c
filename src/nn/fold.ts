import type { Device, FusedKernel, Tensor } from "../device/device.ts";
import { plan, type TimeLayout } from "../fusion/plan.ts";
import type { Neuron } from "../neuron/define.ts";
import { elements } from "./axes.ts";
import { cast } from "./precision.ts";
import type { Tape } from "./tape.ts";
import type { Variable } from "./variable.ts";

/** What is read of a variable over time, by a little neuron that runs all T steps in one kernel. */
export interface Fold {
  /** Its first input is x; the others, if any, are the same at all steps. */
  neuron: Neuron;
  /** The state that is the result, after the last step. */
  state: string;
  /** The other inputs, one value for each of [B, ...]. Default: none. They stay the caller's, and must outlive the tape. */
  given?: Readonly<Record<string, Tensor>>;
}

/** [T, B, ...] → [B, ...]. */
export function foldOverTime(tape: Tape, x: Variable, { neuron, state, given = {} }: Fold): Variable {
  const { device, steps } = tape;
  const input = cast(tape, x.plain(), "f32");
  const [name] = neuron.inputs;
  const shape = [input.batch, ...input.shape];
  const size = elements(shape);
  const time: TimeLayout = input.time === "varying" ? "varying" : "constant";
  const kernel = kernelOf(device, neuron, { steps, time, state, gradient: tape.training && input.requiresGradient });
  const buffers = { [name]: input.value, ...given };
  const written: Record<string, Tensor> = {};
  for (const buffer of kernel.plan.forward.buffers) {
    if (buffer.direction === "out") written[buffer.name] = device.empty(buffer.time === "checkpoint" ? [Math.ceil(steps / kernel.plan.checkpointEvery!) - 1, size] : shape);
  }
  kernel.forward({ steps, size, buffers: { ...buffers, ...written } });
  const { [`final.${state}`]: value, ...saved } = written;
  const [result] = tape.record({
    inputs: [input],
    outputs: [{ value, shape: input.shape, time: "none" }],
    saved: Object.values(saved),
    backward([seed]) {
      const gradient = device.empty(input.value.shape);
      const needed = kernel.plan.backward!.buffers.filter((buffer) => Object.hasOwn(saved, buffer.name)).map((buffer) => [buffer.name, saved[buffer.name]]);
      kernel.backward({ steps, size, buffers: { ...buffers, ...Object.fromEntries(needed), [`d.final.${state}`]: seed!, [`grad.${name}`]: gradient } });
      return [gradient];
    },
  });
  return result;
}

interface Request {
  steps: number;
  time: TimeLayout;
  state: string;
  gradient: boolean;
}

const kernels = new WeakMap<Device, WeakMap<Neuron, Map<string, FusedKernel>>>();

function kernelOf(device: Device, neuron: Neuron, request: Request): FusedKernel {
  const ofDevice = kernels.get(device) ?? new WeakMap<Neuron, Map<string, FusedKernel>>();
  kernels.set(device, ofDevice);
  const ofNeuron = ofDevice.get(neuron) ?? new Map<string, FusedKernel>();
  ofDevice.set(neuron, ofNeuron);
  const key = JSON.stringify(request);
  let kernel = ofNeuron.get(key);
  if (!kernel) {
    const { steps, time, state, gradient } = request;
    const [name, ...others] = neuron.inputs;
    const inputs = Object.fromEntries([[name, { time }], ...others.map((other) => [other, { time: "constant" }])]) as Record<string, { time: TimeLayout }>;
    const backward = gradient ? { gradients: [name], seeds: { [`final.${state}`]: "constant" as const } } : {};
    ofNeuron.set(key, (kernel = device.kernel(plan({ neuron, steps, inputs, outputs: {}, finalState: true, ...backward }))));
  }
  return kernel;
}
