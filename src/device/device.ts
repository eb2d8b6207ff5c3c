import { withMethods } from "../check.ts";
import type { Plan } from "../fusion/plan.ts";

/** u16 and u32 hold spikes in the formats f16, bf16 and bits; the elements of bf16, the upper halves of f32s, are a Uint16Array's on the host. */
export type DType = "f32" | "i32" | "u32" | "u16" | "u8" | "bf16";
/**
 * How a network computes: in f32 throughout; with products of TF32 (f32 read with 10 bits of fraction, summed in f32); or with activations of bf16, products
 * summed in f32, and weights, states, statistics and optimisers in f32.
 */
export type Precision = "float32" | "tf32" | "bfloat16";
export const PRECISIONS: readonly Precision[] = ["float32", "tf32", "bfloat16"];
export type TypedArray = Float32Array | Int32Array | Uint32Array | Uint16Array | Uint8Array;

/**
 * A dense row-major array in a device's memory. It belongs to whoever created it and is given back by `dispose`
 * (or by `using`); reading a disposed tensor is a DeviceError.
 */
export interface Tensor extends Disposable {
  readonly device: Device;
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** Number of elements. */
  readonly size: number;
  /** The same memory under another shape. The view shares ownership: the memory is freed with the last of them. */
  reshape(shape: readonly number[]): Tensor;
  dispose(): void;
}

/**
 * Where fused kernels run and dense math comes from. A device offers memory, fused kernels, dense math and time,
 * and nothing else: `nn/` never asks which device it has.
 */
export interface Device {
  /** What `openDevice` takes: "cpu", "webgpu", "cuda:0". */
  readonly name: string;
  /** For people: instruction set, adapter, number of threads; whether it was chosen by "auto". */
  readonly description: string;
  /** How it rounds: devices of equal arithmetic give the same results, bit for bit. */
  readonly arithmetic: string;

  /** Memory with unspecified contents. */
  empty(shape: readonly number[], dtype?: DType): Tensor;
  zeros(shape: readonly number[], dtype?: DType): Tensor;
  /** Uploads `data`; its length must be the product of `shape`. */
  tensor(data: TypedArray, shape: readonly number[]): Tensor;
  write(tensor: Tensor, data: TypedArray): void;
  /** A copy of the contents, once all work queued before it is done. */
  read(tensor: Tensor): Promise<TypedArray>;
  /** To a tensor of as many elements. Of elements of 4 bytes, with `at`: to the elements from `at` on of a larger tensor, or from those of a larger one. */
  copy(source: Tensor, target: Tensor, at?: number): void;
  readonly bytesInUse: number;

  /** Compiles a plan (cached by its content). */
  kernel(plan: Plan): FusedKernel;
  /** Dense math in f32: `denseFor("float32")`. */
  readonly dense: DenseMath;
  /** Dense math of a precision. @throws DeviceError if the device has no such arithmetic. */
  denseFor(precision: Precision): DenseMath;

  /**
   * Records what `work` queues, without running it, to be launched again as a whole; absent where the device cannot. Tensors that `work` makes and leaves alive
   * hold what a launch wrote until the next launch of a graph that shares the memory. Run `work` once before, so that its kernels are compiled.
   * @throws DeviceError if something in it cannot be recorded, such as uploads and reads; and what `work` throws
   */
  capture?(work: () => void, options?: CaptureOptions): Graph;

  /** Resolves when all queued work is done. */
  synchronize(): Promise<void>;
  /** Milliseconds spent so far in each kind of work; differences of two readings give a profile. */
  readonly time: Readonly<TimeShare>;
  /** How it uses memory besides the tensors that it is asked for. Default: not at all. */
  readonly allocation?: Allocation;
  dispose(): Promise<void>;
}

/** How a device uses memory, for plans of it that are made before anything runs. */
export interface Allocation {
  /** Bytes that there are for tensors, as far as anybody knows. */
  readonly bytesTotal?: number;
  /** Bytes of the block in which a tensor of so many lies. */
  blockBytes(bytes: number): number;
  /** Bytes, at most, that the operations hold while they run besides their arguments and results. An operation that is not here holds none. */
  readonly workspace: Workspace;
}

