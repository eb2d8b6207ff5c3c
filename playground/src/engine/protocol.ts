import type { PlanRequest, SpikeFormat } from "../../../src/fusion/plan.ts";
import type { Place } from "../definition/error.ts";

/** How the neurons of the bench are driven. */
export interface InputSettings {
  kind: "constant" | "noise" | "sine" | "pulses" | "poisson";
  amplitude: number;
  /** Steps of a sine's or a pulse's period, and of the noise's correlation. */
  period: number;
  /** Poisson: events per step. */
  rate: number;
  /** Standard deviation of the white noise that each neuron receives for itself. */
  jitter: number;
  seed: number;
}

export interface BenchRequest {
  kind: "bench";
  source: string;
  params: Readonly<Record<string, number>>;
  input: InputSettings;
  steps: number;
  size: number;
  /** The neuron whose states are wanted. */
  shown: number;
}

/** What is known of a neuron without running it. */
export interface NeuronDescription {
  name: string;
  states: string[];
  inputs: string[];
  params: Record<string, number>;
  /** The definition as text. */
  text: string;
}

export interface BenchResult {
  neuron: NeuronDescription;
  /** Of the shown neuron, [steps] each. `potential` is what the spike compares with `threshold`. */
  input: Float32Array;
  states: Record<string, Float32Array>;
  potential: Float32Array;
  threshold: Float32Array;
  /** The state that the potential is made of, or null. */
  membrane: string | null;
  /** [steps, size] */
  spikes: Uint8Array;
  /** ∂(Σ spikes)/∂x of the shown neuron, [steps]. */
  gradient: Float32Array;
  /** The surrogate's derivative at `at`. */
  surrogate: { name: string; at: Float32Array; derivative: Float32Array };
  milliseconds: number;
}

/** Elements of inputs. */
export type Elements = NonNullable<PlanRequest["elements"]>;

export interface KernelsRequest {
  kind: "kernels";
  source: string;
  steps: number;
  /** How the inputs are read and the spikes written. */
  inputs: Elements;
  spikes: SpikeFormat;
}

export const targets = ["wgsl", "cuda", "wat"] as const;
export type Target = (typeof targets)[number];

/** The text of one kernel, or why there is none. */
export type KernelText = { text: string } | { error: string };

export interface KernelsResult {
  neuron: NeuronDescription;
  forward: Record<Target, KernelText>;
  backward: Record<Target, KernelText>;
  /** The plan of both kernels, for no target in particular. */
  plan: string;
  milliseconds: number;
}

export interface Requests {
  bench: { request: BenchRequest; result: BenchResult };
  kernels: { request: KernelsRequest; result: KernelsResult };
}

/** An error as it crosses from the worker. */
export interface Complaint {
  message: string;
  place: Place | null;
}

export type ToWorker = { id: number; request: BenchRequest | KernelsRequest };
export type FromWorker = { id: number } & ({ result: unknown } | { complaint: Complaint });
