import { Random } from "../../src/data/index.ts";
import type { Device, Tensor } from "../../src/device/index.ts";
import { openDevice } from "../../src/device/index.ts";
import { type Plan, plan, type PlanRequest } from "../../src/fusion/plan.ts";
import { lif } from "../../src/neuron/index.ts";
import { linear, Model, sequential, spikeCount, spiking, Tape, type Variable } from "../../src/nn/index.ts";

/** One device for all rows; what is made on it goes with it. */
export const device: Device = await openDevice("cpu", { threads: 1 });

export const STEPS = 2;
export const tensor = (...shape: number[]): Tensor => device.zeros(shape);
export const makeModel = (): Model => Model.build(sequential(linear(4, 3), spiking(lif()), spikeCount()), { device, inputShape: [4], steps: STEPS, random: new Random(1) });
export const model = makeModel();
/** A pass of the model that can run backward. */
export function makePass(): { tape: Tape; input: Variable; output: Variable } {
  const tape = new Tape(device, { steps: STEPS, training: true });
  const input = tape.input(tensor(STEPS, 1, 4), { requiresGradient: true });
  return { tape, input, output: model.forward(tape, input) };
}
export const pass = makePass();
export const makePlan = (more: Partial<PlanRequest> = {}): Plan => plan({ neuron: lif(), steps: STEPS, outputs: { spike: "f32" }, ...more });
