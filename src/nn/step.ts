import type { Device, FusedKernel, Tensor } from "../device/device.ts";
import { plan, type TimeLayout } from "../fusion/plan.ts";
import type { Neuron } from "../neuron/define.ts";

const kernels = new WeakMap<Device, WeakMap<Neuron, Map<string, FusedKernel>>>();

export interface StepLaunch {
  /** Inputs by name: [size], or [steps, size] for those named in `varying`; parameters: [1]. */
  inputs: Record<string, Tensor>;
  /** States by name, [size], updated in place. */
  states?: Record<string, Tensor>;
  steps?: number;
  size: number;
  varying?: readonly string[];
}

/**
 * Runs an element-wise definition without recurrence and returns its outputs, [steps, size] (or [size] for one step), owned by the caller.
 */
export function runStep(device: Device, step: Neuron, { inputs, states = {}, steps = 1, size, varying = [] }: StepLaunch): Record<string, Tensor> {
  const kernel = kernelOf(device, step, steps, varying);
  const outputs = Object.fromEntries(step.outputs.map((name) => [name, device.empty(steps === 1 ? [size] : [steps, size])]));
  const inPlace = Object.entries(states).flatMap(([name, tensor]) => [[`state.${name}`, tensor], [`final.${name}`, tensor]]);
  kernel.forward({ steps, size, buffers: { ...inputs, ...outputs, ...Object.fromEntries(inPlace) } });
  return outputs;
}

function kernelOf(device: Device, step: Neuron, steps: number, varying: readonly string[]): FusedKernel {
  const known = kernels.get(device) ?? new WeakMap<Neuron, Map<string, FusedKernel>>();
  kernels.set(device, known);
  const ofStep = known.get(step) ?? new Map<string, FusedKernel>();
  known.set(step, ofStep);
  const key = [steps, ...varying].join();
  let kernel = ofStep.get(key);
  if (!kernel) {
    const hasState = Object.keys(step.state).length > 0;
    const inputs = Object.fromEntries(step.inputs.map((name) => [name, { time: steps === 1 || varying.includes(name) ? "varying" : "constant" } as { time: TimeLayout }]));
    ofStep.set(key, (kernel = device.kernel(plan({ neuron: step, steps, inputs, initialState: hasState, finalState: hasState }))));
  }
  return kernel;
}
