import { oneOf } from "../../check.ts";
import type { Tensor } from "../../device/device.ts";
import { runStep } from "../../nn/step.ts";
import { defineStep } from "../../neuron/define.ts";
import type { LossValue } from "../loss.ts";

export interface LossOptions {
  /** What the loss sees of firing rates: themselves, or spike counts, the rates times the steps of each sample. Read-outs that are no rates: "rate", as they are. Default "rate". */
  of?: "rate" | "count";
  /**
   * What it judges: an output for each sample, or each step of a model that keeps time (`everyStep()`, `membranes()`). Then the loss of a sample is the mean over its valid steps, and it is right if
   * the sum over them is largest at its label. Default "samples".
   */
  over?: "samples" | "steps";
}

export const lossKinds = { of: oneOf("rate", "count"), over: oneOf("samples", "steps") };

const product = defineStep({ name: "product", state: {}, inputs: ["x", "factor"], step: (_, { x, factor }) => ({ y: x.mul(factor) }) });

/** The loss of factors · output, all [B, K], with the gradient with respect to `output`. */
export function ofProduct(output: Tensor, factors: Tensor, evaluate: (x: Tensor) => LossValue): LossValue {
  const { device, size, shape } = output;
  const times = (x: Tensor): Tensor => {
    using y = runStep(device, product, { inputs: { x, factor: factors }, size }).y;
    return y.reshape(shape);
  };
  using counts = times(output);
  const { gradient, ...value } = evaluate(counts);
  using slope = gradient;
  return { ...value, gradient: times(slope) };
}
