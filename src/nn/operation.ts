import { checkOptions, either, flag, func, kind, listOf, object, type OptionKinds, required } from "../check.ts";
import { type Device, type Tensor, tensorKind } from "../device/device.ts";
import { type Shape, type Time, type Variable, variableKind } from "./variable.ts";

export interface OperationOutput {
  value: Tensor;
  shape: Shape;
  time: Time;
  /** Whether each value is 0 or 1. Default: false. */
  isSpikes?: boolean;
}

/** What has a gradient that operations add to: a parameter. */
export interface Learnable {
  gradient: Tensor | null;
}

/** What an operation leaves on the tape. */
export interface Operation {
  /** At least one. */
  inputs: readonly Variable[];
  outputs: readonly OperationOutput[];
  /** Tensors that `backward` needs besides inputs and outputs; the tape frees them. Default: none. */
  saved?: readonly Tensor[];
  /**
   * The parameters whose gradients `backward` adds to: it must run even if no input requires a gradient. `true` for some that are not named; several processes then exchange no gradient before
   * the end of the backward pass. Default: none.
   */
  learns?: boolean | readonly Learnable[];
  /** Whether `backward` understands a gradient [1, B, ...] that holds at all T steps of a varying output. Default: false. */
  constantGradient?: boolean;
  /** Whether `backward` may return a gradient that it was given, or a view of one. Default: false. */
  passesGradient?: boolean;
  /** Whether `backward` must run even if no gradient arrives at the outputs. Default: false. */
  always?: boolean;
  /**
   * From the gradients of the outputs (undefined where none arrived) to those of the inputs, which the tape takes over. A gradient [1, B, ...] for a varying input holds at all T steps; that of a constant
   * input is the sum over all T steps. `soFar` takes what has arrived for an input from elsewhere: then the operation returns the total.
   */
  backward(gradients: readonly (Tensor | undefined)[], soFar: (input: number) => Tensor | undefined): readonly (Tensor | undefined)[];
}

/** What operations on a tape do while a model is built, when there are shapes and no values. */
export interface Building {
  /** A layer is called. */
  call(layer: object, x: Variable): Variable;
  add(a: Variable, b: Variable): Variable;
}

/** Told, while memory is planned, for which layer what follows is done. Nothing is computed then. */
export interface Planning {
  attribute(layer: string | undefined): void;
}

/** A tape, as those know it who put operations on it. */
export interface OperationTape {
  readonly device: Device;
  readonly steps: number;
  readonly training: boolean;
  readonly building: Building | undefined;
  record(operation: Operation): Variable[];
}

const OUTPUT = kind("an object { value, shape, time }", (x) => object.accepts(x) && tensorKind.accepts((x as OperationOutput).value));
const OPERATION: OptionKinds<Operation> = {
  inputs: required(kind("a list of at least one variable", (x) => Array.isArray(x) && x.length > 0 && x.every(variableKind.accepts))), outputs: required(listOf(OUTPUT)),
  saved: listOf(tensorKind), learns: either(flag, listOf(object)), constantGradient: flag, passesGradient: flag, always: flag, backward: required(func),
};

/** @throws OptionError, naming `what` and what the operation lacks. */
export const checkOperation = (what: string, operation: Operation): void => checkOptions(what, operation, OPERATION);
