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
export * from "./parallel/index.ts";
export * from "./nn/index.ts";
export * as encode from "./data/encode.ts";
export * as transform from "./data/events/transforms.ts";
export {
  arraySequences, BatchLoader, checkDataset, checkSequences, imageSequences, loadCifar10Dvs, loadDvsGesture, loadFashionMnist, loadMnist, loadNmnist, loadShd, loadSsc, parseIdx, parseImages,
  randman, Random, readEvents, SequenceLoader, toFrames, toTimesurface, toVoxelGrid, writeNmnist,
} from "./data/index.ts";
export type {
  ArraySequencesOptions, Augmentation, Batch, BatchLoaderOptions, BatchPart, BatchPosition, ByteDataset, CachedDataset, CachedOptions, CenterCropOptions, CropTimeOptions, Dataset,
  DenoiseOptions, DownsampleOptions, DropEventByAreaOptions, DropEventByTimeOptions, DropEventOptions, Encoded, Encoder, EventDatasetOptions, EventFormat, Events, EventTransform,
  FixedTransform, FlipOptions, FrameOptions, Frames, HeidelbergOptions, IdxArray, ImageArray, ImageDataset, ImageFiles, ImageSequencesOptions, LabelArray, LatencyOptions, MnistOptions, NamedBytes,
  Normalization, PoissonRateOptions, RandmanOptions, RandomCropOptions, RandomState, Range, ReadEventsOptions, RefractoryPeriodOptions, SensorName, SequenceArray,
  SequenceAugmentation, SequenceBatch, SequenceDataset, SequenceLoaderOptions, SpatialJitterOptions, TimeJitterOptions, TimeSkewOptions, TimesurfaceOptions, UniformNoiseOptions,
  VoxelGridOptions,
} from "./data/index.ts";
export { measureLink } from "./parallel/link.ts";
export { planParallel } from "./parallel/plan.ts";
export type { ParallelPlan, ParallelPlanOptions, ParallelPrediction } from "./parallel/plan.ts";
export type { ParallelBound, ParallelScheme, SimulatedStep } from "./parallel/schemes.ts";
export type { ParallelCluster, ParallelLink, ParallelStage, ParallelWorkload } from "./parallel/workload.ts";
export * from "./train/index.ts";
export * from "./formats/index.ts";
