import { ShapeError } from "../errors.ts";
import type { Tensor } from "../device/device.ts";
import type { Tape } from "./tape.ts";

/** Lengths of the axes, without time and batch: [28, 28, 1] or [512]. */
export type Shape = readonly number[];

/**
 * How a variable stands in time: `varying` has a value at each of the T steps, [T, B, ...]; `constant` has one that holds
 * at all of them, [1, B, ...]; `none` has no time (what a read-out returns), [B, ...].
 */
export type Time = "varying" | "constant" | "none";

export interface VariableOptions {
  shape: Shape;
  time: Time;
  batch: number;
  requiresGradient: boolean;
  value?: Tensor;
}

/** A value on a tape: the result of an operation, or an input. */
export class Variable {
  readonly tape: Tape;
  readonly shape: Shape;
  readonly time: Time;
  readonly batch: number;
  /** Whether `backward` computes a gradient for it. */
  readonly requiresGradient: boolean;
  readonly #value: Tensor | undefined;

  constructor(tape: Tape, { shape, time, batch, requiresGradient, value }: VariableOptions) {
    this.tape = tape;
    this.shape = shape;
    this.time = time;
    this.batch = batch;
    this.requiresGradient = requiresGradient;
    this.#value = value;
  }

  /** T. */
  get steps(): number {
    return this.tape.steps;
  }

  get timeConstant(): boolean {
    return this.time === "constant";
  }

  /** The value, in memory of the tape: [T, B, ...], [1, B, ...] or [B, ...]. What was deferred is computed now. */
  get value(): Tensor {
    if (!this.#value) throw new ShapeError("a variable has no value while the model is being built; only its shape is known");
    return this.#value;
  }

  /** Frees the value, where there is one, before the tape does. */
  release(): void {
    this.#value?.dispose();
  }

  /** The same variable as the result of an operation that is on the tape. */
  plain(): Variable {
    return this;
  }
}

/** A variable that is computed when its value is asked for, so that an operation that follows can take over the work. */
export abstract class Deferred extends Variable {
  #plain: Variable | undefined;
  /** Whether an operation computes from what this value is made of, so that its gradient passes the value by. */
  bypassed = false;

  protected abstract compute(): Variable;

  /** Whether the value was asked for already. */
  get computed(): boolean {
    return this.#plain !== undefined;
  }

  override get value(): Tensor {
    return this.plain().value;
  }

  override release(): void {
    this.#plain?.release();
  }

  override plain(): Variable {
    return (this.#plain ??= this.compute());
  }
}
