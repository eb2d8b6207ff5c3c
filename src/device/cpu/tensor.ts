import { DeviceError, ShapeError } from "../../errors.ts";
import type { DType, Tensor, TypedArray } from "../device.ts";
import type { CpuDevice } from "./device.ts";

export const ELEMENT_BYTES: Readonly<Record<DType, number>> = { f32: 4, i32: 4, u32: 4, u16: 2, u8: 1 };

/** A block of device memory, held by a tensor and its views; `free` is called when the last of them lets go. */
export interface Storage {
  readonly address: number;
  readonly free: () => void;
  holders: number;
}

/** Frees what its owner forgot, some time after the owner is gone. */
const forgotten = new FinalizationRegistry<Storage>(letGo);

function letGo(storage: Storage): void {
  storage.holders--;
  if (storage.holders === 0) storage.free();
}

export class CpuTensor implements Tensor {
  readonly device: CpuDevice;
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly size: number;
  #storage: Storage | undefined;

  constructor(device: CpuDevice, shape: readonly number[], dtype: DType, storage: Storage) {
    this.device = device;
    this.shape = [...shape];
    this.dtype = dtype;
    this.size = elementCount(shape);
    this.#storage = storage;
    storage.holders++;
    forgotten.register(this, storage, this);
  }

  /** @throws DeviceError, naming `operation`, if the tensor is disposed. */
  address(operation: string): number {
    return this.#require(operation).address;
  }

  reshape(shape: readonly number[]): CpuTensor {
    const storage = this.#require("reshape");
    if (elementCount(shape) !== this.size) {
      throw new ShapeError(`reshape: [${this.shape}] has ${this.size} elements, [${shape}] has ${elementCount(shape)}: they must be as many.`);
    }
    return new CpuTensor(this.device, shape, this.dtype, storage);
  }

  dispose(): void {
    if (!this.#storage) return;
    forgotten.unregister(this);
    letGo(this.#storage);
    this.#storage = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #require(operation: string): Storage {
    if (!this.#storage) throw new DeviceError(`cpu: ${operation}: the tensor [${this.shape}] was used after it was disposed.`);
    return this.#storage;
  }
}

/** @throws ShapeError unless every length is an integer ≥ 0. */
export function elementCount(shape: readonly number[]): number {
  const bad = shape.find((length) => !Number.isInteger(length) || length < 0);
  if (bad !== undefined) throw new ShapeError(`[${shape}] is no shape: its lengths must be integers ≥ 0.`);
  return shape.reduce((product, length) => product * length, 1);
}

type ArrayOf = new (buffer: SharedArrayBuffer, address: number, size: number) => TypedArray;
const ARRAYS: Readonly<Record<DType, ArrayOf>> = { f32: Float32Array, i32: Int32Array, u32: Uint32Array, u16: Uint16Array, u8: Uint8Array } as never;

/** @throws ShapeError if it is none of the array types that a tensor can hold. */
export function dtypeOf(data: TypedArray): DType {
  for (const [dtype, array] of Object.entries(ARRAYS)) if (data instanceof array) return dtype as DType;
  throw new ShapeError(`a tensor is made from one of ${Object.values(ARRAYS).map((array) => array.name).join(", ")}.`);
}

/** The elements of `size` values in shared memory; not valid for what the memory grows to later. */
export const viewOf = (buffer: SharedArrayBuffer, address: number, size: number, dtype: DType): TypedArray => new ARRAYS[dtype](buffer, address, size);
