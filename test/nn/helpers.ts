import { Random } from "../../src/data/random.ts";
import type { Device, Tensor } from "../../src/device/index.ts";
import { openDevice } from "../../src/device/index.ts";
import { type LayerLike, Model, Tape, type Variable } from "../../src/nn/index.ts";

export const openTestDevice = (): Promise<Device> => openDevice("cpu", { threads: 2 });

/** Uniform in [lo, hi), seeded. */
export function uniform(length: number, seed: number, lo = -1, hi = 1): Float32Array {
  const values = new Float32Array(length);
  new Random(seed).uniformInto(values, lo, hi);
  return values;
}

export const read = async (tensor: Tensor): Promise<Float32Array> => Float32Array.from(await tensor.device.read(tensor));

export const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** max |a − b| relative to the largest |b|, or to `floor` if that is larger. */
export function relativeError(a: ArrayLike<number>, b: ArrayLike<number>, floor = 1e-12): number {
  if (a.length !== b.length) throw new Error(`${a.length} values against ${b.length}`);
  let difference = 0;
  let largest = floor;
  for (let i = 0; i < a.length; i++) {
    difference = Math.max(difference, Math.abs(a[i] - b[i]));
    largest = Math.max(largest, Math.abs(b[i]));
  }
  return Number.isNaN(difference) ? Infinity : difference / largest;
}

export interface PassResult {
  output: Float32Array;
  /** Of the input; a constant one's is summed over time. */
  input: Float32Array;
  /** By parameter name. */
  parameters: Record<string, Float32Array>;
}

export interface PassOptions {
  steps: number;
  shape: readonly number[];
  batch?: number;
  timeConstant?: boolean;
  seed?: number;
  input: Float32Array;
  /** Gradient of the loss for each output; default: a seeded random one. */
  seedOf?: (output: Float32Array) => Float32Array;
}

export const buildModel = (body: LayerLike, device: Device, inputShape: readonly number[], steps: number, seed = 1): Model =>
  Model.build(body, { device, inputShape, steps, random: new Random(seed) });

/** One forward and backward pass of a model, everything freed after. */
export async function pass(model: Model, { steps, shape, batch = 2, timeConstant = false, input, seedOf = (y) => uniform(y.length, 99) }: PassOptions): Promise<PassResult> {
  const { device } = model;
  using x = device.tensor(input, [timeConstant ? 1 : steps, batch, ...shape]);
  using tape = new Tape(device, { steps, training: true, random: new Random(5) });
  const variable = tape.input(x, { timeConstant, requiresGradient: true });
  const y: Variable = model.forward(tape, variable);
  const output = await read(y.value);
  using seed = device.tensor(seedOf(output), y.value.shape);
  const [gradient] = tape.backward(y, seed, [variable]);
  const result = { output, input: gradient ? await read(gradient) : new Float32Array(input.length), parameters: {} as Record<string, Float32Array> };
  gradient?.dispose();
  for (const parameter of model.parameters()) {
    result.parameters[parameter.name] = parameter.gradient ? await read(parameter.gradient) : new Float32Array(parameter.value.size);
    parameter.gradient?.dispose();
    parameter.gradient = null;
  }
  return result;
}

export const repeatOverTime = (x: Float32Array, steps: number): Float32Array => Float32Array.from({ length: x.length * steps }, (_, i) => x[i % x.length]);
