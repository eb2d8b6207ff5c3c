import { DeviceError } from "../../../errors.ts";
import { elementCount, ELEMENT_BYTES } from "../../tensor.ts";
import type { DType, Tensor } from "../../device.ts";
import type { GpuTensor, WebGpuContext } from "../context.ts";
import { gridOf, WORKGROUP } from "../grid.ts";
import type { BoundPipeline } from "../pipelines.ts";

/** WGSL with the entry `main`; its parameters are at binding 0, its buffers follow. One object is compiled once for a device. */
export interface Kernel {
  readonly label: string;
  readonly code: string;
}

interface Dispatch {
  pipeline: GPUComputePipeline;
  group: GPUBindGroup;
  grid: readonly [number, number];
}

/** Runs the operations of dense math: the kernels of each are queued together. */
export class Launcher {
  readonly device: WebGpuContext;
  readonly #compiled = new Map<Kernel, BoundPipeline>();

  constructor(device: WebGpuContext) {
    this.device = device;
  }

  /** Queues what `record` adds. Scratch tensors are freed; if `record` throws, so are the outputs. */
  run<Result>(operation: string, record: (work: Work) => Result): Result {
    const work = new Work(this, operation);
    try {
      const result = record(work);
      work.submit();
      return result;
    } catch (error) {
      work.freeOutputs();
      throw error;
    } finally {
      work.freeScratch();
    }
  }

  compiled(kernel: Kernel): BoundPipeline {
    let compiled = this.#compiled.get(kernel);
    if (!compiled) this.#compiled.set(kernel, (compiled = this.device.pipelines.get(kernel.label, kernel.code, "main")));
    return compiled;
  }
}

/** The kernels of one operation, in order: each sees what those before it wrote. */
export class Work {
  readonly operation: string;
  readonly #launcher: Launcher;
  readonly #dispatches: Dispatch[] = [];
  readonly #outputs: GpuTensor[] = [];
  readonly #scratch: GpuTensor[] = [];

  constructor(launcher: Launcher, operation: string) {
    this.#launcher = launcher;
    this.operation = operation;
  }

  get device(): WebGpuContext {
    return this.#launcher.device;
  }

  /** The buffer of a tensor. @throws DeviceError if it is of another device or element type, or larger than what a kernel can bind. */
  bind(tensor: Tensor, dtype: DType = "f32"): GPUBuffer {
    this.#requireBindable(tensor.shape, dtype);
    return this.device.buffer(tensor, this.operation, dtype);
  }

  /** A new tensor, for the caller. */
  output(shape: readonly number[], dtype: DType = "f32"): GpuTensor {
    return this.#allocate(shape, dtype, this.#outputs);
  }

  /** An f32 tensor for the time of this operation. */
  scratch(shape: readonly number[]): GpuTensor {
    return this.#allocate(shape, "f32", this.#scratch);
  }

  /** Adds a kernel with one thread for each of `elements`. Its parameters begin with the threads in a row of the grid, and `elements`. */
  perElement(kernel: Kernel, elements: number, words: readonly number[], buffers: readonly GPUBuffer[]): void {
    const { grid, row } = gridOf(this.device, elements, this.operation);
    this.#add(kernel, grid, [row, elements, ...words], buffers);
  }

  /** Adds a kernel of so many workgroups. Its parameters begin with the workgroups in a row of the grid, and `groups`. */
  perGroup(kernel: Kernel, groups: number, words: readonly number[], buffers: readonly GPUBuffer[]): void {
    const { grid } = gridOf(this.device, groups * WORKGROUP, this.operation);
    this.#add(kernel, grid, [grid[0], groups, ...words], buffers);
  }

  submit(): void {
    this.device.submit((encoder) => {
      const pass = encoder.beginComputePass({ label: this.operation });
      for (const { pipeline, group, grid } of this.#dispatches) {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(...grid);
      }
      pass.end();
    });
  }

  freeOutputs(): void {
    for (const tensor of this.#outputs) tensor.dispose();
  }

  freeScratch(): void {
    for (const tensor of this.#scratch) tensor.dispose();
  }

  #add(kernel: Kernel, grid: readonly [number, number], words: readonly number[], buffers: readonly GPUBuffer[]): void {
    const { pipeline, layout } = this.#launcher.compiled(kernel);
    const { pipelines, bindGroups } = this.device;
    const group = bindGroups.get(layout, [pipelines.uniform(Uint32Array.from(words)), ...buffers]);
    this.#dispatches.push({ pipeline, group, grid });
  }

  #allocate(shape: readonly number[], dtype: DType, into: GpuTensor[]): GpuTensor {
    this.#requireBindable(shape, dtype);
    const tensor = this.device.empty(shape, dtype);
    into.push(tensor);
    return tensor;
  }

  #requireBindable(shape: readonly number[], dtype: DType): void {
    const bytes = elementCount(shape) * ELEMENT_BYTES[dtype];
    const { bindingBytes } = this.device.limits;
    if (bytes > bindingBytes) {
      throw new DeviceError(`webgpu: ${this.operation}: a tensor [${shape}] takes ${bytes} bytes, a kernel of this GPU can bind ${bindingBytes}; use smaller batches or fewer time steps.`);
    }
  }
}

const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);

/** The bits of `value` as f32, for a kernel's parameters. */
export function bitsOf(value: number): number {
  float[0] = value;
  return word[0];
}

/** What a kernel with one thread per element does with element `i`: `params` are declared after the row and the size, `inputs` and `outputs` are arrays. */
export interface ElementKernel {
  label: string;
  params?: string;
  inputs?: readonly string[];
  outputs: readonly string[];
  functions?: string;
  body: string;
}

export function elementKernel({ label, params = "", inputs = [], outputs, functions = "", body }: ElementKernel): Kernel {
  const code = `${paramsOf(`row: u32, size: u32, ${params}`)}
${bindingsOf(inputs, outputs)}
${functions}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.y * p.row + id.x;
  if (i >= p.size) { return; }
${body}
}
`;
  return { label, code };
}

export const paramsOf = (fields: string): string => `struct Params { ${fields} }
@group(0) @binding(0) var<uniform> p: Params;`;

/** Declarations of buffers from binding 1 on; "labels: i32" is of that type, a bare name is of f32. */
export function bindingsOf(inputs: readonly string[], outputs: readonly string[]): string {
  return [...inputs, ...outputs].map((buffer, index) => {
    const [name, type = "f32"] = buffer.split(": ");
    return `@group(0) @binding(${index + 1}) var<storage, ${index < inputs.length ? "read" : "read_write"}> ${name}: array<${type}>;`;
  }).join("\n");
}
