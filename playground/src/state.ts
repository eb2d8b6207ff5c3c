import type { Elements, InputSettings, Target } from "./engine/protocol.ts";
import type { SpikeFormat } from "../../src/fusion/plan.ts";

/** An option of a built-in neuron. */
export type OptionValue = number | string | boolean;

/** All settings of the page: what a link carries. */
export interface State {
  /** A built-in neuron's name, or "code". */
  neuron: string;
  /** Options of the built-in neuron that are not the default. */
  options: Readonly<Record<string, OptionValue>>;
  /** The definition where `neuron` is "code". */
  code: string;
  /** Values of the definition's parameters that are not the default. */
  params: Readonly<Record<string, number>>;
  input: Readonly<InputSettings>;
  /** T of the bench. */
  steps: number;
  /** The neuron whose membrane is shown. */
  shown: number;
  /** What the kernels panel shows. */
  kernels: Readonly<{ target: Target; direction: "forward" | "backward"; steps: number; inputs: Elements; spikes: SpikeFormat }>;
}

/** Neurons of the bench. */
export const POPULATION = 64;

export const initialState: State = {
  neuron: "lif",
  options: { tau: 5 },
  code: "",
  params: {},
  input: { kind: "noise", amplitude: 2.4, period: 12, rate: 0.15, jitter: 0.35, seed: 7 },
  steps: 150,
  shown: 12,
  kernels: { target: "wgsl", direction: "forward", steps: 32, inputs: "f32", spikes: "f32" },
};
