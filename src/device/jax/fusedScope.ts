import type { numpy as np } from "@jax-js/jax";
import type { Tensor } from "../device.ts";
import type { JaxMemory } from "./fusedMemory.ts";
import type { Value } from "./lift.ts";

/** Owns the tensors of a call, and its results until all of them are there. */
export class Scope {
  readonly #memory: JaxMemory;
  readonly #owned = new Set<Disposable>();
  readonly #results: np.Array[] = [];
  disposed = false;

  /** What `work` returns; its tensors are freed, and if it throws, its results too. */
  static run<T>(memory: JaxMemory, work: (scope: Scope) => T): T {
    const scope = new Scope(memory);
    try {
      return work(scope);
    } catch (error) {
      for (const result of scope.#results) result.dispose();
      throw error;
    } finally {
      scope.dispose();
    }
  }

  private constructor(memory: JaxMemory) {
    this.#memory = memory;
  }

  empty(shape: readonly number[]): Tensor {
    return this.#own(this.#memory.device.empty(shape));
  }

  /** The array's contents; keeps the caller's reference. */
  tensor(array: np.Array): Tensor {
    return this.#own(this.#memory.tensorOf(array));
  }

  /** An array's contents, or `size` times a number. */
  value(value: Value, size: number): Tensor {
    return typeof value === "number" ? this.#own(this.#memory.device.tensor(new Float32Array(size).fill(value), [size])) : this.tensor(value);
  }

  /** A result in the tensor's memory or a copy of it. */
  array(tensor: Tensor): np.Array {
    const result = this.#memory.arrayOf(tensor);
    this.#results.push(result);
    return result;
  }

  /** A scope that is disposed with this one, unless it is released. */
  inner(): Scope {
    return this.#own(new Scope(this.#memory));
  }

  release(inner: Scope): void {
    this.#owned.delete(inner);
  }

  dispose(): void {
    this.disposed = true;
    for (const each of this.#owned) each[Symbol.dispose]();
    this.#owned.clear();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #own<T extends Disposable>(resource: T): T {
    this.#owned.add(resource);
    return resource;
  }
}
