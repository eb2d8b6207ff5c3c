import "./workers.ts";
import { numpy as np } from "@jax-js/jax";
import { OptionError } from "../../errors.ts";
import type { Neuron } from "../../neuron/define.ts";
import type { Device } from "../device.ts";
import type { Run, Simulation } from "../run.ts";
import { jaxDeviceOf, stepwise } from "./stepwise.ts";

/** `simulate` one step at a time, where jax-js steps what the device runs fused. */
export async function simulateStepwise(neuron: Neuron, input: Float32Array, run: Run & { record: readonly string[]; device: Device }): Promise<Simulation> {
  const { steps, size, params, state, record } = run;
  const device = jaxDeviceOf(run.device);
  const unknown = record.find((name) => !(name in neuron.state));
  if (unknown !== undefined) throw new OptionError(`neuron ${neuron.name} has no state ${unknown}; it has ${Object.keys(neuron.state).join(", ")}.`);
  const row = (data: Float32Array): np.Array => np.array(data as Float32Array<ArrayBuffer>, { device });
  const tile = (values: Float32Array): Float32Array => Float32Array.from({ length: size }, (_, n) => values[n % values.length]);
  const x = Array.from({ length: steps }, (_, t) => row(input.slice(t * size, (t + 1) * size)));
  const values = Object.fromEntries(Object.entries(params).map(([name, value]) => [name, typeof value === "number" ? np.array(value, { device }) : row(tile(value))]));
  const start = Object.fromEntries(Object.entries(neuron.state).map(([name, value]) => [name, state ? row(state[name]) : np.full([size], value, { device })]));
  const trajectory = stepwise(neuron).forward(x, start, values);
  const join = async (rows: np.Array[]): Promise<Float32Array> => {
    const joined = new Float32Array(rows.length * size);
    for (const [t, array] of rows.entries()) joined.set((await array.ref.data()) as Float32Array, t * size);
    return joined;
  };
  const after = trajectory.states.slice(1);
  const result: Simulation = {
    spikes: await join(trajectory.spikes),
    state: Object.fromEntries(await Promise.all(Object.keys(neuron.state).map(async (name) => [name, await join([after.at(-1)![name]])] as const))),
    traces: Object.fromEntries(await Promise.all(record.map(async (name) => [name, await join(after.map((states) => states[name]))] as const))),
  };
  const arrays = [...x, ...Object.values(values), ...Object.values(start), ...trajectory.spikes, ...trajectory.states.flatMap((states) => Object.values(states))];
  for (const array of arrays) array.dispose();
  return result;
}
