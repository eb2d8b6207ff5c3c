import { NeuronError, OptionError, ShapeError } from "../errors.ts";
import { plan, type PlanRequest } from "../fusion/plan.ts";
import type { Neuron } from "../neuron/define.ts";
import type { Device, Tensor } from "./device.ts";
import { openDevice } from "./open.ts";

/** A value for the whole layer, or one for each channel (neuron n takes number n mod length). */
export type ParameterValue = number | Float32Array;

export interface RunOptions {
  /** T ≥ 1; the input holds T rows. */
  steps: number;
  /** A device, or its name; default "cpu". Devices opened by name stay open for further calls. */
  device?: Device | string;
  /** Values of parameters; default: the definition's. */
  params?: Record<string, ParameterValue>;
  /** States before the first step, [size] each; default: the definition's. */
  state?: Record<string, Float32Array>;
}

export interface SimulateOptions extends RunOptions {
  /** One launch per time step on jax-js instead of one for all (on webgpu: the same GPU; else wasm): the baseline of the fused kernels. */
  stepwise?: boolean;
  /** States whose value after every step is wanted. */
  record?: readonly string[];
}

export interface Simulation {
  /** [steps, size] */
  spikes: Float32Array;
  /** After the last step, [size] each. */
  state: Record<string, Float32Array>;
  /** The recorded states after each step, [steps, size] each. */
  traces: Record<string, Float32Array>;
}

export interface NeuronGradient {
  /** [steps, size] */
  input: Float32Array;
  /** Of every parameter: a number, or one value per channel where the parameter was given so. */
  params: Record<string, number | Float32Array>;
  /** Of the states before the first step, [size] each. */
  state: Record<string, Float32Array>;
}

/**
 * Runs `size` independent neurons over all time steps, in one kernel.
 * @param input time-major [steps, size]
 * @throws ShapeError if a length does not fit, OptionError for unknown names and bad values, DeviceError
 */
export async function simulate(neuron: Neuron, input: Float32Array, options: SimulateOptions): Promise<Simulation> {
  const run = prepare(neuron, input, options);
  const { record = [], stepwise = false } = options;
  if (!Array.isArray(record)) throw new OptionError(`record must be a list of states, ["v"] for example; got ${String(record)}.`);
  const device = await resolve(options.device);
  const request: PlanRequest = { ...run.request, outputs: { spike: "f32" }, record, finalState: true };
  const kernels = plan(request);
  if (stepwise) {
    const { simulateStepwise } = await import("./jax/simulate.ts");
    return simulateStepwise(neuron, input, { ...run, record, device });
  }
  const scope = new Scope(device);
  try {
    const { steps, size } = run;
    const inputs = upload(scope, neuron, input, run);
    const spikes = scope.empty(steps * size);
    const state = scope.emptyEach(Object.keys(neuron.state), size);
    const traces = scope.emptyEach(record, steps * size);
    device.kernel(kernels).forward({ steps, size, channels: run.channels, buffers: { ...inputs, spike: spikes, ...prefixed("final.", state), ...prefixed("trace.", traces) } });
    return { spikes: await read(device, spikes), state: await readEach(device, state), traces: await readEach(device, traces) };
  } finally {
    scope.dispose();
  }
}

/**
 * Gradients of Σ spikeGrad · spikes by the fused backward kernel.
 * @param input time-major [steps, size]
 * @param spikeGrad what each spike is worth, [steps, size]
 * @throws ShapeError if a length does not fit, OptionError for unknown names and bad values, DeviceError
 */
export async function gradient(neuron: Neuron, input: Float32Array, spikeGrad: Float32Array, options: RunOptions): Promise<NeuronGradient> {
  const run = prepare(neuron, input, options);
  const { steps, size } = run;
  if (!(spikeGrad instanceof Float32Array)) throw new ShapeError("gradient: spikeGrad must be a Float32Array, [steps, size].");
  if (spikeGrad.length !== input.length) throw new ShapeError(`gradient: spikeGrad has ${spikeGrad.length} values, the input ${input.length}; both are [steps, size].`);
  const device = await resolve(options.device);
  const names = Object.keys(neuron.params);
  const states = Object.keys(neuron.state);
  const [inputName] = neuron.inputs;
  const kernels = plan({ ...run.request, outputs: {}, seeds: { spike: "varying" }, gradients: [inputName, ...names, ...states.map((name) => `state.${name}`)] });
  const scope = new Scope(device);
  try {
    const inputs = upload(scope, neuron, input, run);
    const checkpoints = kernels.checkpointEvery === null ? {} : prefixed("checkpoint.", scope.emptyEach(states, (Math.ceil(steps / kernels.checkpointEvery) - 1) * size));
    const target = scope.empty(steps * size);
    const params = Object.fromEntries(names.map((name) => [name, scope.empty(run.extentOf(name) === "layer" ? 1 : run.channels)]));
    const state = scope.emptyEach(states, size);
    const kernel = device.kernel(kernels);
    const shared = { ...inputs, ...checkpoints };
    if (kernels.checkpointEvery !== null) kernel.forward({ steps, size, channels: run.channels, buffers: shared });
    kernel.backward({
      steps, size, channels: run.channels,
      buffers: { ...shared, "d.spike": scope.tensor(spikeGrad), [`grad.${inputName}`]: target, ...prefixed("grad.", params), ...prefixed("grad.state.", state) },
    });
    const shares = await readEach(device, params);
    return {
      input: await read(device, target),
      params: Object.fromEntries(names.map((name) => [name, run.extentOf(name) === "layer" ? shares[name][0] : shares[name]])),
      state: await readEach(device, state),
    };
  } finally {
    scope.dispose();
  }
}

