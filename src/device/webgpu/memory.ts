import "../jax/workers.ts";
import { numpy as np } from "@jax-js/jax";
import type { DType } from "../device.ts";
import { ELEMENT_BYTES, type Storage } from "../tensor.ts";

/** A tensor's memory: the buffer of a jax array. */
export interface GpuStorage extends Storage {
  readonly array: np.Array;
  readonly buffer: GPUBuffer;
  /** The array is known outside: when it is freed, it goes back to jax-js instead of being used again here. */
  shared: boolean;
}

/** What jax-js calls the elements; types that it lacks lie in whole words. */
const jaxTypes = { f32: np.float32, i32: np.int32, u32: np.uint32, u16: np.uint32, u8: np.uint32, bf16: np.uint32 } as const satisfies Record<DType, unknown>;

/** Words of 32 bits that hold `size` elements; at least one, as no buffer is empty. */
export const wordsOf = (size: number, dtype: DType): number => Math.max(1, Math.ceil((size * ELEMENT_BYTES[dtype]) / 4));

/**
 * Memory for kernels, as arrays of jax-js. jax-js fills an array that it makes, which costs a pass over its memory; so arrays that were
 * made here and are free again are kept and given out unfilled: a training loop fills nothing after its first steps.
 */
export class GpuMemory {
  readonly #free = new Map<string, np.Array[]>();
  #freeBytes = 0;
  #peak = 0;
  /** Bytes of all tensors that are alive. */
  bytesInUse = 0;

  /** Memory with unspecified contents. */
  allocate(size: number, dtype: DType): GpuStorage {
    const words = wordsOf(size, dtype);
    const key = `${jaxTypes[dtype]} ${words}`;
    const known = this.#free.get(key)?.pop();
    if (known) this.#freeBytes -= 4 * words;
    const array = known ?? np.zeros([words], { dtype: jaxTypes[dtype], device: "webgpu" });
    const storage = this.#hold(array, size * ELEMENT_BYTES[dtype], () => {
      // No more is kept than was ever in use at once.
      if (storage.shared || this.#freeBytes + 4 * words > this.#peak) return array.dispose();
      this.#freeBytes += 4 * words;
      const others = this.#free.get(key);
      if (others) others.push(array);
      else this.#free.set(key, [array]);
    });
    return storage;
  }

  /** Takes over a jax array: what it waits for is queued now. */
  adopt(array: np.Array, bytes: number): GpuStorage {
    return this.#hold(array, bytes, () => array.dispose());
  }

  /** Gives memory that is free back to jax-js. */
  trim(): void {
    for (const arrays of this.#free.values()) for (const array of arrays) array.dispose();
    this.#free.clear();
    this.#freeBytes = 0;
  }

  #hold(array: np.Array, bytes: number, letGo: () => void): GpuStorage {
    const buffer = array.ref.gpuBufferSync();
    this.bytesInUse += bytes;
    this.#peak = Math.max(this.#peak, this.bytesInUse);
    const free = (): void => {
      this.bytesInUse -= bytes;
      letGo();
    };
    return { array, buffer, free, holders: 0, shared: false };
  }
}
