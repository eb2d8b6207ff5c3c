import { checkArgument, checkOptions, flag, func, integer, oneOf, withMethods } from "../../check.ts";
import type { Plan } from "../../fusion/plan.ts";
import type { Allocation, CaptureOptions, DenseMath, Device, DType, Graph, Precision, Tensor, TimeShare, TypedArray } from "../device.ts";
import { checkPrecision } from "../dense/precision.ts";
import { checkPlan } from "../launch.ts";
import { arrayTypes, checkCopy, checkedDtype, checkWrite, ELEMENT_BYTES, type StoredTensor } from "../tensor.ts";
import { cudaAllocation } from "./allocation.ts";
import { CudaContext } from "./context.ts";
import { denseMath } from "./dense/math.ts";
import { DenseLauncher } from "./dense/work.ts";
import { type Driver, openDriver } from "./driver.ts";
import { compileFused, type CudaKernel } from "./fused.ts";
import { Nvrtc } from "./nvrtc.ts";
import { describe, requireTensorCores } from "./properties.ts";

export interface CudaOptions {
  /** Let the compiler contract products and sums to fused multiply-adds: faster, but spikes may differ from other devices'. Default: false. */
  fmad?: boolean;
  /** Measure `time` by events around all work, which costs the host some microseconds each; without it, `time` stays 0. Default: false. */
  profile?: boolean;
  /**
   * How cuDNN's engine for a convolution is chosen: "tried", the fastest of up to eight, tried on the device when the convolution first runs, or "heuristic",
   * the first that cuDNN names. What is fastest may differ from one process to the next, and with it the last bits; within a process it stays. Default: "tried".
   */
  convolutions?: "tried" | "heuristic";
}

/** Of the memory that is free when a device is opened, the share that NVIDIA's libraries and our kernels take for their code, at most. */
const CODE_SHARE = 0.02;

/** An NVIDIA GPU. Work is queued on one stream in the order of the calls; a fault while it runs is thrown by a later call. */
export class CudaDevice implements Device {
  readonly name: string;
  readonly description: string;
  readonly arithmetic: string;
  readonly allocation: Allocation;
  /** Stream, memory and kernels, for kernels of your own. */
  readonly context: CudaContext;
  readonly #kernels = new Map<string, CudaKernel>();
  readonly #launcher: DenseLauncher;
  readonly #dense = new Map<Precision, DenseMath>();

  /** @throws DeviceError that says what is missing: koffi, the driver, NVRTC, or the device of that number. */
  static async open(ordinal: number, options: CudaOptions = {}): Promise<CudaDevice> {
    checkArgument("CudaDevice.open", "ordinal", ordinal, integer(0));
    checkOptions<CudaOptions>("CudaDevice.open", options, { fmad: flag, profile: flag, convolutions: oneOf("tried", "heuristic") });
    const driver = await openDriver();
    return new CudaDevice(driver, new Nvrtc(driver), ordinal, options);
  }

  private constructor(driver: Driver, nvrtc: Nvrtc, ordinal: number, { fmad = false, profile = false, convolutions = "tried" }: CudaOptions) {
    this.name = `cuda:${ordinal}`;
    this.context = new CudaContext(this, driver, nvrtc, ordinal, { fmad, profile });
    this.#launcher = new DenseLauncher(this.context, convolutions);
    const { properties, memory } = this.context;
    this.allocation = cudaAllocation(memory.room.free * (1 - CODE_SHARE));
    this.description = describe(driver, nvrtc, properties);
    this.arithmetic = `cuda, ${properties.name}${fmad ? ", fused multiply-adds" : ""}${convolutions === "heuristic" ? ", convolutions by heuristics" : ""}`;
  }

  /** Bytes of all tensors that are alive. */
  get bytesInUse(): number {
    return this.context.memory.bytesInUse;
  }

  get time(): Readonly<TimeShare> {
    return this.context.time;
  }

  get dense(): DenseMath {
    return this.denseFor("float32");
  }

  denseFor(precision: Precision): DenseMath {
    this.context.activate("dense");
    let dense = this.#dense.get(precision);
    if (!dense) {
      checkPrecision(this, precision);
      requireTensorCores(this.name, this.context.properties, precision);
      this.#dense.set(precision, (dense = denseMath(this.#launcher, precision)));
    }
    return dense;
  }

  kernel(plan: Plan): CudaKernel {
    this.context.activate("kernel");
    checkPlan(this, plan);
    let kernel = this.#kernels.get(plan.key);
    if (!kernel) this.#kernels.set(plan.key, (kernel = compileFused(this.context, plan)));
    return kernel;
  }

  empty(shape: readonly number[], dtype: DType = "f32"): StoredTensor<Device> {
    return this.context.empty(shape, dtype);
  }

  zeros(shape: readonly number[], dtype: DType = "f32"): StoredTensor<Device> {
    const { context } = this;
    const tensor = context.empty(shape, dtype);
    // In whole words: a block is a multiple of 512 bytes.
    const words = Math.ceil((tensor.size * ELEMENT_BYTES[dtype]) / 4);
    if (words > 0) context.timed("rest", () => context.driver.call("cuMemsetD32Async", context.ptr(tensor, "zeros"), 0, words, context.stream));
    return tensor;
  }

  tensor(data: TypedArray, shape: readonly number[]): StoredTensor<Device> {
    const tensor = this.empty(shape, checkedDtype(data, shape));
    this.write(tensor, data);
    return tensor;
  }

  write(tensor: Tensor, data: TypedArray): void {
    const { context } = this;
    const to = context.ptr(tensor, "write");
    checkWrite(tensor, data);
    context.refuseCapture("write");
    context.timed("rest", () => context.upload(to, bytesOf(data)));
  }

  async read(tensor: Tensor): Promise<TypedArray> {
    const { context } = this;
    const from = context.ptr(tensor, "read");
    context.refuseCapture("read");
    const data = new arrayTypes[tensor.dtype](tensor.size);
    if (data.byteLength > 0) await context.timed("rest", () => context.download(bytesOf(data), from));
    return data;
  }

  copy(source: Tensor, target: Tensor, at?: number): void {
    const { context } = this;
    const from = context.ptr(source, "copy");
    const to = context.ptr(target, "copy", source.dtype);
    const moved = checkCopy(source, target, at);
    if (from === to || moved.bytes === 0) return;
    context.timed("rest", () => context.driver.call("cuMemcpyDtoDAsync_v2", to + moved.to, from + moved.from, moved.bytes, context.stream));
  }

  capture(work: () => void, options: CaptureOptions = {}): Graph {
    checkArgument("capture", "work", work, func);
    checkOptions<CaptureOptions>("capture", options, { sharing: graphKind });
    const { context } = this;
    context.activate("capture");
    return context.captured(() => context.graphs.record(work, options));
  }

  async synchronize(): Promise<void> {
    const { context } = this;
    context.activate("synchronize");
    context.refuseCapture("synchronize");
    await context.waits.untilStream(context.stream);
  }

  /** Frees all that the device holds, tensors that are alive included. Faults of work still queued are not reported: `synchronize` first for that. */
  async dispose(): Promise<void> {
    this.context.dispose();
  }
}

const graphKind = withMethods("a graph: device.capture(work)", "launch", "dispose");
const bytesOf = (data: TypedArray): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
