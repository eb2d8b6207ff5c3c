import { show } from "../check.ts";
import { ShapeError } from "../errors.ts";
import { plan, type PlanRequest } from "../fusion/plan.ts";
import type { Neuron, ParamsOf, StatesOf } from "../neuron/define.ts";
import type { Device, Tensor } from "./device.ts";
import { openDevice } from "./open.ts";
import { prepare, refuseNaN, type Run, runKinds, type RunOptions, simulateKinds, type SimulateOptions, type Simulation } from "./run.ts";

export interface NeuronGradient<S extends string = string, P extends string = string> {
  /** [steps, size] */
  input: Float32Array;
  /** Of every parameter: a number, or one value per channel where the parameter was given so. */
  params: Record<P, number | Float32Array>;
  /** Of the states before the first step, [size] each. */
  state: Record<S, Float32Array>;
}

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
