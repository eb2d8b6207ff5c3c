export {
  type Augmentation,
  type Batch,
  BatchLoader,
  type BatchLoaderOptions,
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
export { type SensorName } from "./events/aedatHeader.ts";
export { type Events } from "./events/events.ts";
export { writeNmnist } from "./events/nmnist.ts";
export { type EventFormat, type ReadEventsOptions, readEvents } from "./events/read.ts";
export { type IdxArray, type NamedBytes, parseIdx } from "./idx.ts";
export { type ImageFiles, type MnistOptions, loadFashionMnist, loadMnist, parseImages } from "./mnist.ts";
export { Random, type RandomState } from "./random.ts";
export { type ArraySequencesOptions, type Dataset, type SequenceArray, type SequenceDataset, arraySequences, checkSequences } from "./sequences.ts";
export { type SequenceAugmentation, type SequenceBatch, SequenceLoader, type SequenceLoaderOptions } from "./sequenceLoader.ts";
