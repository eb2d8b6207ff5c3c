import { checkArgument, checkOptions, flag, instanceOf, integer, kind, oneOf, type OptionKinds, required, withMethods } from "../check.ts";
import { OptionError, ShapeError } from "../errors.ts";
import { type Device, type Tensor, tensorKind } from "../device/device.ts";

/** Lengths of the axes, without time and batch: [28, 28, 1] or [512]. */
export type Shape = readonly number[];

/**
 * How a variable stands in time: `varying` has a value at each of the T steps, [T, B, ...]; `constant` has one that holds
 * at all of them, [1, B, ...]; `none` has no time (what a read-out returns), [B, ...].
 */
export type Time = (typeof TIMES)[number];
export const TIMES = ["varying", "constant", "none"] as const;

export interface VariableOptions {
  shape: Shape;
  time: Time;
  /** B. */
  batch: number;
  requiresGradient: boolean;
  /** Default: none, as while a model is built. */
  value?: Tensor;
  /** Whether each value is 0 or 1. Default: false. */
  isSpikes?: boolean;
}

/** Lengths of at least one axis. */
export const shapeKind = kind("a list of integers ≥ 1, [784] or [28, 28, 1]", (x) => Array.isArray(x) && x.length > 0 && x.every((length) => Number.isSafeInteger(length) && length >= 1));

const tapeLike = withMethods("a tape: new Tape(device, { steps, training })", "record", "backward");
const OPTIONS: OptionKinds<VariableOptions> = { shape: required(shapeKind), time: required(oneOf(...TIMES)), batch: required(integer(1)), requiresGradient: required(flag), value: tensorKind, isSpikes: flag };

/** A value on a tape: the result of an operation, or an input. */
export class Variable {
  /** The `Tape` that it is on. */
  readonly tape: { readonly device: Device; readonly steps: number; readonly training: boolean };
  readonly shape: Shape;
  readonly time: Time;
  readonly batch: number;
  /** Whether `backward` computes a gradient for it. */
  readonly requiresGradient: boolean;
  readonly isSpikes: boolean;
  #value: Tensor | undefined;
  /** Spikes as bits, in place of the value. */
  #packed: { bits: Tensor; shape: Shape; dtype: "f32" | "bf16" } | undefined;

  constructor(tape: Variable["tape"], options: VariableOptions) {
    checkArgument("Variable", "tape", tape, tapeLike);
    checkOptions("Variable", options, OPTIONS);
    const { shape, time, batch, requiresGradient, value, isSpikes = false } = options;
    this.tape = tape;
    this.shape = shape;
    this.time = time;
    this.batch = batch;
    this.requiresGradient = requiresGradient;
    this.isSpikes = isSpikes;
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
    if (this.#packed) {
      this.#value = this.unpacked();
      this.#packed.bits.dispose();
      this.#packed = undefined;
    }
    if (!this.#value) throw new ShapeError("a variable has no value while the model is being built; only its shape is known");
    return this.#value;
  }

  /** Frees the value, where there is one, before the tape does. */
  release(): void {
    this.#value?.dispose();
    this.#packed?.bits.dispose();
  }

  /** Keeps spikes as bits from here on, until the value is asked for. @internal */
  pack(): void {
    if (!this.isSpikes || this.#packed) return;
    const { value } = this;
    this.#packed = { bits: this.tape.device.dense.packSpikes(value), shape: value.shape, dtype: value.dtype === "bf16" ? "bf16" : "f32" };
    value.dispose();
    this.#value = undefined;
  }

  /** The value, for the caller to dispose of; what is packed stays so. @internal */
  unpacked(): Tensor {
    if (!this.#packed) return this.value.reshape(this.value.shape);
    const { bits, shape, dtype } = this.#packed;
    return this.tape.device.dense.unpackSpikes(bits, shape, dtype);
  }

  /** The same variable as the result of an operation that is on the tape. */
  plain(): Variable {
    return this;
  }
}

export const variableKind = instanceOf(Variable, "a variable: tape.input, tape.record and a layer's forward return them");

/** @throws OptionError unless it is a variable of the tape. While a model is built, each function has a tape of its own. */
export function checkVariable(what: string, name: string, x: Variable, tape: Variable["tape"] & { readonly building: object | undefined }): void {
  checkArgument(what, name, x, variableKind);
  if (x.tape !== tape && !tape.building) throw new OptionError(`${what}: ${name} is a variable of another tape`);
}

/** A variable that is computed when its value is asked for, so that an operation that follows can take over the work. */
export abstract class Deferred extends Variable {
  #plain: Variable | undefined;
  readonly #held: Variable[] = [];
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

  /** Takes over values that it is made of and that nobody else needs: they are freed with it. @internal */
  hold(variables: readonly Variable[]): void {
    this.#held.push(...variables);
  }

  /** What it holds, for what is made of it. @internal */
  takeHeld(): Variable[] {
    return this.#held.splice(0);
  }

  override release(): void {
    this.#plain?.release();
    for (const variable of this.takeHeld()) variable.release();
  }

  override pack(): void {
    this.#plain?.pack();
    for (const variable of this.takeHeld()) variable.pack();
  }

  override plain(): Variable {
    return (this.#plain ??= this.compute());
  }
}
