import { type ImageDataset, isFloat } from "../data/dataset.ts";
import { type Dataset, isSequences } from "../data/sequences.ts";
import { constant, poissonRate } from "../data/encode.ts";
import { OptionError } from "../errors.ts";
import type { Model } from "../nn/model.ts";
import { structureOf } from "../nn/structure.ts";
import { fnv1a } from "../fnv.ts";
import type { Loss } from "./loss.ts";
import type { Regularizer } from "./regularizer.ts";
import type { Setup } from "./manifest.ts";
import type { OptimizerRun } from "./optimizer.ts";
import type { Schedule } from "./schedule.ts";
import type { AllowedChange, FitOptions } from "./trainerOptions.ts";

/** What a trainer trains, and how. */
interface Training {
  readonly model: Model;
  readonly optimizer: OptimizerRun;
  readonly loss: Loss;
  readonly regularizers: readonly Regularizer[];
  readonly schedule: Schedule;
  readonly seed: number;
  readonly clipNorm: number | undefined;
}

/**
 * What the course of a training depends on, for comparison when it is resumed. Of functions (encoders, augmentation) the name and the source are known, not the
 * variables that they close over; of sequences, which may lie on a disk, the labels and lengths; of losses and schedules name and options.
 */
export function describeSetup({ model, optimizer: run, loss, regularizers, schedule, seed, clipNorm }: Training, dataset: Dataset, options: FitOptions<((...given: never[]) => void) | undefined>): Setup {
  const { optimizer, groups } = run;
  const { epochs, totalEpochs = epochs, restartSchedule, batchSize = 128, encoder = constant, normalize, augment, earlyStopping } = options;
  const setup: Record<string, string | number | boolean | undefined> = {
    dataset: isSequences(dataset) ? `${dataset.name}, ${dataset.count} sequences of steps [${dataset.shape.join(", ")}], checksum ${fnv1a(bytesOf(dataset.labels)) + fnv1a(bytesOf(dataset.lengths))}`
      : `${dataset.name}, ${dataset.count} images, checksum ${checksum(dataset)}`,
    bucket: options.bucket || undefined,
    padTo: options.padTo,
    steps: model.steps,
    ...Object.fromEntries(structureOf(model, { training: true }).map((line, i) => [`network, line ${i + 1}`, line])),
    precision: model.precision === "float32" ? undefined : model.precision,
    [ARITHMETIC]: model.device.arithmetic,
    seed,
    batchSize,
    epochs: schedule.usesTotal ? totalEpochs : undefined,
    restartSchedule: restartSchedule || undefined,
    [ENCODER]: describeFunction(encoder),
    normalize: normalize && JSON.stringify(normalize),
    [AUGMENT]: augment && describeFunction(augment),
    ...named("optimizer", optimizer),
    ...named("schedule", schedule),
    ...named("loss", loss),
    groups: groups.length > 0 ? JSON.stringify(groups) : undefined,
    clipNorm,
    regularizers: regularizers.length > 0 ? JSON.stringify(regularizers.map(({ name, options }) => [name, options])) : undefined,
    earlyStopping: earlyStopping && JSON.stringify(earlyStopping),
  };
  return Object.fromEntries(Object.entries(setup).filter((entry): entry is [string, string | number | boolean] => entry[1] !== undefined));
}

const ARITHMETIC = "the device's arithmetic";
const ENCODER = "encoder";
const AUGMENT = "augment";

const allowedBy: Readonly<Record<string, AllowedChange>> = { [ARITHMETIC]: "arithmetic", [ENCODER]: "functions", [AUGMENT]: "functions" };

/**
 * @throws OptionError, naming the first difference that is not allowed, if a run began under another setup.
 */
export function checkSetup(stored: Setup, current: Setup, allowed: readonly AllowedChange[], fileName: string): void {
  for (const name of new Set([...Object.keys(current), ...Object.keys(stored)])) {
    if (stored[name] === current[name] || allowed.includes(allowedBy[name])) continue;
    throw new OptionError(
      `${fileName}: ${name} was ${JSON.stringify(stored[name]) ?? "not set"}, now it is ${JSON.stringify(current[name]) ?? "not set"}: ` +
        `a run resumes only as it began; give the same options, or start a new run${Object.hasOwn(allowedBy, name) ? `, or allow it (${howToAllow[allowedBy[name]]})` : ""}`,
    );
  }
}

const howToAllow: Readonly<Record<AllowedChange, string>> = {
  arithmetic: 'allowChanged: ["arithmetic"]; --any-device of the command',
  functions: 'allowChanged: ["functions"]',
};

const named = (what: string, { name, options }: { name: string; options: Readonly<Record<string, string | number | boolean>> }): Setup => ({
  [what]: name,
  ...Object.fromEntries(Object.entries(options).map(([option, value]) => [`${what}.${option}`, value])),
});

/** The library's own go by their names: their source changes with its version and its build. */
const builtIn: readonly unknown[] = [constant, poissonRate];

function describeFunction(given: { readonly name: string }): string {
  const name = given.name || "unnamed";
  return builtIn.includes(given) ? name : `${name}, source ${fnv1a(new TextEncoder().encode(String(given).replaceAll(/\s+/g, " ")))}`;
}

/** Of the labels and of some of the pixels: tells data sets apart, cheaply. */
function checksum({ labels, images }: ImageDataset): string {
  const sample = Array.from({ length: Math.ceil(images.length / PIXEL_STRIDE) }, (_, i) => images[i * PIXEL_STRIDE]);
  return fnv1a(bytesOf(labels)) + fnv1a(isFloat(images) ? bytesOf(Float32Array.from(sample)) : Uint8Array.from(sample));
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength);

/** Coprime to the usual widths of images. */
const PIXEL_STRIDE = 31;
