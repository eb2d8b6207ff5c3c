import type { Plan } from "../../fusion/plan.ts";
import type { DenseMath, FusedKernel, Precision } from "../device.ts";
import { requireFloat32 } from "../dense/precision.ts";
import { checkPlan } from "../launch.ts";
import { webgpuAllocation } from "./allocation.ts";
import { type GpuLimits, WebGpuContext } from "./context.ts";
import { createDense } from "./dense.ts";
import { compileFused } from "./fused.ts";
import { openGpu } from "./gpu.ts";

/**
 * A GPU by WebGPU, on jax-js's own GPUDevice: tensors lie in the buffers of jax arrays, fused kernels and jax-js's work go to the same queue in the
 * order of the calls. Faults of queued work come with a later `read` or `synchronize`.
 */
export class WebGpuDevice extends WebGpuContext {
  readonly #kernels = new Map<string, FusedKernel>();
  readonly allocation = webgpuAllocation(this);
  #dense: DenseMath | undefined;

  /**
   * @param limits smaller ones than the GPU's, to keep within what other GPUs have
   * @throws DeviceError that says what is missing: the package webgpu, a browser with WebGPU, or an adapter.
   */
  static async open(limits: Partial<GpuLimits> = {}): Promise<WebGpuDevice> {
    return new WebGpuDevice(await openGpu(), limits);
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
    if (!kernel) this.#kernels.set(plan.key, (kernel = compileFused(this, plan)));
    return kernel;
  }
}
