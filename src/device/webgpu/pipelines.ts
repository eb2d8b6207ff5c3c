/** Compute pipelines by their source, compiled once, and small uniform buffers by their contents. */
export class Pipelines {
  readonly #gpu: GPUDevice;
  readonly #pipelines = new Map<string, GPUComputePipeline>();
  readonly #uniforms = new Map<string, GPUBuffer>();

  constructor(gpu: GPUDevice) {
    this.#gpu = gpu;
  }

  /** The kernel `entryPoint` of a WGSL source. A source that does not compile is reported by the next synchronisation. */
  get(label: string, code: string, entryPoint: string): GPUComputePipeline {
    const key = `${entryPoint}\n${code}`;
    let pipeline = this.#pipelines.get(key);
    if (!pipeline) {
      const module = this.#gpu.createShaderModule({ label, code });
      pipeline = this.#gpu.createComputePipeline({ label, layout: "auto", compute: { module, entryPoint } });
      this.#pipelines.set(key, pipeline);
    }
    return pipeline;
  }

  /** A uniform buffer that holds `words`. Launches of the same shape share one; the oldest of many are given up. */
  uniform(words: Uint32Array): GPUBuffer {
    const key = words.join();
    let buffer = this.#uniforms.get(key);
    if (!buffer) {
      buffer = this.#gpu.createBuffer({ label: "launch", size: words.byteLength, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
      this.#gpu.queue.writeBuffer(buffer, 0, words as Uint32Array<ArrayBuffer>);
      this.#uniforms.set(key, buffer);
      if (this.#uniforms.size > MAX_UNIFORMS) this.#drop(this.#uniforms.keys().next().value!);
    }
    return buffer;
  }

  dispose(): void {
    for (const key of [...this.#uniforms.keys()]) this.#drop(key);
    this.#pipelines.clear();
  }

  /** Work that is queued still reads a destroyed buffer's contents. */
  #drop(key: string): void {
    this.#uniforms.get(key)!.destroy();
    this.#uniforms.delete(key);
  }
}

const MAX_UNIFORMS = 256;