/** The checked arguments of a run. */
export interface Run {
  steps: number;
  size: number;
  channels: number;
  params: Record<string, ParameterValue>;
  state: Record<string, Float32Array> | undefined;
  extentOf(param: string): "layer" | "channel";
  request: PlanRequest;
}

function prepare(neuron: Neuron, input: Float32Array, options: RunOptions): Run {
  if (typeof neuron?.step !== "function" || !neuron.next) throw new NeuronError("the first argument must be a neuron: call the function that makes one, lif() for example, or defineNeuron");
  const { steps, params: given = {}, state } = options ?? {};
  if (neuron.inputs.length !== 1) throw new OptionError(`neuron ${neuron.name} has the inputs ${neuron.inputs.join(", ")}; simulate and gradient run neurons with one.`);
  if (!Number.isInteger(steps) || steps < 1) throw new OptionError(`steps must be a positive integer, got ${steps}.`);
  if (!(input instanceof Float32Array)) throw new ShapeError("the input must be a Float32Array, time-major [steps, size].");
  if (input.length === 0 || input.length % steps !== 0) throw new ShapeError(`the input has ${input.length} values, which is not a positive multiple of steps = ${steps}; it must be [steps, size].`);
  const size = input.length / steps;
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(neuron.params, name)) throw new OptionError(`neuron ${neuron.name} has no parameter ${name}; it has ${Object.keys(neuron.params).join(", ") || "none"}.`);
  }
  const params = { ...neuron.params, ...given };
  for (const [name, value] of Object.entries(params)) {
    if (typeof value !== "number" && !(value instanceof Float32Array)) {
      throw new OptionError(`parameter ${name} of ${neuron.name} must be a number, or a Float32Array with one value per channel; got ${String(value)}.`);
    }
    const values = typeof value === "number" ? [value] : value;
    if (values.length === 0 || !values.every((x) => !Number.isNaN(x))) throw new OptionError(`parameter ${name} of ${neuron.name} is ${values.length === 0 ? "empty" : "NaN"}.`);
  }
  const lengths = new Set(Object.values(params).flatMap((value) => (typeof value === "number" ? [] : [value.length])));
  if (lengths.size > 1) throw new ShapeError(`the parameters of ${neuron.name} have different numbers of channels: ${[...lengths].join(", ")}.`);
  const channels = [...lengths][0] ?? size;
  if (size % channels !== 0) throw new ShapeError(`${size} neurons cannot be split evenly into the ${channels} channels of a parameter.`);
  for (const name of Object.keys(state ?? {})) {
    if (!Object.hasOwn(neuron.state, name)) throw new OptionError(`neuron ${neuron.name} has no state ${name}; it has ${Object.keys(neuron.state).join(", ") || "none"}.`);
  }
  for (const name of Object.keys(neuron.state)) {
    if (state && state[name]?.length !== size) throw new ShapeError(`state ${name} must have ${size} values, got ${state[name]?.length ?? "none"}.`);
  }
  const extentOf = (name: string) => (typeof params[name] === "number" ? "layer" : "channel");
  const request: PlanRequest = { neuron, steps, initialState: state !== undefined, params: Object.fromEntries(Object.keys(params).map((name) => [name, extentOf(name)])) };
  return { steps, size, channels, params, state, extentOf, request };
}

function upload(scope: Scope, neuron: Neuron, input: Float32Array, { params, state }: Run): Record<string, Tensor> {
  return {
    [neuron.inputs[0]]: scope.tensor(input),
    ...Object.fromEntries(Object.entries(params).map(([name, value]) => [name, scope.tensor(typeof value === "number" ? Float32Array.of(value) : value)])),
    ...(state ? Object.fromEntries(Object.keys(neuron.state).map((name) => [`state.${name}`, scope.tensor(state[name])])) : {}),
  };
}

const opened = new Map<string, Promise<Device>>();

/** A device by name, opened once and kept; or the one given. */
export async function resolve(device: Device | string = "cpu"): Promise<Device> {
  if (typeof device !== "string") return device;
  const pending = opened.get(device) ?? openDevice(device);
  opened.set(device, pending);
  pending.catch(() => opened.delete(device));
  return pending;
}

/** Owns the tensors of one call. */
class Scope {
  readonly #device: Device;
  readonly #tensors: Tensor[] = [];

  constructor(device: Device) {
    this.#device = device;
  }

  #own(tensor: Tensor): Tensor {
    this.#tensors.push(tensor);
    return tensor;
  }

  tensor(data: Float32Array): Tensor { return this.#own(this.#device.tensor(data, [data.length])); }
  empty(size: number): Tensor { return this.#own(this.#device.empty([size])); }
  emptyEach(names: readonly string[], size: number): Record<string, Tensor> { return Object.fromEntries(names.map((name) => [name, this.empty(size)])); }
  dispose(): void { this.#tensors.forEach((tensor) => tensor.dispose()); }
}

const prefixed = <T>(prefix: string, values: Record<string, T>): Record<string, T> => Object.fromEntries(Object.entries(values).map(([name, value]) => [prefix + name, value]));
const read = async (device: Device, tensor: Tensor): Promise<Float32Array> => (await device.read(tensor)) as Float32Array;

async function readEach(device: Device, tensors: Record<string, Tensor>): Promise<Record<string, Float32Array>> {
  return Object.fromEntries(await Promise.all(Object.entries(tensors).map(async ([name, tensor]) => [name, await read(device, tensor)] as const)));
}