/** By operation of dense math, of its arguments; `fused`: of a launch of a fused kernel. */
export type Workspace = { readonly [K in keyof DenseMath]?: (...args: Parameters<DenseMath[K]>) => number } & {
  readonly fused?: (plan: Plan, direction: "forward" | "backward", launch: Launch) => number;
};

/** What `devices` tells of a device. */
export interface DeviceListing {
  /** What `openDevice` takes. */
  name: string;
  /** For people. */
  description: string;
}

/** Recorded work, to be launched again as a whole at the host's cost of one launch. */
export interface Graph extends Disposable {
  /** Queues the work again, on the same tensors. @throws DeviceError once it is disposed. */
  launch(): void;
  dispose(): void;
}

export interface CaptureOptions {
  /** A graph whose temporary memory this one uses too: what one leaves there is gone with the next launch of the other. Default: memory of its own. */
  sharing?: Graph;
}

export const deviceKind = withMethods('a device: await openDevice("cpu")', "kernel", "empty", "read");
export const tensorKind = withMethods("a tensor: device.tensor(data, shape)", "reshape", "dispose");

export interface TimeShare {
  /** Matrix products and convolutions. */
  dense: number;
  /** Fused neuron kernels. */
  neuron: number;
  /** Pooling, statistics, losses, optimisers, copies. */
  rest: number;
}

/** One launch of a fused kernel: tensors by the names that the plan gives them. */
export interface Launch {
  /** T. */
  steps: number;
  /** Neurons, all samples and channels together. */
  size: number;
  /** Values of a per-channel input; neuron n belongs to channel n mod `channels`. Default: `size`. */
  channels?: number;
  /** Named buffers: inputs, outputs and gradients, as listed in `plan.forward.buffers` or `plan.backward.buffers`. */
  buffers: Record<string, Tensor>;
}

export interface FusedKernel {
  readonly plan: Plan;
  forward(launch: Launch): void;
  backward(launch: Launch): void;
}

export interface Window2d {
  /** Height and width of the window. */
  size: readonly [number, number];
  stride: readonly [number, number];
  /** Zeros added on each side (height, width). */
  padding: readonly [number, number];
  /** Distance of the pixels that a convolution's window sees (height, width). Poolings have none. Default: [1, 1]. */
  dilation?: readonly [number, number];
}

/**
 * Dense math with its backward passes. Activations are channels-last and arrive with their leading axes merged:
 * [M, C] or [M, H, W, C] with M = T·B. Every result is a new tensor, owned by the caller. Where the device computes in bfloat16, activations and their
 * gradients may be of f32 or bf16, and so is what is made of them: y, dx, z and pooled images are of the type of `x` (average pooling's dx of that of dy). All else is f32: weights, biases and
 * their gradients, moments, sums, coefficients, losses. Sums are taken in f32; the dw of a convolution in bfloat16 is rounded to bf16 before it is f32.
 * Zeros in `x` are skipped where that pays (spikes are mostly zero); the result is the same for any values.
 */
export interface DenseMath {
  /** y [M, N] = x [M, K] · w [K, N] + bias [N]. */
  linear(x: Tensor, w: Tensor, bias?: Tensor): Tensor;
  /** dx [M, K] unless `needInput` is false, dw [K, N] = xᵀ·dy, db [N] if `needBias`. */
  linearBackward(x: Tensor, w: Tensor, dy: Tensor, need: { input: boolean; bias: boolean }): { dx?: Tensor; dw: Tensor; db?: Tensor };

  /**
   * x [M, H, W, C], w [kh, kw, C/groups, O], bias [O] → [M, H', W', O]; `window.size` is [kh, kw]. With groups, C and O fall into as many equal runs of channels,
   * and each run of O sees the run of C in its place.
   */
  conv2d(x: Tensor, w: Tensor, bias: Tensor | undefined, window: Window2d): Tensor;
  conv2dBackward(x: Tensor, w: Tensor, dy: Tensor, window: Window2d, need: { input: boolean; bias: boolean }): { dx?: Tensor; dw: Tensor; db?: Tensor };

