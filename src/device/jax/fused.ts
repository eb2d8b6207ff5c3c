import type { numpy as np } from "@jax-js/jax";
import { checkArgument, checkOptions, either, listOf, object, text } from "../../check.ts";
import { DeviceError, NeuronError, OptionError } from "../../errors.ts";
import { plan, type PlanRequest } from "../../fusion/plan.ts";
import { type Neuron, neuronKind } from "../../neuron/define.ts";
import { type Device, deviceKind, type FusedKernel, type Tensor } from "../device.ts";
import { arraysIn, checkArray, checkCall, checkShape, type FusedCall } from "./fusedCall.ts";
import { openJaxMemory } from "./fusedMemory.ts";
import { Scope } from "./fusedScope.ts";
import type { Values } from "./lift.ts";
import type { JaxDevice } from "./stepwise.ts";

export interface FusedJaxOptions {
  /** Where the arrays lie: "wasm" or "webgpu", or a device opened by `openDevice` as "cpu" or "webgpu". Default: jax-js's default device. */
  device?: JaxDevice | Device;
  /** What a call returns of each step: an output or a state, "v" for example. Default: "spike". */
  output?: string;
}

/** A neuron over all time steps as a function of jax-js arrays. An error leaves the arguments as they were. */
export interface FusedJax {
  /** x [T, ...] → the output of every step [T, ...]. Consumes its arguments. */
  (x: np.Array, params?: Values, state?: Values): np.Array;
  /** The same, with the states after the last step [...], and those named by `record` after every step [T, ...]. */
  run(x: np.Array, options?: FusedRunOptions): FusedRun;
  /**
   * The output, and a function from its gradient to those of x, of the parameters that were given as arrays and of the states that were.
   * As with jax-js's own `vjp`, the function may be called several times; `dispose` it to free what it keeps.
   */
  vjp(x: np.Array, params?: Values, state?: Values): [output: np.Array, pullback: Pullback];
  readonly device: Device;
}

export interface FusedRunOptions {
  /** Parameters by name. Default: the definition's. */
  params?: Values;
  /** States before the first step, by name. Default: the definition's. */
  state?: Values;
  /** States wanted after every step. Default: none. */
  record?: readonly string[];
}

export interface FusedRun {
  output: np.Array;
  state: Record<string, np.Array>;
  traces: Record<string, np.Array>;
}

/** Consumes the gradient of the output, [T, ...]. */
export interface Pullback extends Disposable {
  (outputGradient: np.Array): FusedGradient;
  dispose(): void;
}

/** Each in the shape of what it is the gradient of. */
export interface FusedGradient {
  x: np.Array;
  params: Record<string, np.Array>;
  state: Record<string, np.Array>;
}

/**
 * Compiles a neuron to a function of jax-js arrays that runs all time steps in one kernel, forward and backward: `toJax` for speed. Opening is
 * asynchronous, the calls are not. On webgpu the kernels read and write the arrays' own GPU buffers; on wasm they run on spikefold's threads
 * and memory, and the arrays are copied there and back.
 *
 * Arguments are f32: x [T, ...]; parameters are numbers, scalar arrays, or arrays of one value per channel [C] where C is the last axis of x; states
 * before the first step are numbers or arrays [...]. What is not given is the definition's. A kernel cannot be traced: it runs between
 * jax-js's transformations, not inside them.
 *
 * @param neuron with one input
 * @throws NeuronError for several inputs or an unknown output, OptionError and DeviceError where there is no such device; calls: ShapeError if shapes
 * or element types do not fit, OptionError for unknown names and traced arguments, DeviceError for arrays elsewhere
 */
