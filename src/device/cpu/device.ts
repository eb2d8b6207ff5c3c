import type { Plan } from "../../fusion/plan.ts";
import type { Allocation, DenseMath, FusedKernel, Precision } from "../device.ts";
import { requireFloat32 } from "../dense/precision.ts";
import { checkPlan } from "../launch.ts";
import { cpuAllocation } from "./allocation.ts";
import { CpuContext } from "./context.ts";
import { createDense } from "./dense.ts";
import { loadDense, relaxedSimd, roundsOnce } from "./features.ts";
import { compileFused } from "./fused.ts";
import { Pool } from "./pool.ts";
import { canShareMemory, defaultThreads } from "./threads.ts";

/** WebAssembly SIMD on a pool of threads that share one memory. Every operation is done when its call returns. */
export class CpuDevice extends CpuContext {
  readonly description: string;
  readonly arithmetic: string;
  readonly allocation: Allocation;
  readonly #kernels = new Map<string, FusedKernel>();
  readonly #relaxed: boolean;
  readonly #timeParallel: boolean;
  #dense: DenseMath | undefined;

  /** Opens the device on `threads` threads, the calling one included; default: as many as there can be; `portable`: without relaxed SIMD; `timeParallel`: whether chunks of time may run side by side; `note`: the end of the description. Throws as `Pool.open` does. */
  static async open(threads = defaultThreads(), { portable = false, timeParallel = true, note = "" }: { portable?: boolean; timeParallel?: boolean; note?: string } = {}): Promise<CpuDevice> {
    const relaxed = !portable && relaxedSimd();
    const dense = await loadDense(relaxed);
    return new CpuDevice(await Pool.open(threads), dense, { relaxed, timeParallel, note });
  }

  private constructor(pool: Pool, dense: Uint8Array, { relaxed, timeParallel, note }: { relaxed: boolean; timeParallel: boolean; note: string }) {
    super(pool, dense);
    this.#relaxed = relaxed;
    this.#timeParallel = timeParallel;
    this.allocation = cpuAllocation(pool.memory.maximum, timeParallel ? pool.threads : 0);
    const threads = pool.threads === 1 ? `1 thread${canShareMemory ? "" : ": the page is not cross-origin isolated"}` : `${pool.threads} threads`;
    this.arithmetic = relaxed && roundsOnce() ? "cpu, fused multiply-adds" : "cpu";
    this.description = `WebAssembly ${relaxed ? "relaxed SIMD" : "SIMD"}, ${threads}${note}`;
  }

  get dense(): DenseMath {
    this.requireOpen("dense");
    return (this.#dense ??= createDense(this));
  }

  denseFor(precision: Precision): DenseMath {
    requireFloat32(this, precision);
    return this.dense;
  }

  kernel(plan: Plan): FusedKernel {
    this.requireOpen("kernel");
    checkPlan(this, plan);
    let kernel = this.#kernels.get(plan.key);
    if (!kernel) this.#kernels.set(plan.key, (kernel = compileFused(this, plan, this.#relaxed, this.#timeParallel)));
    return kernel;
  }
}
