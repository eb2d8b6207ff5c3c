import { ShapeError } from "../errors.ts";
import { checkArgument, checkOptions, either, func, instanceOf, listOf } from "../check.ts";
import { Random } from "../data/random.ts";
import { type Tensor, tensorKind } from "../device/device.ts";
import { StepCarry } from "./carry.ts";
import { Model } from "./model.ts";
import { Tape } from "./tape.ts";
import type { Variable } from "./variable.ts";

export interface StepwiseOptions {
  /** Of dropout. Default: none, for networks without. */
  random?: Random;
  /** Asked before each step, forward and backward. False ends the pass, with the gradients of a part of it. Default: always true. */
  goOn?: () => boolean;
}

const WHAT = "stepwiseForwardBackward";

/**
 * Trains as step-by-step libraries do, for comparison: the network runs one time step at a time, with a launch of each layer for
 * every step and the neurons' states carried through memory, then backward through time likewise. It uses the same device, kernels and
 * weights as the fused pass and gives the same outputs and gradients up to rounding, except that batch normalisation sees the statistics
 * of one step at a time. Gradients are added to those of the model's parameters. The read-out must be the network's last layer.
 *
 * `input` is [1, B, ...] that holds at all T steps, or T such tensors. `lossGradient` is given the output [B, ...] and returns
 * the gradient of the loss with respect to it, which is freed here; it may keep the loss for itself.
 * @returns whether the pass was done whole.
 * @throws ShapeError if there are not T inputs.
 */
export function stepwiseForwardBackward(model: Model, input: Tensor | readonly Tensor[], lossGradient: (output: Tensor) => Tensor, options: StepwiseOptions = {}): boolean {
  checkArgument(WHAT, "model", model, instanceOf(Model, "a model: Model.build(...)"));
  checkArgument(WHAT, "input", input, either(tensorKind, listOf(tensorKind)));
  checkArgument(WHAT, "lossGradient", lossGradient, func);
  checkOptions<StepwiseOptions>(WHAT, options, { random: instanceOf(Random, "a Random: new Random(seed)"), goOn: func });
  const { random, goOn = () => true } = options;
  const { device, steps } = model;
  const inputs = Array.isArray(input) ? (input as readonly Tensor[]) : Array.from({ length: steps }, () => input as Tensor);
  if (inputs.length !== steps) throw new ShapeError(`stepwise: the model has T = ${steps} steps, got ${inputs.length} inputs`);
  const carry = new StepCarry(steps);
  const tapes: Tape[] = [];
  const outputs: Variable[] = [];
  let total: Tensor | undefined;
  let seed: Tensor | undefined;
  try {
    for (const [t, x] of inputs.entries()) {
      if (!goOn()) return false;
      carry.begin(t);
      const tape = new Tape(device, { steps: 1, training: true, random, carry });
      tapes.push(tape);
      const output = model.forward(tape, tape.input(x));
      total ??= device.zeros(output.value.shape);
      device.dense.addInto(total, output.value, 1);
      outputs.push(output);
    }
    seed = lossGradient(total!);
    checkArgument(WHAT, "what lossGradient returns", seed, tensorKind);
    for (let t = steps - 1; t >= 0; t--) {
      if (!goOn()) return false;
      tapes[t].backward(outputs[t], seed);
    }
    return true;
  } finally {
    seed?.dispose();
    total?.dispose();
    for (const tape of tapes) tape.dispose();
    carry.dispose();
  }
}
