import type { Contestant, NeuronBench } from "../../../src/bench/neuron.ts";
import type { DeviceChoice, Failure, NeuronSource, OpenedDevice } from "../compute/protocol.ts";

export interface RaceRequest {
  device: DeviceChoice;
  neuron: NeuronSource;
  /** One race for each T. */
  steps: number[];
  neurons: number;
  repetitions: number;
  warmUp: number;
}

/** Milliseconds of all contestants in one repetition. */
export type Lap = Readonly<Record<Contestant, number>>;

export type FromWorker =
  | { kind: "status"; text: string }
  | { kind: "device"; device: OpenedDevice }
  | { kind: "lap"; steps: number; lap: Lap; round: number; repetitions: number }
  | { kind: "result"; bench: NeuronBench }
  | { kind: "done" }
  | ({ kind: "failed" } & Failure);
