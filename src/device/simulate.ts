import { checkArgument, checkOptions, either, flag, integer, kind, listOf, object, type OptionKinds, required, show, suggestion, text } from "../check.ts";
import { NeuronError, OptionError, ShapeError } from "../errors.ts";
import { plan, type PlanRequest } from "../fusion/plan.ts";
import { type Neuron, neuronKind, type ParamsOf, type StatesOf } from "../neuron/define.ts";
import { value32 } from "../neuron/kinds.ts";
import type { Device, Tensor } from "./device.ts";
import { openDevice } from "./open.ts";

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

export interface NeuronGradient<S extends string = string, P extends string = string> {
  /** [steps, size] */
  input: Float32Array;
  /** Of every parameter: a number, or one value per channel where the parameter was given so. */
  params: Record<P, number | Float32Array>;
  /** Of the states before the first step, [size] each. */
  state: Record<S, Float32Array>;
}

const deviceKind = kind('a device: await openDevice("cpu"), or its name', (x) => text.accepts(x) || typeof (x as Device | null)?.kernel === "function");
const runKinds: OptionKinds<RunOptions> = { steps: required(integer(1)), device: deviceKind, params: object, state: object };
const simulateKinds: OptionKinds<SimulateOptions> = { ...runKinds, stepwise: flag, record: kind('a list of states, ["v"] for example', listOf(text).accepts) };

/**
 * Runs `size` independent neurons over all time steps, in one kernel.
 * @param neuron with one input
 * @param input time-major [steps, size]
 * @throws ShapeError if a length does not fit, OptionError for unknown names and bad values, NaN among them, DeviceError
 */
export function simulate<N extends Neuron, const R extends StatesOf<N> = never>(
  neuron: N, input: Float32Array, options: SimulateOptions<StatesOf<N>, ParamsOf<N>, R>,
): Promise<Simulation<StatesOf<N>, R>> {
  return forward(neuron, input, options);
}

async function forward(neuron: Neuron, input: Float32Array, options: SimulateOptions): Promise<Simulation> {
  const run = prepare("simulate", neuron, input, options, simulateKinds);
  const { record = [], stepwise = false } = options;
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
 * @param neuron with one input
 * @param input time-major [steps, size]
 * @param spikeGrad what each spike is worth, [steps, size]
 * @throws ShapeError if a length does not fit, OptionError for unknown names and bad values, NaN among them, DeviceError
 */
export function gradient<N extends Neuron>(
  neuron: N, input: Float32Array, spikeGrad: Float32Array, options: RunOptions<StatesOf<N>, ParamsOf<N>>,
): Promise<NeuronGradient<StatesOf<N>, ParamsOf<N>>> {
  return backward(neuron, input, spikeGrad, options);
}

async function backward(neuron: Neuron, input: Float32Array, spikeGrad: Float32Array, options: RunOptions): Promise<NeuronGradient> {
  const run = prepare("gradient", neuron, input, options, runKinds);
  const { steps, size } = run;
  if (!(spikeGrad instanceof Float32Array)) throw new ShapeError(`gradient: spikeGrad must be a Float32Array, [steps, size]; got ${show(spikeGrad)}.`);
  if (spikeGrad.length !== input.length) throw new ShapeError(`gradient: spikeGrad has ${spikeGrad.length} values, the input ${input.length}; both are [steps, size].`);
  refuseNaN("gradient: spikeGrad", spikeGrad, size, true);
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
  state: Readonly<Record<string, Float32Array>> | undefined;
  extentOf(param: string): "layer" | "channel";
  request: PlanRequest;
}

function prepare<T extends RunOptions>(what: string, neuron: Neuron, input: Float32Array, options: T, kinds: OptionKinds<T>): Run {
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
function refuseNaN(what: string, values: Float32Array, size: number, orInfinite = false): void {
  // A loop, since a callback for each of millions of values takes longer than the kernel.
  for (let i = 0; i < values.length; i++) {
    const x = values[i];
    if (x === x && !(orInfinite && Math.abs(x) === Infinity)) continue;
    throw new OptionError(`${what} is ${x} at index ${i}${values.length > size ? ` (step ${Math.floor(i / size)}, neuron ${i % size})` : ""}.`);
  }
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
