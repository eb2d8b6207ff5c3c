import { checkArgument, checkOptions, type OptionKinds, positive, required, text } from "../../check.ts";
import { OptionError } from "../../errors.ts";
import { type Model, modelKind } from "../../nn/model.ts";
import { writeFileAtomic } from "../../train/atomic.ts";
import { fromShape } from "./layout.ts";
import { type H5wasm, h5wasmKind, writeTree } from "./tree.ts";
import { writeLayer } from "./writers.ts";
import { integers, Wiring } from "./wiring.ts";

export interface ExportNirOptions {
  /** Seconds of a time step: time constants are dt/(1 − decay). */
  dt: number;
  /** The package h5wasm, for bundlers that must see what they take along. Default: it is imported. */
  h5wasm?: H5wasm;
}

export interface ExportedNir {
  bytes: Uint8Array;
  /** For people: what NIR does not say, and stands in the file's metadata alone. */
  rules: readonly string[];
}

const OPTIONS: OptionKinds<ExportNirOptions> = { dt: required(positive), h5wasm: h5wasmKind };

/**
 * A model as a graph of NIR 1.0.7 (`importNir`), in the bytes of its file. Batch norms are folded into the weights before them, dropout is left out. How a spike resets, surrogate gradients,
 * refractory periods, the read-out, and each neuron's step to the bit stand in the metadata, from which `importNir` with the same dt makes a model with the same spikes.
 * @throws OptionError, naming the layer, for layers and neurons that NIR has no node for, and for options that are missing or out of range; FileFormatError if h5wasm is not installed
 */
export async function encodeNir(model: Model, options: ExportNirOptions): Promise<ExportedNir> {
  checkArgument("encodeNir", "model", model, modelKind);
  checkOptions("encodeNir", options, OPTIONS);
  return encode(model, options);
}

/**
 * `encodeNir` into a file, which is replaced once all is written.
 * @throws what `encodeNir` does, and the system's error if the file cannot be written
 */
export async function exportNir(model: Model, path: string, options: ExportNirOptions): Promise<ExportedNir> {
  checkArgument("exportNir", "model", model, modelKind);
  checkArgument("exportNir", "path", path, text);
  checkOptions("exportNir", options, OPTIONS);
  const exported = await encode(model, options);
  await writeFileAtomic(path, exported.bytes);
  return exported;
}

async function encode(model: Model, { dt, h5wasm }: ExportNirOptions): Promise<ExportedNir> {
  const { body, inputShape } = model;
  if (inputShape.length > 3) throw new OptionError(`exportNir: the model's input has the shape [${inputShape.join(", ")}]: NIR has [N], [C, L] and [C, H, W]`);
  const wiring = new Wiring(dt);
  const signal = { shape: fromShape(inputShape) };
  const output = await writeLayer(wiring, body, wiring.add("input", "Input", { shape: integers(signal.shape) }, signal));
  return { bytes: await writeTree(wiring.tree(output), h5wasm), rules: wiring.rules };
}
