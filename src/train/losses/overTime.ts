import "../../dispose.ts";
import type { Tensor } from "../../device/device.ts";
import { type Fold, foldOverTime } from "../../nn/fold.ts";
import { Tape } from "../../nn/tape.ts";
import { defineStep } from "../../neuron/define.ts";
import { where } from "../../neuron/expr.ts";
import type { LossValue } from "../loss.ts";
import { countCorrect } from "./correct.ts";

/** A loss of what a fold reads of an output over time, [T, B, K] → [B, K], with the gradient with respect to the output. */
export function afterFold(output: Tensor, fold: Fold, judge: (folded: Tensor) => LossValue): LossValue {
  using tape = new Tape(output.device, { steps: output.shape[0], training: true });
  const x = tape.input(output, { requiresGradient: true });
  const folded = foldOverTime(tape, x, fold);
  const { loss, gradient: seed, correct } = judge(folded.value);
  try {
    const [gradient] = tape.backward(folded, seed, [x]);
    return { loss, gradient: gradient!, correct };
  } catch (error) {
    for (const tensor of [loss, correct]) tensor.dispose();
    throw error;
  } finally {
    seed.dispose();
  }
}

/** `[1]`: samples of which what a fold reads is largest at their label. */
export function countCorrectAfter(output: Tensor, fold: Fold, labels: Tensor): Tensor {
  using tape = new Tape(output.device, { steps: output.shape[0], training: false });
  return countCorrect(foldOverTime(tape, tape.input(output), fold).value, labels);
}

/** Sums of an output over its valid steps; `length` says how many these are. */
const sumOverSteps = defineStep({
  name: "sumOverSteps", state: { sum: 0, t: 0 }, inputs: ["x", "length"],
  step: ({ sum, t }, { x, length }) => ({ sum: sum.add(where(t.less(length), x, 0)), t: t.add(1) }),
});

export const sumOfSteps = (lengths: Tensor): Fold => ({ neuron: sumOverSteps, state: "sum", given: { length: lengths } });
