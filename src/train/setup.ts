import { type ImageDataset, isFloat } from "../data/dataset.ts";
import { plan } from "../fusion/plan.ts";
import type { Layer } from "../nn/layer.ts";
import { leaves } from "../nn/model.ts";
import { Spiking } from "../nn/spiking.ts";
import type { Setup } from "./checkpoint.ts";
import type { FitOptions, Trainer } from "./trainer.ts";

/** What the course of a training depends on, for comparison when it is resumed. Functions are told apart by their names alone. */
export function describeSetup(trainer: Trainer, dataset: ImageDataset, options: FitOptions): Setup {
  const { model, loss, schedule, seed, clipNorm } = trainer;
  const { optimizer, groups } = trainer.optimizer;
  const layers = leaves(model.body);
  const { epochs, totalEpochs = epochs, restartSchedule, batchSize = 128, encoder, normalize, augment } = options;
  const setup: Record<string, string | number | boolean | undefined> = {
    dataset: `${dataset.name}, ${dataset.count} images, checksum ${checksum(dataset)}`,
    steps: model.steps,
    ...Object.fromEntries(layers.map((layer, i) => [`layer ${i + 1}`, describeLayer(layer)])),
    neurons: fingerprint(new TextEncoder().encode(layers.filter((layer) => layer instanceof Spiking).map(({ neuron }) => plan({ neuron, steps: 1, gradients: neuron.inputs }).key).join())),
    seed,
    batchSize,
    epochs: schedule.usesTotal ? totalEpochs : undefined,
    restartSchedule: restartSchedule || undefined,
    encoder: encoder?.name ?? "constant",
    normalize: normalize && JSON.stringify(normalize),
    augment: augment && (augment.name || "unnamed"),
    ...named("optimizer", optimizer),
    ...named("schedule", schedule),
    ...named("loss", loss),
    groups: groups.length > 0 ? JSON.stringify(groups) : undefined,
    clipNorm,
  };
  return Object.fromEntries(Object.entries(setup).filter((entry): entry is [string, string | number | boolean] => entry[1] !== undefined));
}

const named = (what: string, { name, options }: { name: string; options: Readonly<Record<string, string | number | boolean>> }): Setup => ({
  [what]: name,
  ...Object.fromEntries(Object.entries(options).map(([option, value]) => [`${what}.${option}`, value])),
});

const describeLayer = ({ name, outputShape, options }: Layer): string => `${name} → [${outputShape.join(", ")}], ${JSON.stringify(options)}`;

/** Of the labels and of some of the pixels: tells data sets apart, cheaply. */
function checksum({ labels, images }: ImageDataset): string {
  const sample = Array.from({ length: Math.ceil(images.length / PIXEL_STRIDE) }, (_, i) => images[i * PIXEL_STRIDE]);
  return fingerprint(bytesOf(labels)) + fingerprint(isFloat(images) ? bytesOf(Float32Array.from(sample)) : Uint8Array.from(sample));
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength);

/** Coprime to the usual widths of images. */
const PIXEL_STRIDE = 31;

/** FNV-1a (RFC 9923), 32 bits in hexadecimal. */
function fingerprint(bytes: Uint8Array): string {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}
