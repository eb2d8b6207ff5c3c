import "../dispose.ts";
import { checkArgument, integer, oneOf, optional, show } from "../check.ts";
import { DeviceError, ShapeError } from "../errors.ts";
import { type Device, type DType, type Tensor, tensorKind, type TypedArray } from "./device.ts";
import { noteMade } from "./made.ts";

export const ELEMENT_BYTES: Readonly<Record<DType, number>> = { f32: 4, i32: 4, u32: 4, u16: 2, u8: 1, bf16: 2 };

const dtypeKind = oneOf(...Object.keys(ELEMENT_BYTES));

/** A block of device memory, held by a tensor and its views; `free` is called when the last of them lets go. */
export interface Storage {
  readonly free: () => void;
  holders: number;
}

/** Memory with byte addresses. */
export interface AddressedStorage extends Storage {
  readonly address: number;
}

/** Frees what its owner forgot, some time after the owner is gone. */
const forgotten = new FinalizationRegistry<Storage>(letGo);

function letGo(storage: Storage): void {
  storage.holders--;
  if (storage.holders === 0) storage.free();
}

/** Keeps what a tensor lies in until the function that is returned is called, whatever becomes of the tensor. */
export function holdStorage(tensor: Tensor): () => void {
  const storage = (tensor as StoredTensor<Device>).storage("hold");
  storage.holders++;
  return () => letGo(storage);
}

/** A tensor on storage of its device's kind. */
export class StoredTensor<D extends Device, S extends Storage = AddressedStorage> implements Tensor {
  readonly device: D;
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly size: number;
  #storage: S | undefined;

  constructor(device: D, shape: readonly number[], dtype: DType, storage: S) {
    this.device = device;
    this.shape = [...shape];
    this.dtype = dtype;
    this.size = elementCount(shape);
    this.#storage = storage;
    storage.holders++;
    forgotten.register(this, storage, this);
    noteMade(this);
  }

