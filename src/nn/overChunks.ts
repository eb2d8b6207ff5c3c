import type { Tensor } from "../device/device.ts";
import { defineStep } from "../neuron/define.ts";
import { greater, where } from "../neuron/expr.ts";
import type { Carry } from "./carry.ts";
import { copied } from "./gradients.ts";
import { runStep } from "./step.ts";
import type { Tape } from "./tape.ts";
import type { Variable } from "./variable.ts";

/** How what was read of the chunks before and of this one, values [B, ...] both, become one. */
interface Meeting {
  forward(before: Tensor, own: Tensor): { both: Tensor; saved: readonly Tensor[] };
  /** Of the gradient of both, which stays the caller's. */
  backward(gradient: Tensor): { before: Tensor; own: Tensor };
}

/**
 * What is read of the chunks of time one after the other, as a neuron's state goes through them: the whole is the last rank's, those before it have what there is so far, and their gradient is what comes
 * back from the rank after.
 */
function throughChunks(tape: Tape, carry: Carry, own: Variable, meeting: () => Meeting): Variable {
  const { device } = tape;
  const { value, shape } = own;
  const carried = { device, names: ["result"], shape: value.shape };
  const call = carry.nextCall();
  const before = carry.states(call, carried)?.result;
  const met = before && meeting();
  const { both, saved } = met ? met.forward(before, value) : { both: value.reshape(value.shape), saved: [] };
  if (carry.goesOn) carry.setStates(call, { result: both });
  const [result] = tape.record({
    inputs: [own],
    outputs: [{ value: both, shape, time: "none" }],
    saved,
    always: true,
    backward([seed]) {
      using gradient = carry.goesOn ? carry.takeGradients(call, carried).result : seed ? copied(seed) : device.zeros(value.shape);
      if (!met) return [gradient.reshape(gradient.shape)];
      const parts = met.backward(gradient);
      carry.setGradients(call, { result: parts.before });
      return [parts.own];
    },
  });
  return result;
}

/** Σ over the chunks. */
export const sumOverChunks = (tape: Tape, carry: Carry, own: Variable): Variable => throughChunks(tape, carry, own, () => ({
  forward: (before, value) => ({ both: tape.device.dense.add(before, value), saved: [] }),
  backward: (gradient) => ({ before: copied(gradient), own: gradient.reshape(gradient.shape) }),
}));

const larger = defineStep({
  name: "larger", state: {}, inputs: ["before", "own"],
  step: (_, { before, own }) => ({ both: where(greater(own, before), own, before), share: where(greater(own, before), 1, 0) }),
});

const shares = defineStep({
  name: "shares", state: {}, inputs: ["gradient", "share"],
  step: (_, { gradient, share }) => ({ before: gradient.mul(share.neg().add(1)), own: gradient.mul(share) }),
});

/** The largest of all chunks; of equal ones the first, where the gradient goes. */
export const largestOverChunks = (tape: Tape, carry: Carry, own: Variable): Variable => throughChunks(tape, carry, own, () => {
  const { device } = tape;
  const { shape, size } = own.value;
  const shaped = (flat: Tensor): Tensor => {
    using given = flat;
    return given.reshape(shape);
  };
  let share: Tensor;
  return {
    forward(before, value) {
      const { both, share: ownShare } = runStep(device, larger, { inputs: { before, own: value }, size });
      share = ownShare;
      return { both: shaped(both), saved: [share] };
    },
    backward(gradient) {
      const { before, own: rest } = runStep(device, shares, { inputs: { gradient, share }, size });
      return { before: shaped(before), own: shaped(rest) };
    },
  };
});
