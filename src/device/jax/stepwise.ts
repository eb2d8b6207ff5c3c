import "./workers.ts";
import { jit, numpy as np, vjp } from "@jax-js/jax";
import { liftStep, type Values } from "./lift.ts";
import { OptionError } from "../../errors.ts";
import type { Neuron } from "../../neuron/define.ts";
import type { Device } from "../device.ts";

/** jax-js's names of the devices that a neuron is stepped on. */
export type JaxDevice = "wasm" | "webgpu";

/** Where jax-js steps what `device` runs fused: on the same GPU for webgpu, which must be open; else on wasm, on all cores. */
export const jaxDeviceOf = ({ name }: Device): JaxDevice => (name === "webgpu" ? "webgpu" : "wasm");

/**
 * The baseline of the speed-up claims: the same neuron one step at a time, with T launches of jitted jax-js functions on the device that
 * holds the arrays. Going backward, each step is jax-js's own vjp of that step at the saved state.
 */
export interface Stepwise {
  /** x: T arrays [size]. Keeps its arguments. */
  forward(x: readonly np.Array[], state: Record<string, np.Array>, params: Record<string, np.Array>): Trajectory;
  /**
   * Gradients of inputs and parameters; `spikeGrad`: T arrays [size]. Keeps its arguments, but consumes `stateGrad`: what flows into the last states, [size]
   * each; default: zeros.
   */
  backward(x: readonly np.Array[], trajectory: Trajectory, spikeGrad: readonly np.Array[], params: Record<string, np.Array>, stateGrad?: Record<string, np.Array>): StepwiseGradient;
}

export interface Trajectory {
  spikes: np.Array[];
  /** The states before each step, and after the last one. */
  states: Record<string, np.Array>[];
}

export interface StepwiseGradient {
  input: np.Array[];
  params: Record<string, np.Array>;
  state: Record<string, np.Array>;
}

type Arrays = Record<string, np.Array>;
const refs = (arrays: Arrays): Arrays => Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, array.ref]));

export function stepwise(neuron: Neuron): Stepwise {
  const lifted = liftStep(neuron);
  const [input] = neuron.inputs;
  if (neuron.outputs.length !== 1) throw new OptionError(`${neuron.name} has the outputs ${neuron.outputs.join(", ")}; only neurons whose one output is the spike are stepped`);
  const states = Object.keys(neuron.state);
  const step = jit((state: Arrays, x: np.Array, params: Arrays): Arrays => lifted(state, { [input]: x }, params as Values));
  const pull = jit((state: Arrays, x: np.Array, params: Arrays, cotangents: Arrays) => {
    // A result that feeds another one cannot be differentiated as it is; a product with one can.
    const apart = (s: Arrays, xs: np.Array, p: Arrays): Arrays => Object.fromEntries(Object.entries(lifted(s, { [input]: xs }, p as Values)).map(([name, y]) => [name, y.mul(1)]));
    const [results, transpose] = vjp(apart, [state, x, params]) as unknown as [Arrays, (given: Arrays) => [Arrays, np.Array, Arrays]];
    Object.values(results).forEach((array) => array.dispose());
    const [dState, dx, dParams] = transpose(cotangents);
    return { state: dState, x: dx, params: dParams };
  });

  return {
    forward(x, state, params) {
      const trajectory: Trajectory = { spikes: [], states: [refs(state)] };
      for (const xs of x) {
        const next = step(refs(trajectory.states.at(-1)!), xs.ref, refs(params));
        trajectory.spikes.push(next.spike);
        trajectory.states.push(Object.fromEntries(states.map((name) => [name, next[name]])));
      }
      return trajectory;
    },
    backward(x, { states: saved }, spikeGrad, params, stateGrad) {
      const gradients: np.Array[] = [];
      let dState: Arrays = stateGrad ?? Object.fromEntries(states.map((name) => [name, np.zeros(x[0].shape, { device: x[0].device })]));
      let dParams: Arrays = {};
      for (let t = x.length - 1; t >= 0; t--) {
        // In the order of the results: jax-js compares trees with their keys in order.
        const cotangents = Object.fromEntries(Object.keys(neuron.next).map((name) => [name, name === "spike" ? spikeGrad[t].ref : dState[name]]));
        const shares = pull(refs(saved[t]), x[t].ref, refs(params), cotangents);
        gradients.unshift(shares.x);
        dState = shares.state;
        dParams = Object.fromEntries(Object.entries(shares.params).map(([name, share]) => [name, dParams[name] ? dParams[name].add(share) : share]));
      }
      return { input: gradients, params: dParams, state: dState };
    },
  };
}