  /** @throws DeviceError, naming `operation`, if the tensor is disposed. */
  storage(operation: string): S {
    if (!this.#storage) throw new DeviceError(`${this.device.name}: ${operation}: the tensor [${this.shape}] was used after it was disposed.`);
    return this.#storage;
  }

  reshape(shape: readonly number[]): StoredTensor<D, S> {
    const storage = this.storage("reshape");
    if (elementCount(shape) !== this.size) {
      throw new ShapeError(`reshape: [${this.shape}] has ${this.size} elements, [${shape}] has ${elementCount(shape)}: they must be as many.`);
    }
    return new StoredTensor(this.device, shape, this.dtype, storage);
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
}

/**
 * The elements of a tensor from `at` on, as a tensor [shape] in the same memory, whose ownership it shares.
 * @throws DeviceError on a device whose memory has no byte addresses; ShapeError for elements that there are not.
 */
export function slice(tensor: Tensor, at: number, shape: readonly number[]): Tensor {
  const { device, dtype } = tensor;
  const whole = storageOf<Partial<AddressedStorage> & Storage>(device, tensor, "slice");
  const { address } = whole;
  if (address === undefined) throw new DeviceError(`${device.name}: slice: parts of a tensor can be had on the devices cpu and cuda.`);
  if (at + elementCount(shape) > tensor.size) throw new ShapeError(`slice: [${shape}] from element ${at} of [${tensor.shape}]: there are ${tensor.size} elements.`);
  whole.holders++;
  return new StoredTensor<Device>(device, shape, dtype, { address: address + at * ELEMENT_BYTES[dtype], free: () => letGo(whole), holders: 0 });
}

/**
 * The byte address of a tensor's first element, for kernels of `device`.
 * @throws DeviceError, naming `operation`, if the tensor is disposed, of another device, or not of `dtype`.
 */
export const addressOf = (device: Device, tensor: Tensor, operation: string, dtype?: DType): number =>
  storageOf<AddressedStorage>(device, tensor, operation, dtype).address;

/**
 * What a tensor of `device` lies in.
 * @throws DeviceError, naming `operation`, if the tensor is disposed, of another device, or not of `dtype`.
 */
export function storageOf<S extends Storage>(device: Device, tensor: Tensor, operation: string, dtype?: DType): S {
  if (!(tensor instanceof StoredTensor)) checkArgument(`${device.name}: ${operation}`, "tensor", tensor, tensorKind);
  if (!(tensor instanceof StoredTensor) || tensor.device !== device) {
    throw new DeviceError(`${device.name}: ${operation}: the tensor [${tensor.shape}] belongs to another device (${tensor.device.name}).`);
  }
  if (dtype !== undefined && tensor.dtype !== dtype && !(dtype === "bf16" && tensor.dtype === "u16")) {
    throw new DeviceError(`${device.name}: ${operation}: the tensor [${tensor.shape}] is of ${tensor.dtype}, ${dtype} was expected.`);
  }
  return (tensor as StoredTensor<Device, S>).storage(operation);
}

/** @throws ShapeError unless it is a list whose every length is an integer ≥ 0. */
export function elementCount(shape: readonly number[]): number {
  if (!Array.isArray(shape)) throw new ShapeError(`${show(shape)} is no shape: expected a list of integers ≥ 0, [4] or [2, 3]`);
  if (!shape.every((length) => Number.isSafeInteger(length) && length >= 0)) throw new ShapeError(`${show(shape)} is no shape: its lengths must be integers ≥ 0.`);
  return shape.reduce((product, length) => product * length, 1);
}

/** @throws ShapeError for what is no shape, OptionError for what is no element type. */
export function byteCount(shape: readonly number[], dtype: DType): number {
  checkArgument("a tensor", "dtype", dtype, dtypeKind);
  return elementCount(shape) * ELEMENT_BYTES[dtype];
}

interface ArrayOf {
  new (length: number): TypedArray;
  new (buffer: ArrayBufferLike, address: number, size: number): TypedArray;
}
export const arrayTypes: Readonly<Record<DType, ArrayOf>> = { f32: Float32Array, i32: Int32Array, u32: Uint32Array, u16: Uint16Array, u8: Uint8Array, bf16: Uint16Array } as never;

/** @throws ShapeError if it is none of the array types that a tensor can hold. */
export function dtypeOf(data: TypedArray): DType {
  for (const [dtype, array] of Object.entries(arrayTypes)) if (data instanceof array) return dtype as DType;
  throw new ShapeError(`a tensor's data is ${show(data)}: expected a ${[...new Set(Object.values(arrayTypes).map((array) => array.name))].join(", ")}`);
}

/** @returns the type of a tensor [shape] with the elements `data`. @throws ShapeError if they are not as many. */
export function checkedDtype(data: TypedArray, shape: readonly number[]): DType {
  const dtype = dtypeOf(data);
  if (elementCount(shape) !== data.length) {
    throw new ShapeError(`tensor: ${data.length} values were given for the shape [${shape}], which holds ${elementCount(shape)}.`);
  }
  return dtype;
}

/** @throws ShapeError unless `data` has as many elements, of the same type, as the tensor it is written to. */
export function checkWrite(tensor: Tensor, data: TypedArray): void {
  if (arrayTypes[dtypeOf(data)] !== arrayTypes[tensor.dtype] || data.length !== tensor.size) {
    throw new ShapeError(
      `write: ${data.length} values of ${dtypeOf(data)} were given for a tensor [${tensor.shape}] of ${tensor.size} ${tensor.dtype}.`,
    );
  }
}

const atKind = optional(integer(0));

/** What a copy moves: so many bytes, from and to offsets in bytes. */
export interface Copied {
  bytes: number;
  from: number;
  to: number;
}

/** @throws ShapeError unless both have as many elements, or the larger one has those of the other from `at` on. */
export function checkCopy(source: Tensor, target: Tensor, at?: number): Copied {
  checkArgument("copy", "at", at, atKind);
  const [size, room] = [Math.min(source.size, target.size), Math.max(source.size, target.size)];
  if (at !== undefined && (at + size > room || ELEMENT_BYTES[source.dtype] !== 4)) {
    const what = source.size > target.size ? `from element ${at} of the source [${source.shape}] of ${source.dtype} to the target [${target.shape}]` : `the source [${source.shape}] of ${source.dtype} to element ${at} of the target [${target.shape}]`;
    throw new ShapeError(`copy: ${what}: expected room for all of it, and elements of 4 bytes.`);
  }
  if (at === undefined && source.size !== target.size) {
    throw new ShapeError(`copy: the source [${source.shape}] has ${source.size} elements, the target [${target.shape}] ${target.size}.`);
  }
  const offset = 4 * (at ?? 0);
  return { bytes: size * ELEMENT_BYTES[source.dtype], from: source.size > target.size ? offset : 0, to: source.size > target.size ? 0 : offset };
}
