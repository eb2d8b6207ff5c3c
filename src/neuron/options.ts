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

/** Refuses options that there are not: a misspelt one would be ignored silently. */
export function known(what: string, given: object, allowed: readonly string[]): void {
  if (typeof given !== "object" || given === null) throw new NeuronError(`${what} takes an object of options { ${allowed.join(", ")} }, got ${String(given)}`);
  for (const name of Object.keys(given)) if (!allowed.includes(name)) throw new NeuronError(`${what} has no option ${name}; it has ${allowed.join(", ")}`);
}
