import type { Failure, OpenedDevice } from "../compute/protocol.ts";
import type { TrainSettings } from "./settings.ts";

/** What the page asks of the worker. */
export type ToWorker =
  /** Trains from the first weights on, or from those of a file; `data` is the URL of the directory with MNIST's files. */
  | { kind: "start"; settings: TrainSettings; data: string; weights: WeightsFile | null; run: boolean }
  /** Goes on after a pause, or trains the same network for as many epochs again. */
  | { kind: "continue" }
  | { kind: "pause" }
  | { kind: "look"; image: ImageSource }
  | { kind: "save" };

export interface WeightsFile {
  bytes: Uint8Array;
  name: string;
}

/** An image of the test set by its position, or 784 pixels, 0 … 255. */
export type ImageSource = number | Uint8Array;

/** What the worker tells. */
export type FromWorker =
  | { kind: "status"; text: string }
  | { kind: "ready"; device: OpenedDevice; parameters: number; trainImages: number; testImages: number; neuron: string }
  | Progress
  | { kind: "checked"; step: number; accuracy: number; images: number; rates: LayerRate[] }
  | { kind: "state"; state: "running" | "paused" | "finished" | "loaded" }
  | Look
  /** What `save` asked for, or a copy that the worker sends from time to time, so that the work outlives it. */
  | ({ kind: "saved" | "kept" } & WeightsFile)
  /** `fatal`: the worker is of no use any more. */
  | ({ kind: "failed"; fatal: boolean } & Failure);

export interface Progress {
  kind: "progress";
  /** Since the last message, in order. */
  steps: { step: number; loss: number; accuracy: number }[];
  totalSteps: number;
  epoch: number;
  samplesPerSecond: number;
}

export interface LayerRate {
  layer: string;
  /** Spikes per neuron and step. */
  rate: number;
}

/** One image's way through the network. */
export interface Look {
  kind: "look";
  image: Uint8Array;
  /** Of a test image. */
  label: number | null;
  /** T */
  steps: number;
  layers: LayerSpikes[];
  /** Spikes of each output neuron, in all T steps: the class of the most is the answer. */
  counts: Uint16Array;
  milliseconds: number;
}

export interface LayerSpikes {
  layer: string;
  /** Without time and batch: [256] or [28, 28, 8]. */
  shape: readonly number[];
  /** Positions of the shown neurons in the layer. */
  shown: number[];
  /** [T, shown] */
  spikes: Uint8Array;
  /** Spikes per neuron and step, over all of the layer's neurons. */
  rate: number;
  /** Of a layer with height, width and channels: spikes of each neuron, [H, W, C]; else null. */
  counts: Uint8Array | null;
}
