import { elementsOf, formats, type BufferArray } from "../../src/codegen/formats.ts";
import { type Binding, bindingsOf, uniformOf, wgslModule, type WgslOptions } from "../../src/codegen/wgsl/emit.ts";
import type { BufferSpec, Plan } from "../../src/fusion/plan.ts";

/** Raw WebGPU in Node: the kernels' text on buffers of its own, with no device of ours between. */
export interface Gpu {
  readonly device: GPUDevice;
  /** @throws Error with the compiler's words, warnings too */
  pipeline(code: string, entryPoint: string): Promise<GPUComputePipeline>;
  /** Runs a pipeline over so many threads; buffers that are written come back. */
  run(pipeline: GPUComputePipeline, storage: readonly { data: ArrayBufferView; written: boolean }[], uniform: Uint32Array, groups: readonly [number, number]): Promise<ArrayBuffer[]>;
}

/** Dawn ends the process if its instance is collected while a device lives. */
let instance: GPU | undefined;

export async function openGpu(): Promise<Gpu> {
  const { create, globals } = await import("webgpu");
  Object.assign(globalThis, globals);
  instance ??= create([]);
  const adapter = await instance.requestAdapter();
  const device = await adapter!.requestDevice();

  const buffer = ({ buffer: bytes, byteOffset, byteLength }: ArrayBufferView, usage: number): GPUBuffer => {
    const result = device.createBuffer({ size: Math.max(16, 4 * Math.ceil(byteLength / 4)), usage, mappedAtCreation: true });
    new Uint8Array(result.getMappedRange()).set(new Uint8Array(bytes, byteOffset, byteLength));
    result.unmap();
    return result;
  };

  return {
    device,
    async pipeline(code, entryPoint) {
      device.pushErrorScope("validation");
      const module = device.createShaderModule({ code });
      const { messages } = await module.getCompilationInfo();
      const lines = code.split("\n");
      if (messages.length > 0) throw new Error(messages.map(({ type, lineNum, message }) => `${type}: ${message}\n  ${lines[lineNum - 1]}`).join("\n"));
      const types = [...code.matchAll(/@binding\((\d+)\) var<(\w+)(?:, (\w+))?>/g)].map(([, binding, space, access]) => ({
        binding: Number(binding), visibility: GPUShaderStage.COMPUTE, buffer: { type: (space === "uniform" ? "uniform" : access === "read" ? "read-only-storage" : "storage") as GPUBufferBindingType },
      }));
      const layout = device.createPipelineLayout({ bindGroupLayouts: [device.createBindGroupLayout({ entries: types })] });
      const pipeline = await device.createComputePipelineAsync({ layout, compute: { module, entryPoint } });
      const error = await device.popErrorScope();
      if (error) throw new Error(error.message);
      return pipeline;
    },
    async run(pipeline, storage, uniform, groups) {
      device.pushErrorScope("validation");
      const buffers = [...storage.map(({ data }) => buffer(data, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC)), buffer(uniform, GPUBufferUsage.UNIFORM)];
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: buffers.map((each, binding) => ({ binding, resource: { buffer: each } })) }));
      pass.dispatchWorkgroups(...groups);
      pass.end();
      const written = storage.flatMap((each, i) => (each.written ? [buffers[i]] : [])).map((from) => {
        const to = device.createBuffer({ size: from.size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
        encoder.copyBufferToBuffer(from, 0, to, 0, from.size);
        return to;
      });
      device.queue.submit([encoder.finish()]);
      const error = await device.popErrorScope();
      if (error) throw new Error(error.message);
      const results = await Promise.all(written.map(async (each) => {
        await each.mapAsync(GPUMapMode.READ);
        const copy = each.getMappedRange().slice(0);
        each.destroy();
        return copy;
      }));
      buffers.forEach((each) => each.destroy());
      return results;
    },
  };
}

export interface WgslLaunch {
  steps: number;
  size: number;
  channels: number;
  /** As the interpreter takes them, but a reduced gradient has one value per neuron. */
  buffers: Record<string, BufferArray>;
  /** Rows of the grid; default 1. */
  rows?: number;
}

/** How many elements a buffer has as a kernel sees it. */
export function lengthOf(spec: BufferSpec, plan: Plan, steps: number, size: number, channels: number): number {
  const row = spec.extent === "neuron" || spec.reduce ? size : spec.extent === "channel" ? channels : 1;
  return row * (spec.time === "varying" ? elementsOf(spec.format, steps, 1) : spec.time === "constant" ? 1 : Math.ceil(steps / plan.checkpointEvery!) - 1);
}

/** Compiles a plan's kernel and runs it once; outputs are written into `launch.buffers`. */
export async function runWgsl(gpu: Gpu, plan: Plan, direction: "forward" | "backward", launch: WgslLaunch, options: Partial<WgslOptions> & { vector: number }): Promise<void> {
  const { steps, size, channels, buffers, rows = 1 } = launch;
  const bindings: readonly Binding[] = options.bindings ?? bindingsOf(plan, direction);
  const { workgroup = 64, vector } = options;
  const pipeline = await gpu.pipeline(wgslModule(plan, direction, { ...options, steps, bindings }), direction);
  const offsets: Record<string, number> = {};
  const storage = bindings.map(({ buffers: names, access, offsets: apart }) => {
    if (names.length === 1 || !apart) return { data: buffers[names[0]], written: access === "read_write" };
    const all = new Float32Array(names.reduce((sum, name) => sum + buffers[name].length + 3, 0));
    let at = 0;
    for (const name of names) {
      offsets[name] = at;
      all.set(buffers[name], at);
      at += 4 * Math.ceil(buffers[name].length / 4);
    }
    return { data: all, written: access === "read_write" };
  });
  const threads = size / vector;
  const columns = Math.ceil(threads / workgroup / rows);
  const results = await gpu.run(pipeline, storage, uniformOf(bindings, { steps, size, channels, threads, gridRow: columns * workgroup, offsets }), [columns, rows]);
  for (const { buffers: names, offsets: apart } of bindings.filter(({ access }) => access === "read_write")) {
    const bytes = results.shift()!;
    for (const name of names) {
      const spec = plan[direction]!.buffers.find((each) => each.name === name)!;
      if (spec.direction === "in") continue;
      const { array, bytes: width } = formats[spec.format];
      const view = new array(bytes.byteLength / width).constructor === Float32Array ? new Float32Array(bytes) : new (array as unknown as new (buffer: ArrayBuffer) => BufferArray)(bytes);
      const from = apart ? offsets[name] : 0;
      buffers[name].set(view.subarray(from, from + buffers[name].length));
    }
  }
}
