import { defineStep, type Neuron } from "../neuron/define.ts";
import { greater, greaterEqual, where } from "../neuron/expr.ts";
import type { Tensor } from "../device/device.ts";
import { elements, reshaped } from "./axes.ts";
import { foldOverTime } from "./fold.ts";
import { largestOverChunks, sumOverChunks } from "./overChunks.ts";
import { runStep } from "./step.ts";
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
  const { carry } = tape;
  if (!carry?.keepsTime) return overOwnSteps(tape, x, what);
  if (what === "max") return largestOverChunks(tape, carry, overOwnSteps(tape, x, "max"));
  const sum = sumOverChunks(tape, carry, overOwnSteps(tape, x, what === "mean" ? "sum" : what));
  return what === "mean" ? times(tape, sum, tape.lengths!.ofValues("share", elements(x.shape))) : sum;
}

/** Those that the tape has. */
function overOwnSteps(tape: Tape, x: Variable, what: OverTime): Variable {
  const { inputs } = readers[what];
  const { carry, lengths, steps } = tape;
  const size = elements(x.shape);
  const own = carry && { from: carry.from, count: steps };
  const tensorOf = (name: string): Tensor => lengths!.ofValues(name === "share" ? "share" : own && what === "last" ? "lengthIfLast" : "length", size, name === "share" ? undefined : own);
  const given = Object.fromEntries(inputs.filter((name) => name !== "x").map((name) => [name, tensorOf(name)]));
  return foldOverTime(tape, x, { neuron: readers[what], state: what, given });
}

/** [T, B, ...] → [B, ...], valid steps or all. */
export function largestOverTime(tape: Tape, x: Variable): Variable {
  if (tape.lengths) return overValidSteps(tape, x, "max");
  const own = foldOverTime(tape, x, { neuron: largest, state: "max" });
  return tape.carry ? largestOverChunks(tape, tape.carry, own) : own;
}

/** How many of the valid steps that the tape has have a spike: [T, B, ...] → [B, ...]. No gradient flows through it. */
export function validSpikes(tape: Tape, spikes: Variable): Variable {
  const { shape, time, batch, value } = spikes;
  return overOwnSteps(tape, new Variable(tape, { shape, time, batch, requiresGradient: false, value }), "sum");
}

const product = defineStep({ name: "product", state: {}, inputs: ["x", "factor"], step: (_, { x, factor }) => ({ y: x.mul(factor) }) });

/** Each value of [B, ...] times its own factor. */
function times(tape: Tape, x: Variable, factors: Tensor): Variable {
  const apply = (values: Tensor): Tensor => reshaped(runStep(tape.device, product, { inputs: { x: values, factor: factors }, size: values.size }).y, values.shape);
  const [result] = tape.record({ inputs: [x], outputs: [{ value: apply(x.value), shape: x.shape, time: "none" }], backward: ([g]) => [apply(g!)] });
  return result;
}
