const MAX_GROUPS = 512;

/** Bind groups by their layout and buffers: a training loop meets the same ones in every step. */
export class BindGroups {
  readonly #gpu: GPUDevice;
  readonly #groups = new Map<string, GPUBindGroup>();
  readonly #ids = new WeakMap<object, number>();
  #next = 0;

  constructor(gpu: GPUDevice) {
    this.#gpu = gpu;
  }

  /** The group that binds `buffers` in order. */
  get(layout: GPUBindGroupLayout, buffers: readonly GPUBuffer[]): GPUBindGroup {
    let key = String(this.#id(layout));
    for (const buffer of buffers) key += ` ${this.#id(buffer)}`;
    let group = this.#groups.get(key);
    if (!group) {
      group = this.#gpu.createBindGroup({ layout, entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })) });
      this.#groups.set(key, group);
      // The oldest goes: what is still in use comes back.
      if (this.#groups.size > MAX_GROUPS) this.#groups.delete(this.#groups.keys().next().value!);
    }
    return group;
  }

  clear(): void {
    this.#groups.clear();
  }

  #id(object: object): number {
    let id = this.#ids.get(object);
    if (id === undefined) this.#ids.set(object, (id = this.#next++));
    return id;
  }
}
