/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Neurons, devices, layers, training: all but what the two other entries have.
 * @module spikefold
 */
export * from "./errors.ts";
export * from "./neuron/index.ts";
export { plan } from "./fusion/plan.ts";
export type { BackwardPlan, BufferSpec, Extent, ForwardPlan, Plan, PlanRequest, SpikeFormat, TimeLayout } from "./fusion/plan.ts";
export { describePlan } from "./fusion/print.ts";
export { emitCuda, emitWasm, emitWgsl } from "./codegen/emit.ts";
export type { EmitCudaOptions, EmitWgslOptions, KernelSources } from "./codegen/emit.ts";
export * from "./device/index.ts";
export * from "./nn/index.ts";
export * as encode from "./data/encode.ts";
export { arraySequences, BatchLoader, checkDataset, checkSequences, loadFashionMnist, loadMnist, parseIdx, parseImages, Random, readEvents, SequenceLoader, writeNmnist } from "./data/index.ts";
export type {
  ArraySequencesOptions, Augmentation, Batch, BatchLoaderOptions, BatchPosition, ByteDataset, Dataset, Encoded, Encoder, EventFormat, Events, IdxArray, ImageArray, ImageDataset, ImageFiles, LabelArray, LatencyOptions, MnistOptions, NamedBytes,
  Normalization, PoissonRateOptions, RandomState, ReadEventsOptions, SensorName, SequenceArray, SequenceAugmentation, SequenceBatch, SequenceDataset, SequenceLoaderOptions,
} from "./data/index.ts";
export * from "./train/index.ts";
