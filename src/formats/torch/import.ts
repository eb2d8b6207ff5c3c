import { checkArgument, checkOptions, either, flag, kind, oneOf, type OptionKinds, required, text } from "../../check.ts";
import { FileFormatError } from "../../errors.ts";
import { inNode, nodeModule } from "../../runtime.ts";
import { type Model, modelKind } from "../../nn/model.ts";
import { describeFault } from "../../train/finite.ts";
import type { ForeignTensor } from "../../train/safetensors.ts";
import { permutedBack } from "./axes.ts";
import { decodeTensors } from "./file.ts";
import { hints } from "./hints.ts";
import { type ModuleNames, namesKind } from "./names.ts";
import { LIBRARIES, type TorchLibrary, type Slot } from "./slots.ts";
import { stateOf } from "./state.ts";

export interface ImportTorchOptions {
  /** What the network was built with there: PyTorch's own modules, or those and neurons of snnTorch or SpikingJelly, with their tensors. */
  from: TorchLibrary;
  /** What modules are called there, where they are not called by their place in a sequential: see `ModuleNames`. */
  names?: ModuleNames;
  /** What all names there begin with: "module." or "net.". Default: nothing. */
  prefix?: string;
  /** Whether tensors that are missing, or that no layer has, are an error. Default: true. */
  strict?: boolean;
  /** What errors call the file. Default: its path; for bytes "weights". */
  name?: string;
}

/** What `importTorch` did, by PyTorch's names. */
export interface TorchImport {
  /** The tensors that were taken. */
  loaded: string[];
  /** Those that the model has and the file has not; empty unless `strict` is false. */
  missing: string[];
  /** Those that the file has and the model has not; empty unless `strict` is false. */
  unexpected: string[];
  /** Those of them that were doubles, and are now rounded to 32 bits. */
  rounded: string[];
}

const isBytes = kind("a file's bytes: a Uint8Array or an ArrayBuffer", (x) => x instanceof Uint8Array || x instanceof ArrayBuffer);
const KINDS: OptionKinds<ImportTorchOptions> = { from: required(oneOf(...LIBRARIES)), names: namesKind, prefix: text, strict: flag, name: text };

/**
 * Sets a model's weights and running statistics from a file with a `state_dict()` of PyTorch's, .safetensors or .npz: the same layers, named as there. `0.weight` [outputs, inputs] of a Linear,
 * [outputs, inputs/groups, kh, kw] of a convolution and the rows after a flatten are put into our order of the axes. What neurons have built in, `beta` and `threshold` of
 * snnTorch's, must be the same. Nothing is written unless everything fits.
 *
 * @param source a path (in Node), or a file's bytes
 * @throws FileFormatError if the file is malformed or a pickle (.pt), or lists at once all tensors that are missing, not expected, or of another shape or value; OptionError for a wrong argument or option, and for a layer
 *   that has no counterpart there
 */
export async function importTorch(model: Model, source: string | Uint8Array | ArrayBuffer, options: ImportTorchOptions): Promise<TorchImport> {
  checkArgument("importTorch", "model", model, modelKind);
  checkArgument("importTorch", "source", source, inNode ? either(kind("a path", text.accepts), isBytes) : isBytes);
  checkOptions("importTorch", options, KINDS);
  const { from, names, prefix, strict = true, name: file = typeof source === "string" ? source : "weights" } = options;
  const slots = stateOf(model, from, { names, prefix });
  const tensors = await decodeTensors({ file, bytes: typeof source === "string" ? await read(source) : new Uint8Array(source as ArrayBuffer) });

  const result: TorchImport = { loaded: [], missing: [], unexpected: [], rounded: [] };
  const wrong: string[] = [];
  const writes: (() => void)[] = [];
  for (const slot of slots) {
    const found = tensors.get(slot.name) ?? (slot.is === "values" && slot.alias !== undefined ? tensors.get(slot.alias) : undefined);
    if (!found) {
      if (slot.is !== "counter") result.missing.push(slot.name);
      continue;
    }
    const problem = problemOf(slot, found);
    if (problem !== undefined) {
      wrong.push(problem);
      continue;
    }
    result.loaded.push(slot.name);
    if (slot.is !== "values") continue;
    if (found.data instanceof Float64Array) result.rounded.push(slot.name);
    writes.push(() => write(slot, found));
  }
  const known = new Set(slots.flatMap((slot) => (slot.is === "values" && slot.alias !== undefined ? [slot.name, slot.alias] : [slot.name])));
  result.unexpected = [...tensors.keys()].filter((name) => !known.has(name));
  const { missing, unexpected } = result;
  if (wrong.length > 0 || (strict && missing.length + unexpected.length > 0) || result.loaded.length === 0) {
    const lines = [
      ...missing.map((name) => `missing: ${name} ${describe(slots.find((slot) => slot.name === name)!)}`),
      ...unexpected.map((name) => `unexpected: ${name} [${tensors.get(name)!.shape.join(", ")}]`), ...wrong,
    ];
    throw new FileFormatError([`${file} does not fit the model:`, ...lines.map((line) => `  ${line}`), ...hints(slots, tensors, result)].join("\n"));
  }
  writes.forEach((each) => each());
  return result;
}

async function read(path: string): Promise<Uint8Array> {
  return nodeModule("node:fs/promises").readFile(path).catch((error: unknown) => {
    throw new FileFormatError(`${path} cannot be read: ${(error as Error).message}`, { cause: error });
  });
}

/** What is wrong with the tensor that stands in a slot's place. */
function problemOf(slot: Slot, { shape, data, dtype }: ForeignTensor): string | undefined {
  const { name } = slot;
  if (slot.is === "counter") return undefined;
  if (slot.is === "constant") {
    const { value, describe: show = String } = slot;
    const other = (data as Float64Array).find((each) => Math.fround(each) !== value);
    return other === undefined ? undefined : `value: ${name} is ${show(other)}, the neuron here has ${show(value)}`;
  }
  if (!(data instanceof Float32Array || data instanceof Float64Array)) return `type: ${name} is of type ${dtype}, expected floats`;
  const given = slot.isNeurons ? shape.filter((length) => length !== 1) : shape;
  const expected = slot.isNeurons ? slot.shape.filter((length) => length !== 1) : slot.shape;
  if (String(given) !== String(expected) && !(slot.isNeurons && given.length === 0)) return `shape: ${name} is [${shape.join(", ")}], expected ${describe(slot)}`;
  const fault = describeFault(name, data as Float32Array, shape);
  return fault === undefined ? undefined : `value: ${fault}, expected finite values`;
}

const describe = (slot: Slot): string => (slot.is === "values" ? `[${slot.shape.join(", ")}]` : "[]");

function write({ tensors, axes }: Slot & { is: "values" }, { data }: ForeignTensor): void {
  const size = tensors.reduce((sum, tensor) => sum + tensor.size, 0);
  const values = permutedBack(data.length === size ? Float32Array.from(data) : new Float32Array(size).fill(data[0]), axes);
  let at = 0;
  for (const tensor of tensors) tensor.device.write(tensor, values.slice(at, (at += tensor.size)));
}
