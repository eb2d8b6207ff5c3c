import type { Tensor } from "../device/device.ts";
import { plan } from "../fusion/plan.ts";
import { defineStep } from "../neuron/define.ts";

const delay = defineStep({ name: "delay", state: { before: 0 }, step: ({ before }, { x }) => ({ delayed: before, before: x }) });

/** What each of T rows was one step before: [T, ...] of f32 → [T, ...], the first `first` or zeros. */
export function delayed(x: Tensor, first?: Tensor): Tensor {
  const { device, shape: [steps], size } = x;
  const result = device.empty(x.shape);
  const kernel = device.kernel(plan({ neuron: delay, steps, outputs: { delayed: "f32" }, initialState: first !== undefined }));
  kernel.forward({ steps, size: size / steps, buffers: { x, delayed: result, ...(first ? { "state.before": first } : {}) } });
  return result;
}
