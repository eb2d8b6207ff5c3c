import { defineStep, type Neuron } from "../neuron/define.ts";
import { greater, greaterEqual, where } from "../neuron/expr.ts";
import { elements } from "./axes.ts";
import { foldOverTime } from "./fold.ts";
import type { Tape } from "./tape.ts";
import { Variable } from "./variable.ts";

const LOWEST = -3.4028234663852886e38;

/** What is read of a variable over the steps t < length, by its result. */
const readers = {
  sum: defineStep({
    name: "sumOfValidSteps", state: { t: 0, sum: 0 }, inputs: ["x", "length"],
    step: ({ t, sum }, { x, length }) => ({ t: t.add(1), sum: where(greaterEqual(t, length), sum, sum.add(x)) }),
  }),
  mean: defineStep({
    name: "meanOfValidSteps", state: { t: 0, sum: 0, mean: 0 }, inputs: ["x", "length", "share"],
    step({ t, sum, mean }, { x, length, share }) {
      const ended = greaterEqual(t, length);
      const total = where(ended, sum, sum.add(x));
      return { t: t.add(1), sum: total, mean: where(ended, mean, total.mul(share)) };
    },
  }),
  last: defineStep({
    name: "lastValidStep", state: { t: 0, last: 0 }, inputs: ["x", "length"],
    step: ({ t, last }, { x, length }) => ({ t: t.add(1), last: where(greaterEqual(t, length), last, x) }),
  }),
  max: defineStep({
    name: "largestValidStep", state: { t: 0, max: LOWEST }, inputs: ["x", "length"],
    step: ({ t, max }, { x, length }) => ({ t: t.add(1), max: where(greaterEqual(t, length), max, where(greater(x, max), x, max)) }),
  }),
} satisfies Record<string, Neuron>;

export type OverTime = keyof typeof readers;

/** The largest of all steps; of equal ones the first, so that the gradient goes there. */
const largest = defineStep({ name: "largestStep", state: { max: LOWEST }, step: ({ max }, { x }) => ({ max: where(greater(x, max), x, max) }) });

/** [T, B, ...] → [B, ...] over the valid steps of each sample, which the tape knows. One kernel forward and one backward. */
export function overValidSteps(tape: Tape, x: Variable, what: OverTime): Variable {
  const { inputs } = readers[what];
  const size = elements(x.shape);
  const given = Object.fromEntries(inputs.filter((name) => name !== "x").map((name) => [name, tape.lengths!.ofValues(name as "length" | "share", size)]));
  return foldOverTime(tape, x, { neuron: readers[what], state: what, given });
}

/** [T, B, ...] → [B, ...], valid steps or all. */
export const largestOverTime = (tape: Tape, x: Variable): Variable => (tape.lengths ? overValidSteps(tape, x, "max") : foldOverTime(tape, x, { neuron: largest, state: "max" }));

/** How many of the valid steps have a spike: [T, B, ...] → [B, ...]. No gradient flows through it. */
export function validSpikes(tape: Tape, spikes: Variable): Variable {
  const { shape, time, batch, value } = spikes;
  return overValidSteps(tape, new Variable(tape, { shape, time, batch, requiresGradient: false, value }), "sum");
}
