import { NeuronError } from "../errors.ts";

/** Checks on the numeric options of the built-in neurons; each returns the value. */
export function finite(neuron: string, option: string, value: number): number {
  if (typeof value !== "number" || !Number.isFinite(value)) throw new NeuronError(`${neuron}: ${option} must be a finite number, got ${String(value)}`);
  return value;
}

export function above(neuron: string, option: string, value: number, bound: number): number {
  if (!(finite(neuron, option, value) > bound)) throw new NeuronError(`${neuron}: ${option} must be greater than ${bound}, got ${value}`);
  return value;
}

export function oneOf<T extends string>(neuron: string, option: string, value: T, allowed: readonly T[]): T {
  if (!allowed.includes(value)) throw new NeuronError(`${neuron}: ${option} must be one of ${allowed.join(", ")}, got ${String(value)}`);
  return value;
}
