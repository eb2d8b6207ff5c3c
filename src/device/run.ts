import { checkArgument, checkOptions, either, flag, integer, kind, listOf, object, type OptionKinds, required, show, suggestion, text } from "../check.ts";
import { NeuronError, OptionError, ShapeError } from "../errors.ts";
import type { PlanRequest } from "../fusion/plan.ts";
import { type Neuron, neuronKind } from "../neuron/define.ts";
import { value32 } from "../neuron/kinds.ts";
import type { Device } from "./device.ts";

/** A value for the whole layer, or one for each channel (neuron n takes number n mod length). */
export type ParameterValue = number | Float32Array;

/** Options of one run; S and P are the names of the neuron's states and parameters. */
export interface RunOptions<S extends string = string, P extends string = string> {
  /** T ≥ 1; the input holds T rows. */
  steps: number;
  /** A device, or its name; default "cpu". Devices opened by name stay open for further calls. */
  device?: Device | string;
  /** Values of parameters; default: the definition's. */
  params?: [P] extends [never] ? Readonly<Record<string, never>> : { readonly [Name in P]?: ParameterValue };
  /** All states before the first step, [size] each; default: the definition's. */
  state?: Readonly<Record<S, Float32Array>>;
}

/** R: the names of the states that are recorded. */
export interface SimulateOptions<S extends string = string, P extends string = string, R extends S = S> extends RunOptions<S, P> {
  /** One launch per time step on jax-js instead of one for all (on webgpu: the same GPU; else wasm): the baseline of the fused kernels. Default false. */
  stepwise?: boolean;
  /** States whose value after every step is wanted. Default: none. */
  record?: readonly R[];
}

export interface Simulation<S extends string = string, R extends string = string> {
  /** [steps, size] */
  spikes: Float32Array;
  /** After the last step, [size] each. */
  state: Record<S, Float32Array>;
  /** The recorded states after each step, [steps, size] each. */
  traces: Record<R, Float32Array>;
}

const deviceKind = kind('a device: await openDevice("cpu"), or its name', (x) => text.accepts(x) || typeof (x as Device | null)?.kernel === "function");
export const runKinds: OptionKinds<RunOptions> = { steps: required(integer(1)), device: deviceKind, params: object, state: object };
export const simulateKinds: OptionKinds<SimulateOptions> = { ...runKinds, stepwise: flag, record: kind('a list of states, ["v"] for example', listOf(text).accepts) };

/** The checked arguments of a run. */
export interface Run {
  steps: number;
  size: number;
  channels: number;
  params: Record<string, ParameterValue>;
  state: Readonly<Record<string, Float32Array>> | undefined;
  extentOf(param: string): "layer" | "channel";
  request: PlanRequest;
}

/**
 * Checks the arguments of `simulate` and `gradient`, which `what` names.
 * @throws NeuronError, ShapeError, OptionError
 */
export function prepare<T extends RunOptions>(what: string, neuron: Neuron, input: Float32Array, options: T, kinds: OptionKinds<T>): Run {
  checkArgument(what, "the first argument", neuron, neuronKind, NeuronError);
  checkOptions(what, options, kinds);
  const { steps, params: given = {}, state } = options;
  if (neuron.inputs.length !== 1) throw new OptionError(`${what}: neuron ${neuron.name} has the inputs ${neuron.inputs.join(", ") || "none"}; simulate and gradient run neurons with one.`);
  if (!neuron.outputs.includes("spike")) throw new OptionError(`${what}: ${neuron.name} has no output called spike.`);
  if (!(input instanceof Float32Array)) throw new ShapeError(`${what}: the input must be a Float32Array, time-major [steps, size]; got ${show(input)}.`);
  if (input.length === 0 || input.length % steps !== 0) throw new ShapeError(`${what}: the input has ${input.length} values, which is not a positive multiple of steps = ${steps}; it must be [steps, size].`);
  const size = input.length / steps;
  refuseNaN(`${what}: the input`, input, size);
  const known = (role: string, names: readonly string[], all: readonly string[]): void => {
    const unknown = names.find((name) => !all.includes(name));
    if (unknown !== undefined) throw new OptionError(`${what}: neuron ${neuron.name} has no ${role} ${unknown}${suggestion(unknown, all)}; it has ${all.join(", ") || "none"}.`);
  };
  known("parameter", Object.keys(given), Object.keys(neuron.params));
  const params = { ...neuron.params, ...given } as Record<string, ParameterValue>;
  for (const [name, value] of Object.entries(params)) {
    checkArgument(what, `parameter ${name}`, value, aParameter);
    if (typeof value !== "number") refuseNaN(`${what}: parameter ${name}`, value, value.length);
  }
  const lengths = new Set(Object.values(params).flatMap((value) => (typeof value === "number" ? [] : [value.length])));
  if (lengths.size > 1) throw new ShapeError(`${what}: the parameters of ${neuron.name} have different numbers of channels: ${[...lengths].join(", ")}.`);
  const channels = [...lengths][0] ?? size;
  if (size % channels !== 0) throw new ShapeError(`${what}: ${size} neurons cannot be split evenly into the ${channels} channels of a parameter.`);
  if (state) {
    known("state", Object.keys(state), Object.keys(neuron.state));
    for (const name of Object.keys(neuron.state)) {
      const values: unknown = state[name];
      if (!(values instanceof Float32Array) || values.length !== size) throw new ShapeError(`${what}: state ${name} must have ${size} values in a Float32Array, got ${values === undefined ? "none" : show(values)}.`);
      refuseNaN(`${what}: state ${name}`, values, size);
    }
  }
  const extentOf = (name: string) => (typeof params[name] === "number" ? "layer" : "channel");
  const request: PlanRequest = { neuron, steps, initialState: state !== undefined, params: Object.fromEntries(Object.keys(params).map((name) => [name, extentOf(name)])) };
  return { steps, size, channels, params, state, extentOf, request };
}

const aParameter = either(value32, kind("a Float32Array with one value per channel", (x) => x instanceof Float32Array && x.length > 0));

/** @throws OptionError that says which value of [steps, size], or of [size], is NaN, or infinite where asked */
export function refuseNaN(what: string, values: Float32Array, size: number, orInfinite = false): void {
  // A loop, since a callback for each of millions of values takes longer than the kernel.
  for (let i = 0; i < values.length; i++) {
    const x = values[i];
    if (x === x && !(orInfinite && Math.abs(x) === Infinity)) continue;
    throw new OptionError(`${what} is ${x} at index ${i}${values.length > size ? ` (step ${Math.floor(i / size)}, neuron ${i % size})` : ""}.`);
  }
}