export async function fusedJax(neuron: Neuron, options: FusedJaxOptions = {}): Promise<FusedJax> {
  checkArgument("fusedJax", "neuron", neuron, neuronKind, NeuronError);
  checkOptions<FusedJaxOptions>("fusedJax", options, { device: either(text, deviceKind), output: text });
  const { device: where, output = "spike" } = options;
  if (neuron.inputs.length !== 1) throw new NeuronError(`fusedJax runs neurons with one input; ${neuron.name} has ${neuron.inputs.join(", ")}.`);
  if (!Object.hasOwn(neuron.next, output)) throw new NeuronError(`neuron ${neuron.name} has no output or state ${output}; it has ${Object.keys(neuron.next).join(", ")}.`);
  const memory = await openJaxMemory(where);
  const { device, jaxDevice } = memory;
  const [input] = neuron.inputs;
  const states = Object.keys(neuron.state);
  const isState = Object.hasOwn(neuron.state, output);
  const outputBuffer = isState ? `trace.${output}` : output;

  const kernels = new Map<string, FusedKernel>();
  const kernelFor = ({ steps, extents, state }: FusedCall, wanted: Partial<PlanRequest>): FusedKernel => {
    const request = { steps, params: extents, initialState: state !== undefined, outputs: isState ? {} : { [output]: "f32" as const }, ...wanted };
    const key = JSON.stringify(request);
    let kernel = kernels.get(key);
    if (!kernel) kernels.set(key, (kernel = device.kernel(plan({ neuron, ...request }))));
    return kernel;
  };
  const inputsOf = (scope: Scope, { x, params, state = {}, size }: FusedCall): Record<string, Tensor> => ({
    [input]: scope.tensor(x),
    ...mapValues(params, (value) => scope.value(value, 1)),
    ...prefixed("state.", mapValues(state, (value) => scope.value(value, size))),
  });

  const run = (x: np.Array, options: FusedRunOptions = {}, finalState = true): FusedRun => {
    checkOptions<FusedRunOptions>(`fusedJax(${neuron.name}).run`, options, { params: object, state: object, record: listOf(text) });
    const { params = {}, state = {}, record = [] } = options;
    const call = checkCall(neuron, jaxDevice, x, params, state);
    const unknown = record.find((name) => !states.includes(name));
    if (unknown !== undefined) throw new OptionError(`fusedJax(${neuron.name}): there is no state ${unknown} to record; it has ${states.join(", ") || "none"}.`);
    const { steps, size, channels, shape } = call;
    const recorded = [...new Set(isState ? [...record, output] : record)];
    const kernel = kernelFor(call, { record: recorded, finalState });
    return Scope.run(memory, (scope) => {
      const traces = prefixed("trace.", fromNames(recorded, () => scope.empty(x.shape)));
      const final = fromNames(finalState ? states : [], () => scope.empty(shape));
      const results: Record<string, Tensor> = { ...traces, ...(isState ? {} : { [output]: scope.empty(x.shape) }) };
      kernel.forward({ steps, size, channels, buffers: { ...inputsOf(scope, call), ...results, ...prefixed("final.", final) } });
      const found = {
        output: scope.array(results[outputBuffer]),
        state: mapValues(final, (tensor) => scope.array(tensor)),
        traces: fromNames(record, (name) => scope.array(traces[`trace.${name}`])),
      };
      consume(x, params, state);
      return found;
    });
  };

  const vjp = (x: np.Array, params: Values = {}, state: Values = {}): [np.Array, Pullback] => {
    const call = checkCall(neuron, jaxDevice, x, params, state);
    const { steps, size, channels, shape } = call;
    const paramShapes = shapesIn(params);
    const stateNames = arraysIn(state).map(([name]) => name);
    const gradients = [input, ...Object.keys(paramShapes), ...stateNames.map((name) => `state.${name}`)];
    const kernel = kernelFor(call, { record: isState ? [output] : [], gradients, seeds: { [outputBuffer]: "varying" } });
    const { checkpointEvery } = kernel.plan;
    const checkpoints = checkpointEvery === null ? [] : states;
    const outputShape = x.shape;

    return Scope.run(memory, (scope) => {
      const kept = scope.inner();
      const buffers = {
        ...inputsOf(kept, call),
        ...prefixed("checkpoint.", fromNames(checkpoints, () => kept.empty([Math.ceil(steps / checkpointEvery!) - 1, ...shape]))),
      };
      const result = scope.empty(outputShape);
      kernel.forward({ steps, size, channels, buffers: { ...buffers, [outputBuffer]: result } });
      const found = scope.array(result);
      consume(x, params, state);

      const pullback = (outputGradient: np.Array): FusedGradient => {
        if (kept.disposed) throw new DeviceError(`fusedJax(${neuron.name}): the pullback was called after it was disposed.`);
        checkArray(neuron, jaxDevice, "the gradient of the output", outputGradient);
        checkShape(neuron, "the gradient of the output", outputGradient, outputShape);
        return Scope.run(memory, (inner) => {
          const target = inner.empty(outputShape);
          const ofParams = mapValues(paramShapes, (each) => inner.empty(each));
          const ofState = fromNames(stateNames, () => inner.empty(shape));
          const seed = inner.tensor(outputGradient);
          kernel.backward({
            steps, size, channels,
            buffers: { ...buffers, [`d.${outputBuffer}`]: seed, [`grad.${input}`]: target, ...prefixed("grad.", ofParams), ...prefixed("grad.state.", ofState) },
          });
          const gradient = { x: inner.array(target), params: mapValues(ofParams, (tensor) => inner.array(tensor)), state: mapValues(ofState, (tensor) => inner.array(tensor)) };
          outputGradient.dispose();
          return gradient;
        });
      };
      const dispose = (): void => kept.dispose();
      scope.release(kept);
      return [found, Object.assign(pullback, { dispose, [Symbol.dispose]: dispose })];
    });
  };

  const call = (x: np.Array, params?: Values, state?: Values): np.Array => run(x, { params, state }, false).output;
  return Object.assign(call, { run: (x: np.Array, options?: FusedRunOptions) => run(x, options), vjp, device });
}

/** Gives back the caller's references. */
function consume(x: np.Array, ...groups: Values[]): void {
  for (const array of [x, ...groups.flatMap((values) => arraysIn(values).map(([, value]) => value))]) array.dispose();
}

const shapesIn = (values: Values): Record<string, number[]> => Object.fromEntries(arraysIn(values).map(([name, { shape }]) => [name, shape]));
const prefixed = <T>(prefix: string, values: Record<string, T>): Record<string, T> => Object.fromEntries(Object.entries(values).map(([name, value]) => [prefix + name, value]));
const fromNames = <T>(names: readonly string[], make: (name: string) => T): Record<string, T> => Object.fromEntries(names.map((name) => [name, make(name)]));
const mapValues = <T, U>(values: Record<string, T>, change: (value: T) => U): Record<string, U> => Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value)]));
