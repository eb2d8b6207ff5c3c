/** How many values a buffer has at one time step: one per neuron, per channel (neuron n belongs to channel n mod C), or one for the layer. */
export type Extent = "neuron" | "channel" | "layer";

/** What a buffer holds: values of an extent, or a matrix [C, C] over the channels, row-major. */
export type BufferExtent = Extent | "matrix";

/** Spikes as 32-bit or 16-bit floats, bytes, or bits (32 steps of one neuron in one u32, step t in bit t mod 32). */
export type SpikeFormat = "f32" | "f16" | "bf16" | "u8" | "bits";

/** Whether an input changes from step to step ([T, size]) or is the same at all steps (time stride 0: [size]). */
export type TimeLayout = "varying" | "constant";

export interface BufferSpec {
  readonly name: string;
  readonly direction: "in" | "out";
  /** `checkpoint`: the states before steps K, 2K, …: [⌈T/K⌉ − 1, size]. */
  readonly time: TimeLayout | "checkpoint";
  readonly extent: BufferExtent;
  readonly format: SpikeFormat;
  /** The kernel writes one partial sum per neuron; a second pass adds those of a channel or layer in a fixed order. */
  readonly reduce?: boolean;
}
