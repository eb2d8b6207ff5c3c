import { formats } from "../../codegen/formats.ts";
import type { Binding } from "../../codegen/wgsl/emit.ts";
import { DeviceError } from "../../errors.ts";
import type { BufferSpec, Plan } from "../../fusion/plan.ts";
import type { Tensor } from "../device.ts";
import { bufferTypes, lengthOf } from "../launch.ts";
import type { GpuLimits, WebGpuContext } from "./context.ts";

/** How many neurons a launch has, and over what. */
export interface Extents {
  readonly steps: number;
  readonly size: number;
  readonly channels: number;
}

/** How many elements a kernel reads or writes in a buffer: of a sum over neurons, a term for each neuron. */
export const elementsOfKernel = (plan: Plan, spec: BufferSpec, extents: Extents): number => (spec.reduce ? extents.size : lengthOf(plan, spec, extents));

/**
 * How many neurons a launch may take at once, so that every binding is small enough; `size` where they all are.
 * @throws DeviceError if not even the neurons of all channels once are few enough.
 */
export function stripOf(plan: Plan, specs: readonly BufferSpec[], bindings: readonly Binding[], extents: Extents, { bindingBytes }: GpuLimits): number {
  const { steps, size, channels } = extents;
  const bytes = (spec: BufferSpec, some: Extents): number => elementsOfKernel(plan, spec, some) * formats[spec.format].bytes;
  const largest = (some: Extents): number => Math.max(...bindings.map(({ buffers }) => buffers.reduce((sum, name) => sum + bytes(specs.find((spec) => spec.name === name)!, some) + PADDING, 0)));
  if (largest(extents) <= bindingBytes) return size;
  // Rows of a strip begin at whole words, and its first neuron belongs to the first channel.
  const whole = channels < size || plan.mix !== null;
  const unit = whole ? leastCommonMultiple(channels, 4) : 4;
  const strip = unit * Math.floor(bindingBytes / largest({ steps, size: unit, channels: whole ? channels : unit }));
  if (strip === 0 || (size % 4 !== 0 && specs.some(({ format }) => formats[format].bytes < 4))) {
    throw new DeviceError(`webgpu: ${plan.neuron.name}: ${size} neurons over ${steps} steps need a binding of more than the ${bindingBytes} bytes that this GPU has, and cannot be cut into strips; ${strip === 0 ? "use fewer time steps or channels" : "make the number of neurons a multiple of 4"}.`);
  }
  return strip;
}

/** Bytes by which a buffer that shares a binding may be moved. */
export const PADDING = 12;

/** Runs the neurons strip by strip, on copies of each strip's part of the buffers. */
export function inStrips(
  device: WebGpuContext, specs: readonly BufferSpec[], extents: Extents, strip: number, tensors: readonly Tensor[],
  run: (extents: Extents, parts: readonly Tensor[]) => void,
): void {
  const { size } = extents;
  const perNeuron = (spec: BufferSpec): boolean => spec.extent === "neuron" || (spec.extent === "channel" && extents.channels === size) || spec.reduce === true;
  for (let first = 0; first < size; first += strip) {
    const count = Math.min(strip, size - first);
    const some = { ...extents, size: count, channels: extents.channels === size ? count : extents.channels };
    const parts = specs.map((spec, i) => (perNeuron(spec) ? device.empty([tensors[i].size / size, count], bufferTypes[spec.format]) : tensors[i]));
    try {
      const move = (direction: BufferSpec["direction"]): void => device.submit((encoder) => specs.forEach((spec, i) => {
        if (parts[i] === tensors[i] || spec.direction !== direction) return;
        const { bytes } = formats[spec.format];
        const [whole, part] = [device.buffer(tensors[i], "strip"), device.buffer(parts[i], "strip")];
        for (let row = 0; row < tensors[i].size / size; row++) {
          const [at, own] = [(row * size + first) * bytes, row * count * bytes];
          if (direction === "in") encoder.copyBufferToBuffer(whole, at, part, own, count * bytes);
          else encoder.copyBufferToBuffer(part, own, whole, at, count * bytes);
        }
      }));
      move("in");
      run(some, parts);
      move("out");
    } finally {
      for (const [i, part] of parts.entries()) if (part !== tensors[i]) part.dispose();
    }
  }
}

function leastCommonMultiple(a: number, b: number): number {
  const divisor = (x: number, y: number): number => (y === 0 ? x : divisor(y, x % y));
  return (a / divisor(a, b)) * b;
}
