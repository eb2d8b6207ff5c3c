import type { RandomState } from "../data/random.ts";
import { FileFormatError } from "../errors.ts";
import type { EarlyStoppingState } from "./earlyStopping.ts";
import type { EpochMetrics, History } from "./history.ts";
import { decodeSafetensors, encodeSafetensors, type NamedTensor } from "./safetensors.ts";
import type { ScheduleState } from "./schedule.ts";
import { describeKind } from "./weights.ts";

/** How far a training has come. */
export interface TrainingPosition {
  /** Updates done since training began. */
  step: number;
  /** Updates that the optimiser counts; more than `step` if it had trained before. */
  updates: number;
  /** Epochs done whole, evaluation included. */
  epoch: number;
  /** Batches done of the epoch under way; all of them: only its evaluation is left. */
  batch: number;
  /** Sums over the epoch under way. */
  lossSum: number;
  correct: number;
  samples: number;
  seconds: number;
  penaltySum?: number;
}

/** Everything a training needs to go on as if nothing had happened. */
export interface Checkpoint {
  position: TrainingPosition;
  random: RandomState;
  history: History;
  /** Parameters and running statistics. */
  model: Record<string, NamedTensor>;
  /** The optimiser's slots, "slot.parameter". */
  optimizer: Record<string, NamedTensor>;
  /** What the schedule remembers. */
  schedule?: ScheduleState;
  earlyStopping?: EarlyStoppingState;
  /** The model of the best epoch, where it is to be taken back. */
  best?: Record<string, NamedTensor>;
}

const FORMAT = "spikefold-checkpoint";
const VERSION = "2";
const positionNames = ["step", "updates", "epoch", "batch", "lossSum", "correct", "samples", "seconds"] as const;
const epochNames = ["epoch", "trainLoss", "trainAccuracy", "seconds", "samplesPerSecond"] as const;

/** One safetensors file: tensors model.*, optimizer.* and history.*, the rest as JSON in its metadata. */
export function encodeCheckpoint({ position, random, history, model, optimizer, schedule, earlyStopping, best = {} }: Checkpoint): Uint8Array {
  const series = (values: number[]): NamedTensor => ({ shape: [values.length], data: Float32Array.from(values) });
  return encodeSafetensors(
    {
      ...prefixed("model", model),
      ...prefixed("optimizer", optimizer),
      ...prefixed("best", best),
      "history.loss": series(history.steps.map(({ loss }) => loss)),
      "history.accuracy": series(history.steps.map(({ accuracy }) => accuracy)),
      ...(history.steps.some(({ penalty }) => penalty !== undefined) ? { "history.penalty": series(history.steps.map(({ penalty = 0 }) => penalty)) } : {}),
    },
    { format: FORMAT, version: VERSION, training: JSON.stringify({ position, random, epochs: history.epochs, schedule, earlyStopping }) },
  );
}

/** @throws FileFormatError, naming the file and what is wrong, for anything but a whole checkpoint of this version. */
export function decodeCheckpoint(bytes: Uint8Array, fileName: string): Checkpoint {
  const fail = (problem: string): never => {
    throw new FileFormatError(`${fileName}: ${problem}; expected a checkpoint of Spikefold`);
  };
  const { tensors, metadata } = decodeSafetensors(bytes, fileName);
  if (metadata.format !== FORMAT || metadata.version !== VERSION) {
    return fail(`the metadata say ${describeKind(metadata)}, not ${FORMAT}, version ${VERSION}`);
  }
  const training = parseObject(metadata.training) ?? fail("the metadata's training is no JSON object");
  const { position, random, epochs, schedule, earlyStopping } = training;
  if (!isRecord(position)) return fail("training.position is no object");
  for (const name of positionNames) if (!isAmount(position[name])) fail(`training.position.${name} is ${JSON.stringify(position[name])}, not a number ≥ 0`);
  if (position.penaltySum !== undefined && !isAmount(position.penaltySum)) fail(`training.position.penaltySum is ${JSON.stringify(position.penaltySum)}, not a number ≥ 0`);
  for (const name of ["step", "updates", "epoch", "batch"]) if (!Number.isSafeInteger(position[name])) fail(`training.position.${name} is not an integer`);
  if (!Array.isArray(epochs) || !epochs.every((epoch) => isRecord(epoch) && epochNames.every((name) => isAmount(epoch[name])))) return fail("training.epochs is no list of epochs");
  for (const [name, state] of Object.entries({ schedule, earlyStopping })) {
    if (state !== undefined && !(isRecord(state) && Object.values(state).every((value) => Number.isFinite(value)))) fail(`training.${name} is ${JSON.stringify(state)}, no object of numbers`);
  }
  if (earlyStopping !== undefined && !isAmount((earlyStopping as Record<string, unknown>).bad)) fail("training.earlyStopping.bad is missing");
  const best = unprefixed("best", tensors);
  const [loss, accuracy] = ["loss", "accuracy"].map((name) => tensors[`history.${name}`]?.data ?? fail(`tensor history.${name} is missing`));
  const penalty = tensors["history.penalty"]?.data;
  if (penalty && penalty.length !== position.step) fail(`the history has ${penalty.length} penalties, the position says ${position.step}`);
  if (loss.length !== position.step || accuracy.length !== position.step) fail(`the history has ${loss.length} steps, the position says ${position.step}`);
  if (epochs.length !== position.epoch) fail(`the history has ${epochs.length} epochs, the position says ${position.epoch}`);
  return {
    position: position as unknown as TrainingPosition,
    random: random as RandomState,
    history: { epochs: epochs as EpochMetrics[], steps: [...loss].map((value, i) => ({ step: i + 1, loss: value, accuracy: accuracy[i], ...(penalty ? { penalty: penalty[i] } : {}) })) },
    model: unprefixed("model", tensors),
    optimizer: unprefixed("optimizer", tensors),
    schedule: schedule as ScheduleState | undefined,
    earlyStopping: earlyStopping as EarlyStoppingState | undefined,
    best: Object.keys(best).length > 0 ? best : undefined,
  };
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);
const isAmount = (value: unknown): boolean => typeof value === "number" && Number.isFinite(value) && value >= 0;

function parseObject(text: string | undefined): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text ?? "");
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const prefixed = (prefix: string, tensors: Record<string, NamedTensor>): Record<string, NamedTensor> =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [`${prefix}.${name}`, tensor]));

const unprefixed = (prefix: string, tensors: Record<string, NamedTensor>): Record<string, NamedTensor> =>
  Object.fromEntries(Object.entries(tensors).flatMap(([name, tensor]) => (name.startsWith(`${prefix}.`) ? [[name.slice(prefix.length + 1), tensor]] : [])));
