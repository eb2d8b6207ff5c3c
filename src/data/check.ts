import { OptionError } from "../errors.ts";

/** Throws an OptionError unless `value` is an integer of at least `minimum`. */
export function checkInteger(option: string, value: number, minimum: number): void {
  if (!Number.isSafeInteger(value) || value < minimum) {
    throw new OptionError(`${option} is ${String(value)}: expected an integer ≥ ${minimum}`);
  }
}

/** Throws an OptionError unless `value` is a finite number greater than zero. */
export function checkPositive(option: string, value: number): void {
  if (!(Number.isFinite(value) && value > 0)) {
    throw new OptionError(`${option} is ${String(value)}: expected a finite number > 0`);
  }
}
