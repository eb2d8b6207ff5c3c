import { blockUntilReady, numpy as np } from "@jax-js/jax";
import { type JaxDevice, stepwise } from "../device/jax/stepwise.ts";
import type { Neuron } from "../neuron/define.ts";
import type { Tick } from "./budget.ts";

/** Steps between two ticks. */
const PIECE = 8;

/** The baseline as two functions that resolve when all their arrays are computed. */
export interface Stepper {
  forward(tick: Tick): Promise<void>;
  /** From the trajectory of the last forward run. */
  backward(tick: Tick): Promise<void>;
  dispose(): void;
}

const free = (arrays: Iterable<np.Array>): void => { for (const array of arrays) array.dispose(); };

/** What depends on the work of all steps, so that waiting for it waits for all of it: to wait for each array alone would cost the baseline time. */
const carried = (states: np.Array[], outputs: np.Array[]): np.Array[] => (states.length > 0 ? states : outputs);

/** Steps a neuron through `input`, [steps, neurons], on jax-js, and back with `spikeGrad` flowing into its spikes. */
export function stepper(neuron: Neuron, input: Float32Array, spikeGrad: Float32Array, steps: number, neurons: number, device: JaxDevice): Stepper {
  const rows = (data: Float32Array): np.Array[] => Array.from({ length: steps }, (_, t) => np.array(data.slice(t * neurons, (t + 1) * neurons), { device }));
  const xs = rows(input);
  const seeds = rows(spikeGrad);
  const params = Object.fromEntries(Object.entries(neuron.params).map(([name, value]) => [name, np.array(value, { device })]));
  const state = Object.fromEntries(Object.entries(neuron.state).map(([name, value]) => [name, np.full([neurons], value, { device })]));
  const run = stepwise(neuron);
  const trajectory: ReturnType<typeof run.forward> = { spikes: [], states: [] };
  const freeTrajectory = (): void => free([...trajectory.spikes.splice(0), ...trajectory.states.splice(0).flatMap((each) => Object.values(each))]);

  return {
    async forward(tick) {
      freeTrajectory();
      const settled = () => blockUntilReady(carried(Object.values(trajectory.states.at(-1)!), trajectory.spikes));
      for (let t = 0; t < steps; t += PIECE) {
        const piece = run.forward(xs.slice(t, t + PIECE), trajectory.states.at(-1) ?? state, params);
        trajectory.spikes.push(...piece.spikes);
        // The first states of a piece are the last ones of the piece before, once more.
        if (t > 0) free(Object.values(piece.states.shift()!));
        trajectory.states.push(...piece.states);
        await tick(Math.min(t + PIECE, steps), steps, settled);
      }
      await settled();
    },
    async backward(tick) {
      const { spikes, states } = trajectory;
      const gradients: np.Array[] = [];
      let sums: Record<string, np.Array> = {};
      let stateGrad: Record<string, np.Array> = {};
      const last = (): np.Array[] => [...Object.values(sums), ...Object.values(stateGrad)];
      const settled = () => blockUntilReady(carried(last(), gradients));
      try {
        for (let end = steps; end > 0; end -= PIECE) {
          const start = Math.max(0, end - PIECE);
          const piece = run.backward(xs.slice(start, end), { spikes: spikes.slice(start, end), states: states.slice(start, end + 1) }, seeds.slice(start, end), params, end < steps ? stateGrad : undefined);
          gradients.push(...piece.input);
          stateGrad = piece.state;
          sums = Object.fromEntries(Object.entries(piece.params).map(([name, sum]) => [name, sums[name] ? sums[name].add(sum) : sum]));
          await tick(steps - start, steps, settled);
        }
        await settled();
      } finally {
        free([...gradients, ...last()]);
      }
    },
    dispose() {
      freeTrajectory();
      free([...xs, ...seeds, ...Object.values(params), ...Object.values(state)]);
    },
  };
}
