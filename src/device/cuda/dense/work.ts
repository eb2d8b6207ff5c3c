import { DeviceError } from "../../../errors.ts";
import type { Device, DType, Tensor, TimeShare } from "../../device.ts";
import type { StoredTensor } from "../../tensor.ts";
import type { CudaContext } from "../context.ts";
import { densePrelude, type Element, type Kernel, THREADS } from "./kernel.ts";
import { type EngineChoice, Libraries } from "./libraries.ts";

/** Log2 of bytes: up to the largest, workspaces are powers of two. */
const [LEAST_WORKSPACE, LARGEST_WORKSPACE] = [20, 28];

/** Runs the operations of dense math on the stream of a context. */
export class DenseLauncher {
  readonly context: CudaContext;
  readonly libraries: Libraries;
  readonly #functions = new Map<Kernel, number>();

  constructor(context: CudaContext, convolutions: EngineChoice) {
    this.context = context;
    this.libraries = new Libraries(context, convolutions);
  }

  /** Does what `record` queues. Scratch tensors are given back; if `record` throws, so are the outputs. */
  run<Result>(operation: string, share: keyof TimeShare, record: (work: Work) => Result): Result {
    const work = new Work(this, operation);
    let done = false;
    try {
      const result = this.context.timed(share, () => record(work));
      done = true;
      return result;
    } finally {
      work.end(done);
    }
  }

  function(kernel: Kernel): number {
    let found = this.#functions.get(kernel);
    if (found === undefined) this.#functions.set(kernel, (found = this.context.function(kernel.name, `${densePrelude}${kernel.source}`, kernel.name)));
    return found;
  }
}

/** The address and type of elements. */
export interface Activation {
  at: number;
  type: Element;
}

/** The kernels of one operation: each sees what those before it wrote. */
export class Work {
  readonly operation: string;
  readonly #launcher: DenseLauncher;
  readonly #outputs: Tensor[] = [];
  readonly #scratch: Tensor[] = [];

  constructor(launcher: DenseLauncher, operation: string) {
    this.#launcher = launcher;
    this.operation = operation;
  }

  get context(): CudaContext {
    return this.#launcher.context;
  }

  get libraries(): Libraries {
    return this.#launcher.libraries;
  }

  /** The address of a tensor. @throws DeviceError if it is not of this device or not of `dtype`. */
  ptr(tensor: Tensor, dtype: DType = "f32"): number {
    return this.context.ptr(tensor, this.operation, dtype);
  }

  /** The address and type of activations or of their gradients. @throws DeviceError also if they are neither of f32 nor of bf16. */
  activation(tensor: Tensor): Activation {
    const at = this.context.ptr(tensor, this.operation);
    const type = tensor.dtype;
    if (type !== "f32" && type !== "bf16") {
      throw new DeviceError(`${this.context.device.name}: ${this.operation}: the tensor [${tensor.shape}] is of ${type}, f32 or bf16 was expected.`);
    }
    return { at, type };
  }

  /** A new tensor, for the caller. */
  output(shape: readonly number[], dtype: DType = "f32"): StoredTensor<Device> {
    return this.#keep(this.#outputs, shape, dtype);
  }

  /** The address of a tensor for the time of this operation. */
  scratch(shape: readonly number[], dtype: DType = "f32"): number {
    return this.ptr(this.#keep(this.#scratch, shape, dtype), dtype);
  }

  /** The address of at least so many bytes for the time of this operation, 0 for none: mostly powers of two, so that the pool keeps few blocks for all of them. */
  workspace(bytes: number): number {
    if (bytes === 0) return 0;
    const power = Math.max(LEAST_WORKSPACE, Math.ceil(Math.log2(bytes)));
    return this.scratch([power > LARGEST_WORKSPACE ? bytes : 2 ** power], "u8");
  }

  /** Queues a kernel with a thread for each of `threads`. */
  launch(kernel: Kernel, threads: number, parameters: readonly number[]): void {
    this.context.launch(this.#launcher.function(kernel), threads, parameters, { block: THREADS });
  }

  /** Queues a kernel of so many blocks. */
  launchBlocks(kernel: Kernel, blocks: number, parameters: readonly number[]): void {
    this.launch(kernel, blocks * THREADS, parameters);
  }

  /** @param done whether the outputs are the caller's */
  end(done: boolean): void {
    for (const tensor of this.#scratch) tensor.dispose();
    if (!done) for (const tensor of this.#outputs) tensor.dispose();
  }

  #keep(kept: Tensor[], shape: readonly number[], dtype: DType): StoredTensor<Device> {
    const tensor = this.context.empty(shape, dtype);
    kept.push(tensor);
    return tensor;
  }
}

