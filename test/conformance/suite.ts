import { decodeElement, decodeSpikes, elementsOf, encodeElement, formats, type BufferArray } from "../../src/codegen/formats.ts";
import { interpretBackward, interpretForward } from "../../src/codegen/interpreter.ts";
import type { Device, Tensor, TypedArray } from "../../src/device/device.ts";
import { type BufferSpec, plan, type Plan, type PlanRequest } from "../../src/fusion/plan.ts";

/** One plan run on seeded inputs by the interpreter and by a device; the caller compares the buffers. */
export interface Conformance {
  plan: Plan;
  expected: Record<string, BufferArray>;
  actual: Record<string, BufferArray>;
}

/** Small deterministic generator: uniform in [−1, 1). */
export function noise(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

export async function conform(device: Device, request: PlanRequest, size: number, channels: number, seed = 1): Promise<Conformance> {
  const { steps } = request;
  const kernels = plan(request);
  const random = noise(seed);
  const length = (spec: BufferSpec): number => {
    const row = { neuron: size, channel: channels, layer: 1, matrix: channels * channels }[spec.extent];
    return spec.time === "varying" ? elementsOf(spec.format, steps, row) : spec.time === "constant" ? row : (Math.ceil(steps / kernels.checkpointEvery!) - 1) * row;
  };
  const value = ({ name }: BufferSpec): number => {
    if (name === "mix.weights") return Math.fround((2 * random()) / Math.sqrt(channels));
    const base = name in kernels.neuron.params ? kernels.neuron.params[name] : name.startsWith("d.") ? 0 : 0.4;
    return Math.fround(base + (name in kernels.neuron.params ? 0.05 : 1) * random());
  };
  const expected: Record<string, BufferArray> = {};
  const specs = new Map([...kernels.forward.buffers, ...(kernels.backward?.buffers ?? [])].map((spec) => [spec.name, spec]));
  for (const spec of specs.values()) {
    const data = new formats[spec.format].array(length(spec));
    if (spec.direction === "in" && !spec.name.startsWith("checkpoint.")) data.forEach((_, i) => (data[i] = encodeElement(spec.format, value(spec))));
    expected[spec.name] = data;
  }
  const tensors: Record<string, Tensor> = {};
  for (const [name, data] of Object.entries(expected)) tensors[name] = device.tensor(data as TypedArray, [data.length]);

  const launch = { steps, size, channels };
  interpretForward(kernels, { ...launch, buffers: expected });
  if (kernels.backward) interpretBackward(kernels, { ...launch, buffers: expected });
  const kernel = device.kernel(kernels);
  kernel.forward({ ...launch, buffers: tensors });
  if (kernels.backward) kernel.backward({ ...launch, buffers: tensors });
  const actual: Record<string, BufferArray> = {};
  for (const [name, tensor] of Object.entries(tensors)) {
    actual[name] = (await device.read(tensor)) as BufferArray;
    tensor.dispose();
  }
  return { plan: kernels, expected, actual };
}

/** The largest |a − b| / (1 + |b|); elements of any format count as the numbers that they stand for. */
export function difference({ name, time, format }: BufferSpec, steps: number, actual: BufferArray, expected: BufferArray): number {
  const size = expected.length / elementsOf(format, time === "varying" ? steps : 1, 1);
  const decode = (data: BufferArray) => (name.startsWith("grad.") ? Float32Array.from(data, (stored) => decodeElement(format, stored)) : time === "varying" ? decodeSpikes(data, format, steps, size) : data);
  const [a, b] = [decode(actual), decode(expected)];
  let worst = 0;
  for (let i = 0; i < b.length; i++) {
    const error = Math.abs(a[i] - b[i]) / (1 + Math.abs(b[i]));
    if (!(error <= worst)) worst = error;
  }
  return worst;
}
