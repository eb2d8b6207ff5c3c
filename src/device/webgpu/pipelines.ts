/** A pipeline and the layout of its bind group 0. */
export interface BoundPipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** Compute pipelines by their source, compiled once, and small uniform buffers by their contents. */
export class Pipelines {
  readonly #gpu: GPUDevice;
  readonly #pipelines = new Map<string, BoundPipeline>();
  readonly #uniforms = new Map<string, GPUBuffer>();

  constructor(gpu: GPUDevice) {
    this.#gpu = gpu;
  }

  /** The kernel `entryPoint` of a WGSL source, its layout taken from the source. A source that does not compile is reported by the next synchronisation. */
  get(label: string, code: string, entryPoint: string): BoundPipeline {
    return this.#pipeline(label, code, entryPoint, () => "auto");
  }

  /** As `get`, with storage bindings of this access in order and then a uniform, whether the source uses them all or not. */
  bound(label: string, code: string, entryPoint: string, access: readonly ("read" | "read_write")[]): BoundPipeline {
    return this.#pipeline(label, code, entryPoint, () => this.#gpu.createBindGroupLayout({
      entries: [...access.map((kind) => (kind === "read" ? "read-only-storage" : "storage") as GPUBufferBindingType), "uniform" as const]
        .map((type, binding) => ({ binding, visibility: GPUShaderStage.COMPUTE, buffer: { type } })),
    }));
  }

  #pipeline(label: string, code: string, entryPoint: string, layoutOf: () => GPUBindGroupLayout | "auto"): BoundPipeline {
    const key = `${entryPoint}\n${code}`;
    let found = this.#pipelines.get(key);
    if (!found) {
      const given = layoutOf();
      const module = this.#gpu.createShaderModule({ label, code });
      const pipeline = this.#gpu.createComputePipeline({
        label, compute: { module, entryPoint }, layout: given === "auto" ? given : this.#gpu.createPipelineLayout({ bindGroupLayouts: [given] }),
      });
      found = { pipeline, layout: given === "auto" ? pipeline.getBindGroupLayout(0) : given };
      this.#pipelines.set(key, found);
    }
    return found;
  }

  /** A uniform buffer that holds `words`. Launches of the same shape share one; of many, the one that was not used for longest is given up. */
  uniform(words: Uint32Array): GPUBuffer {
    const key = words.join();
    let buffer = this.#uniforms.get(key);
    if (buffer) {
      // To the end: an operation's first kernel keeps its own while its others are added.
      this.#uniforms.delete(key);
    } else {
      if (this.#uniforms.size >= MAX_UNIFORMS) this.#drop(this.#uniforms.keys().next().value!);
      buffer = this.#gpu.createBuffer({ label: "launch", size: words.byteLength, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
      this.#gpu.queue.writeBuffer(buffer, 0, words as Uint32Array<ArrayBuffer>);
    }
    this.#uniforms.set(key, buffer);
    return buffer;
  }

  dispose(): void {
    for (const key of this.#uniforms.keys()) this.#drop(key);
    this.#pipelines.clear();
  }

  /** Work that is queued still reads a destroyed buffer's contents. */
  #drop(key: string): void {
    this.#uniforms.get(key)!.destroy();
    this.#uniforms.delete(key);
  }
}

const MAX_UNIFORMS = 256;
