import "../dispose.ts";
import type { Tensor } from "../device/device.ts";
import { slice } from "../device/tensor.ts";
import type { Parameter } from "../nn/layer.ts";
import type { Learnable } from "../nn/operation.ts";
import type { Pending, ProcessGroup } from "../parallel/group.ts";

/** Bytes of gradients that are sent together, unless asked otherwise: enough for a link to be busy, few enough that most are on their way before the backward pass ends. */
export const BUCKET_BYTES = 4 << 20;

/** Elements at whose multiples a gradient begins in its bucket: kernels read 16 bytes at a time. */
const ALIGNMENT = 64;

/**
 * Sums the gradients of one backward pass over all ranks. They are collected in the order in which they become final, which is the same on all ranks, and a bucket of them is sent while the
 * backward pass goes on.
 */
export class GradientBuckets {
  readonly #group: ProcessGroup;
  readonly #bytes: number;
  /** Those that are yet to come. */
  readonly #left: Set<Parameter>;
  /** What is under way, with the buckets, which must last until then. */
  readonly #pending: { pending: Pending; bucket: Tensor | undefined }[] = [];
  #bucket: Parameter[] = [];
  #filled = 0;

  constructor(group: ProcessGroup, parameters: readonly Parameter[], bytes: number) {
    this.#group = group;
    this.#bytes = bytes;
    this.#left = new Set(parameters);
  }

  /** For a tape: the gradient of a parameter is final. */
  readonly add = (learnable: Learnable): void => {
    const parameter = learnable as Parameter;
    if (!this.#left.delete(parameter) || !parameter.gradient) return;
    const bytes = 4 * parameter.gradient.size;
    if (bytes >= this.#bytes) return this.#begin(parameter.gradient);
    this.#bucket.push(parameter);
    this.#filled += bytes;
    if (this.#filled >= this.#bytes) this.#send();
  };

  /** Sends what is left. From here on the gradients are those of all ranks. */
  join(): void {
    for (const parameter of this.#left) this.add(parameter);
    this.#send();
    for (const { pending, bucket } of this.#pending.splice(0)) {
      pending.join();
      bucket?.dispose();
    }
  }

  /** What a pass that failed leaves. */
  dispose(): void {
    for (const { bucket } of this.#pending.splice(0)) bucket?.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Moves the gradients into one tensor, of which they are parts from then on. */
  #send(): void {
    const parameters = this.#bucket;
    this.#bucket = [];
    this.#filled = 0;
    if (parameters.length < 2) {
      for (const { gradient } of parameters) this.#begin(gradient!);
      return;
    }
    const { device } = parameters[0].value;
    const begins: number[] = [];
    let size = 0;
    for (const { value } of parameters) {
      begins.push(size);
      size += Math.ceil(value.size / ALIGNMENT) * ALIGNMENT;
    }
    const bucket = device.zeros([size]);
    parameters.forEach((parameter, i) => {
      using own = parameter.gradient!;
      device.copy(own, bucket, begins[i]);
      parameter.gradient = slice(bucket, begins[i], own.shape);
    });
    this.#begin(bucket, bucket);
  }

  #begin(tensor: Tensor, bucket?: Tensor): void {
    this.#pending.push({ pending: this.#group.allReduce(tensor), bucket });
  }
}
