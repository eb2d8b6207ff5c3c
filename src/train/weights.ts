import { checkArgument, checkOptions, flag, instanceOf, kind, object, text } from "../check.ts";
import type { Tensor } from "../device/device.ts";
import { FileFormatError } from "../errors.ts";
import { type Model, modelKind } from "../nn/model.ts";
import { structureOf } from "../nn/structure.ts";
import { TrainingError } from "./error.ts";
import { describeFault, DIVERGED } from "./finite.ts";
import { fnv1a } from "../fnv.ts";
import { decodeSafetensors, encodeSafetensors, type NamedTensor } from "./safetensors.ts";

/** Parameters and running statistics by name. The tensors are the model's own. */
export function modelTensors(model: Model): Record<string, Tensor> {
  return Object.fromEntries([...model.parameters(), ...model.buffers()].map(({ name, value }) => [name, value]));
}

/**
 * Copies of device tensors, for a file.
 * @throws TrainingError if a value is NaN or infinite: what cannot be used later must not replace what can.
 */
export async function download(tensors: Record<string, Tensor>): Promise<Record<string, NamedTensor>> {
  const copies: Record<string, NamedTensor> = {};
  for (const [name, tensor] of Object.entries(tensors)) {
    const data = (await tensor.device.read(tensor)) as Float32Array;
    const fault = describeFault(name, data, tensor.shape);
    if (fault !== undefined) throw new TrainingError(`${fault}: nothing was saved. ${DIVERGED}`);
    copies[name] = { shape: [...tensor.shape], data };
  }
  return copies;
}

/**
 * Writes stored values into device tensors. Nothing is written unless everything fits.
 * @throws FileFormatError, naming the file and the tensor, if one is missing, unknown, of another shape or type, or has a value that is not finite.
 */
export function upload(stored: Record<string, NamedTensor>, targets: Record<string, Tensor>, fileName: string): void {
  const fail = (problem: string): never => {
    throw new FileFormatError(`${fileName}: ${problem}; it was written by another model`);
  };
  for (const [name, target] of Object.entries(targets)) {
    const found = stored[name];
    if (!found) return fail(`tensor ${name} is missing`);
    if (found.shape.length !== target.shape.length || found.shape.some((length, i) => length !== target.shape[i])) {
      fail(`tensor ${name} has the shape [${found.shape.join(", ")}], expected [${target.shape.join(", ")}]`);
    }
    if (!(found.data instanceof Float32Array)) return fail(`tensor ${name} is not of F32`);
    const fault = describeFault(name, found.data, found.shape);
    if (fault !== undefined) throw new FileFormatError(`${fileName}: ${fault}: expected finite values; weights that are not are of no use`);
  }
  const unknown = Object.keys(stored).find((name) => !(name in targets));
  if (unknown !== undefined) fail(`tensor ${unknown} is unknown here`);
  for (const [name, target] of Object.entries(targets)) target.device.write(target, stored[name].data as Float32Array);
}

const FORMAT = "spikefold-model";
const VERSION = "1";

/**
 * A model's weights and running statistics as a safetensors file, with a checksum and what the model computes (`structureOf`).
 * @param notes kept in the file's metadata, for `modelNotes`: what the model is, how it was trained
 * @throws TrainingError if a weight is not finite.
 */
export async function encodeModel(model: Model, notes: Readonly<Record<string, string>> = {}): Promise<Uint8Array> {
  checkArgument("encodeModel", "model", model, modelKind);
  checkArgument("encodeModel", "notes", notes, notesKind);
  const tensors = await download(modelTensors(model));
  const structure = JSON.stringify(structureOf(model, { training: false }));
  return encodeSafetensors(tensors, { ...notes, format: FORMAT, version: VERSION, structure, checksum: checksum(tensors) });
}

/**
 * The notes in a file that `encodeModel` made.
 * @throws FileFormatError if the file is malformed or of another kind.
 */
export function modelNotes(bytes: Uint8Array, fileName: string): Record<string, string> {
  checkFile("modelNotes", bytes, fileName);
  const { format: _, version: __, structure: ___, checksum: ____, ...notes } = decodeModel(bytes, fileName).metadata;
  return notes;
}

export interface RestoreOptions {
  /** Take the weights also if the network that they were learnt in computed otherwise: another threshold, another neuron. Default: false. */
  ignoreStructure?: boolean;
}

/**
 * Sets a model's weights and running statistics from a file that `encodeModel` made. T, dropout and surrogate gradients may differ from those of the model that was saved.
 * @throws FileFormatError if the file is malformed, damaged, of another kind, or from a model that computes otherwise.
 */
export function restoreModel(model: Model, bytes: Uint8Array, fileName: string, options: RestoreOptions = {}): void {
  checkArgument("restoreModel", "model", model, modelKind);
  checkFile("restoreModel", bytes, fileName);
  checkOptions<RestoreOptions>("restoreModel", options, { ignoreStructure: flag });
  const { ignoreStructure = false } = options;
  const { tensors, metadata } = decodeModel(bytes, fileName);
  if (!ignoreStructure && metadata.structure !== undefined) checkStructure(metadata.structure, structureOf(model, { training: false }), fileName);
  upload(tensors, modelTensors(model), fileName);
}

const notesKind = kind("an object of texts by name", (x) => object.accepts(x) && Object.values(x as object).every((note) => typeof note === "string"));

function checkFile(what: string, bytes: Uint8Array, fileName: string): void {
  checkArgument(what, "bytes", bytes, instanceOf(Uint8Array, "a Uint8Array, what encodeModel gave"));
  checkArgument(what, "fileName", fileName, text);
}

function checkStructure(stored: string, here: readonly string[], fileName: string): void {
  if (stored === JSON.stringify(here)) return;
  const there = stringsIn(stored);
  const line = [...(here.length > there.length ? here : there)].findIndex((_, i) => here[i] !== there[i]);
  const quote = (lines: readonly string[]): string => JSON.stringify(lines[line]) ?? "nothing";
  throw new FileFormatError(
    `${fileName} was written by a network that computes otherwise: ${quote(there)} there, ${quote(here)} here. ` +
      "Build the network as it was, or take the weights nevertheless with { ignoreStructure: true }",
  );
}

function stringsIn(json: string): string[] {
  try {
    const value: unknown = JSON.parse(json);
    return Array.isArray(value) ? value.map(String) : [];
  } catch {
    return [];
  }
}

function decodeModel(bytes: Uint8Array, fileName: string): ReturnType<typeof decodeSafetensors> {
  const decoded = decodeSafetensors(bytes, fileName);
  const { metadata } = decoded;
  if (metadata.format !== FORMAT || metadata.version !== VERSION) {
    throw new FileFormatError(`${fileName}: the metadata say ${describeKind(metadata)}, expected ${FORMAT}, version ${VERSION}`);
  }
  if (metadata.checksum !== undefined && metadata.checksum !== checksum(decoded.tensors)) throw new FileFormatError(`${fileName} is damaged: its weights are not those that were written`);
  return decoded;
}

const checksum = (tensors: Record<string, NamedTensor>): string =>
  fnv1a(...Object.keys(tensors).sort().map((name) => tensors[name].data).map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength)));

export const describeKind = ({ format, version }: Record<string, string>): string =>
  format === undefined ? "nothing of a format" : `format ${JSON.stringify(format)}, version ${JSON.stringify(version)}`;