  /** Padding counts as −∞ for the maximum. A tie belongs to the first position in row-major order. */
  maxPool2d(x: Tensor, window: Window2d): Tensor;
  maxPool2dBackward(x: Tensor, dy: Tensor, window: Window2d): Tensor;
  /** The mean over the window, zeros of the padding counted (PyTorch's default). */
  avgPool2d(x: Tensor, window: Window2d): Tensor;
  avgPool2dBackward(xShape: readonly number[], dy: Tensor, window: Window2d): Tensor;

  /** Mean and biased variance of each channel of x [..., C], over all other axes. */
  channelMoments(x: Tensor): { mean: Tensor; variance: Tensor };
  /** Σ over all axes but the last: [..., C] → [C]. */
  channelSums(x: Tensor): Tensor;
  /** Σ x·y over all axes but the last: [..., C] → [C]. */
  channelDots(x: Tensor, y: Tensor): Tensor;
  /** a_c·x + b_c, and with `y` and `d`: a_c·x + d_c·y + b_c. Shapes [..., C] and [C]. */
  channelAffine(x: Tensor, a: Tensor, b: Tensor, y?: Tensor, d?: Tensor): Tensor;

  /**
   * Of x [M, S, C], whose channels fall into as many equal runs as `groups` says: y = (x − mean)/√(variance + eps), of x's type, with mean and biased variance of each run over all S; and
   * scale [M, groups] = 1/√(variance + eps).
   */
  groupNorm(x: Tensor, groups: number, eps: number): { y: Tensor; scale: Tensor };
  /** dx = scale·(dy − mean(dy) − y·mean(dy·y)), the means of each run over all S, of dy's type. */
  groupNormBackward(y: Tensor, scale: Tensor, dy: Tensor): Tensor;

  /** The same values as another type, bf16 rounded to nearest even. */
  cast(x: Tensor, dtype: "f32" | "bf16"): Tensor;
  /** Spikes, 0 or 1, as bits: whether element i is nonzero is bit i mod 32 of word ⌊i/32⌋, u32 [⌈size/32⌉]. */
  packSpikes(x: Tensor): Tensor;
  /** The spikes of such bits, 0 or 1, as a tensor of that shape. Default: f32. */
  unpackSpikes(bits: Tensor, shape: readonly number[], dtype?: "f32" | "bf16"): Tensor;
  /** Σ over the first axis: [T, ...] → [...], times `scale`; f32. */
  sumFirst(x: Tensor, scale: number): Tensor;
  /** x [T, ...] times a factor for each t, factors [T]. */
  scaleFirst(x: Tensor, factors: Tensor): Tensor;
  /** Σ x·y over all axes but the first: [T, ...] → [T]; f32. */
  dotsFirst(x: Tensor, y: Tensor): Tensor;
  /** [...] → [T, ...]: `x` times `scale`, repeated. */
  repeatFirst(x: Tensor, times: number, scale: number): Tensor;
  /** x + y, same shape. */
  add(x: Tensor, y: Tensor): Tensor;
  /** y += scale · x, same shape; each of its own type. */
  addInto(y: Tensor, x: Tensor, scale: number): void;
  /** Multiplies in place. */
  scale(x: Tensor, factor: number): void;
  /** Σ x² over all elements of all tensors as one f32 value, shape [1]: for gradient clipping, and to find what is not finite. */
  sumOfSquares(...tensors: Tensor[]): Tensor;

  /**
   * Mean cross-entropy of softmax(logits) [M, K] against labels i32 [M]:
   * loss [1], gradient of the loss [M, K], and how many rows have their largest logit at the label: correct [1] (as f32).
   * With `weights` [M] the loss is Σ weight · loss over the rows, and `correct` Σ weight over those that are right. A row of weight 0 counts for nothing, whatever is in it; its label may be any.
   */
  softmaxCrossEntropy(logits: Tensor, labels: Tensor, weights?: Tensor): { loss: Tensor; gradient: Tensor; correct: Tensor };
  /**
   * Mean squared error of x [M, K] against target [M, K]: loss [1] and its gradient [M, K]. With `weights` [M] the loss is Σ weight · (mean squared error of the row); a row of weight 0 counts for
   * nothing, whatever is in it.
   */
  meanSquaredError(x: Tensor, target: Tensor, weights?: Tensor): { loss: Tensor; gradient: Tensor };
}
