import { numpy as np } from "@jax-js/jax";
import { checkArgument, object, show, suggestion } from "../../check.ts";
import { DeviceError, OptionError, ShapeError } from "../../errors.ts";
import type { Extent } from "../../fusion/plan.ts";
import type { Neuron } from "../../neuron/define.ts";
import { Tracer, type Values } from "./lift.ts";
import type { JaxDevice } from "./stepwise.ts";

/** The checked arguments of a call. */
export interface FusedCall {
  x: np.Array;
  /** T */
  steps: number;
  /** Of one time step. */
  shape: number[];
  size: number;
  channels: number;
  /** Of every parameter: given, or the definition's. */
  params: Values;
  extents: Record<string, Extent>;
  /** Of every state, if any was given. */
  state: Values | undefined;
}

/** Arrays among named values. */
export const arraysIn = (values: Values = {}): [string, np.Array][] => Object.entries(values).filter((entry): entry is [string, np.Array] => typeof entry[1] !== "number");

/**
 * Checks what a fused neuron is called with, and changes no reference count.
 * @throws OptionError for unknown names, values that are no arrays, and traced ones; ShapeError; DeviceError for arrays elsewhere
 */
export function checkCall(neuron: Neuron, device: JaxDevice, x: np.Array, params: Values, state: Values): FusedCall {
  checkArray(neuron, device, "x", x);
  const [steps, ...shape] = x.shape;
  if (steps === undefined || x.size === 0) throw new ShapeError(`fusedJax(${neuron.name}): x must be [T, ...] with time as its first axis and at least one neuron; got [${x.shape}].`);
  const size = x.size / steps;
  const channels = shape.at(-1) ?? 1;

  checkNames(neuron, "parameter", params, neuron.params);
  checkNames(neuron, "state", state, neuron.state);
  const extents: Record<string, Extent> = {};
  for (const [name, value] of Object.entries({ ...neuron.params, ...params })) {
    extents[name] = "layer";
    if (typeof value === "number") checkNumber(neuron, name, value);
    else {
      checkArray(neuron, device, `parameter ${name}`, value);
      const perChannel = value.ndim === 1 && value.shape[0] === channels;
      if (!perChannel && !(value.ndim <= 1 && value.size === 1)) {
        throw new ShapeError(`fusedJax(${neuron.name}): parameter ${name} must be a scalar or have one value per channel, [${channels}] (the last axis of x [${x.shape}]); got [${value.shape}].`);
      }
      if (perChannel) extents[name] = "channel";
    }
  }
  for (const [name, value] of Object.entries(state)) {
    if (typeof value === "number") checkNumber(neuron, name, value);
    else {
      checkArray(neuron, device, `state ${name}`, value);
      checkShape(neuron, `state ${name}`, value, shape);
    }
  }
  const hasState = Object.keys(state).length > 0;
  return { x, steps, shape, size, channels, params: { ...neuron.params, ...params }, extents, state: hasState ? { ...neuron.state, ...state } : undefined };
}

/** @throws OptionError unless it is a concrete array; DeviceError if it lies elsewhere; ShapeError if its elements are not f32. */
export function checkArray({ name }: Neuron, device: JaxDevice, what: string, value: unknown): asserts value is np.Array {
  if (value instanceof Tracer && !(value instanceof np.Array)) {
    throw new OptionError(
      `fusedJax(${name}): ${what} is traced, and a fused kernel cannot run inside jit, grad, vjp, jvp or vmap. Call it between them: jax-js's vjp of what stands before and behind ` +
        `it, and its own .vjp, whose pullbacks are then called in reverse order (docs/jax.md shows it). toJax(neuron) can be traced.`,
    );
  }
  if (!(value instanceof np.Array)) {
    throw new OptionError(`fusedJax(${name}): ${what} must be an array of the jax-js that spikefold imports; got ${show(value)}.`);
  }
  if (value.device !== device) {
    throw new DeviceError(`fusedJax(${name}): ${what} [${value.shape}] lies on jax-js's "${value.device}", this layer runs on "${device}"; move it with devicePut(array, "${device}"), or open the layer for "${value.device}".`);
  }
  if (value.dtype !== np.float32) throw new ShapeError(`fusedJax(${name}): ${what} [${value.shape}] must be of float32, got ${value.dtype}; convert it with astype(np.float32).`);
}

/** @throws ShapeError unless the array has the shape. */
export function checkShape({ name }: Neuron, what: string, array: np.Array, shape: readonly number[]): void {
  if (array.ndim !== shape.length || array.shape.some((length, i) => length !== shape[i])) throw new ShapeError(`fusedJax(${name}): ${what} must have the shape [${shape}], got [${array.shape}].`);
}

function checkNames(neuron: Neuron, what: string, given: Values, known: Readonly<Record<string, number>>): void {
  checkArgument(`fusedJax(${neuron.name})`, `the ${what}s`, given, object);
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(known, name));
  if (unknown !== undefined) throw new OptionError(`fusedJax(${neuron.name}): there is no ${what} ${unknown}${suggestion(unknown, Object.keys(known))}; it has ${Object.keys(known).join(", ") || "none"}.`);
}

function checkNumber(neuron: Neuron, name: string, value: number): void {
  if (Number.isNaN(value)) throw new OptionError(`fusedJax(${neuron.name}): ${name} is NaN.`);
}
