export {
  type Augmentation,
  type Batch,
  BatchLoader,
  type BatchLoaderOptions,
  type BatchPart,
  type BatchPosition,
  type Normalization,
} from "./batches.ts";
export { type ByteDataset, type ImageArray, type ImageDataset, type LabelArray, checkDataset } from "./dataset.ts";
export {
  type Encoded,
  type Encoder,
  type LatencyOptions,
  type PoissonRateOptions,
  constant,
  latency,
  poissonRate,
} from "./encode.ts";
export { loadCifar10Dvs } from "./cifar10Dvs.ts";
export { loadDvsGesture } from "./dvsGesture.ts";
export { type SensorName } from "./events/aedatHeader.ts";
export { type Events } from "./events/events.ts";
export { type CachedDataset, type CachedOptions, type EventDatasetOptions } from "./events/dataset.ts";
export { type FrameOptions, type Frames, toFrames } from "./events/frames.ts";
export { writeNmnist } from "./events/nmnist.ts";
export { type EventFormat, type ReadEventsOptions, readEvents } from "./events/read.ts";
export { type TimesurfaceOptions, type VoxelGridOptions, toTimesurface, toVoxelGrid } from "./events/surfaces.ts";
export { type EventTransform, type FixedTransform, type Range } from "./events/transform.ts";
export type {
  CenterCropOptions, CropTimeOptions, DenoiseOptions, DownsampleOptions, DropEventByAreaOptions, DropEventByTimeOptions, DropEventOptions, FlipOptions, RandomCropOptions,
  RefractoryPeriodOptions, SpatialJitterOptions, TimeJitterOptions, TimeSkewOptions, UniformNoiseOptions,
} from "./events/transforms.ts";
export { type HeidelbergOptions, loadShd, loadSsc } from "./heidelberg.ts";
export { type IdxArray, type NamedBytes, parseIdx } from "./idx.ts";
export { type ImageFiles, type MnistOptions, loadFashionMnist, loadMnist, parseImages } from "./mnist.ts";
export { loadNmnist } from "./nmnist.ts";
export { type RandmanOptions, randman } from "./randman.ts";
export { Random, type RandomState } from "./random.ts";
export { imageSequences, type ImageSequencesOptions } from "./imageSequences.ts";
export { type ArraySequencesOptions, type Dataset, type SequenceArray, type SequenceDataset, arraySequences, checkSequences } from "./sequences.ts";
export { type SequenceAugmentation, type SequenceBatch, SequenceLoader, type SequenceLoaderOptions } from "./sequenceLoader.ts";
