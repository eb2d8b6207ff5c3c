import { DeviceError } from "../errors.ts";
import type { Plan } from "../fusion/plan.ts";
import { countingDense } from "./dense/counting.ts";
import { type Allocation, type DenseMath, type Device, type DType, type FusedKernel, type Launch, type Precision, type Tensor, tensorKind, type TypedArray } from "./device.ts";
import { bufferOf, checkLaunch } from "./launch.ts";
import { byteCount, checkCopy, checkedDtype, type Storage, StoredTensor } from "./tensor.ts";
import { checkArgument } from "../check.ts";

/** What was allocated in the name of one part of the work. */
export interface Use {
  /** Bytes of it that are alive. */
  held: number;
  /** The most bytes by which memory in use exceeded what was in use when the part began. */
  working: number;
}

const ALLOCATION: Allocation = { blockBytes: (bytes) => bytes, workspace: {} };

/** Bytes that a tensor takes on a device. */
export const blockOf = ({ allocation = ALLOCATION }: Device, { shape, dtype }: Pick<Tensor, "shape" | "dtype">): number => allocation.blockBytes(byteCount(shape, dtype));

/**
 * Allocates as another device does and computes nothing: a pass that runs on it tells what memory it takes there. Its tensors have no contents, and it takes
 * tensors of the other device too.
 */
export class CountingDevice implements Device {
  readonly name: string;
  readonly description: string;
  readonly arithmetic: string;
  readonly dense: DenseMath;
  readonly allocation: Allocation;
  readonly time = { dense: 0, neuron: 0, rest: 0 };
  /** By the names that `attribute` gave. */
  readonly uses = new Map<string, Use>();
  readonly #of: Device;
  #bytesInUse: number;
  #peak = 0;
  #use: Use | undefined;
  #begun = 0;

  /** @param before bytes that are in use already */
  constructor(of: Device, before = 0) {
    this.name = `${of.name}, counted`;
    this.description = `the memory of ${of.name}`;
    this.arithmetic = of.arithmetic;
    this.allocation = of.allocation ?? ALLOCATION;
    this.#of = of;
    this.#bytesInUse = before;
    this.dense = this.#counted(countingDense((shape, dtype) => this.empty(shape, dtype)));
  }

  get bytesInUse(): number {
    return this.#bytesInUse;
  }

  /** The most bytes that were in use at once, workspaces included. */
  get peak(): number {
    return this.#peak;
  }

  /** From here on work is done in this name. */
  attribute(name: string | undefined): void {
    this.#use = name === undefined ? undefined : (this.uses.get(name) ?? { held: 0, working: 0 });
    if (name !== undefined) this.uses.set(name, this.#use!);
    this.#begun = this.#bytesInUse;
  }

  empty(shape: readonly number[], dtype: DType = "f32"): StoredTensor<Device, Storage> {
    const bytes = blockOf(this, { shape, dtype });
    const use = this.#use;
    const add = (change: number): void => {
      this.#bytesInUse += change;
      if (use) use.held += change;
    };
    add(bytes);
    this.#see(0);
    return new StoredTensor<Device, Storage>(this, shape, dtype, { free: () => add(-bytes), holders: 0 });
  }

  zeros(shape: readonly number[], dtype: DType = "f32"): Tensor {
    return this.empty(shape, dtype);
  }

  tensor(data: TypedArray, shape: readonly number[]): Tensor {
    return this.empty(shape, checkedDtype(data, shape));
  }

  write(tensor: Tensor): void {
    checkArgument(`${this.name}: write`, "tensor", tensor, tensorKind);
  }

  async read(tensor: Tensor): Promise<TypedArray> {
    throw new DeviceError(`${this.name}: read: the tensor [${tensor.shape}] has no contents, as nothing is computed here.`);
  }

  copy(source: Tensor, target: Tensor, at?: number): void {
    checkCopy(source, target, at);
  }

  denseFor(precision: Precision): DenseMath {
    this.#of.denseFor(precision);
    return this.dense;
  }

  kernel(plan: Plan): FusedKernel {
    const launch = (direction: "forward" | "backward", given: Launch): void => {
      checkLaunch(plan, direction, given);
      for (const spec of plan[direction]!.buffers) bufferOf(plan, spec, given);
      this.#see(this.allocation.workspace.fused?.(plan, direction, given) ?? 0);
    };
    return { plan, forward: (given) => launch("forward", given), backward: (given) => launch("backward", given) };
  }

  async synchronize(): Promise<void> {}

  async dispose(): Promise<void> {}

  #see(workspace: number): void {
    const bytes = this.#bytesInUse + workspace;
    this.#peak = Math.max(this.#peak, bytes);
    if (this.#use) this.#use.working = Math.max(this.#use.working, bytes - this.#begun);
  }

  /** The same operations, with their workspaces: those are counted with the results, which some are needed before. */
  #counted(dense: DenseMath): DenseMath {
    const workspace = this.allocation.workspace as Record<string, ((...args: unknown[]) => number) | undefined>;
    return Object.fromEntries(Object.entries(dense).map(([name, operation]) => [name, (...args: unknown[]) => {
      const result: unknown = operation(...args);
      this.#see(workspace[name]?.(...args) ?? 0);
      return result;
    }])) as unknown as DenseMath;
  }
}
