import { checkArgument, checkOptions, oneOf, type OptionKinds, required, text } from "../../check.ts";
import { OptionError } from "../../errors.ts";
import { inNode } from "../../runtime.ts";
import { type Model, modelKind } from "../../nn/model.ts";
import { writeFileAtomic } from "../../train/atomic.ts";
import type { WritableTensor } from "../../train/safetensors.ts";
import { download } from "../../train/weights.ts";
import { permuted } from "./axes.ts";
import { encodeTensors, formatOfPath, TENSOR_FORMATS, type TensorFormat } from "./file.ts";
import { type ModuleNames, namesKind } from "./names.ts";
import { LIBRARIES, type TorchLibrary, type Slot } from "./slots.ts";
import { stateOf } from "./state.ts";

export interface ExportTorchOptions {
  /** What the network is built with there: PyTorch's own modules, or those and neurons of snnTorch or SpikingJelly, with their tensors. */
  to: TorchLibrary;
  /** What modules are called there, where they are not called by their place in a sequential: see `ModuleNames`. */
  names?: ModuleNames;
  /** What all names there begin with. Default: nothing. */
  prefix?: string;
}

export interface EncodeTorchOptions extends ExportTorchOptions {
  /** Default: "safetensors". */
  format?: TensorFormat;
}

const KINDS: OptionKinds<ExportTorchOptions> = { to: required(oneOf(...LIBRARIES)), names: namesKind, prefix: text };

/**
 * Writes a model's weights and running statistics as the `state_dict()` that PyTorch has of the same layers, which `load_state_dict` takes as it is: the inverse of `importTorch`. The file is replaced
 * whole or not at all.
 *
 * @param path a file that ends in .safetensors or .npz (in Node)
 * @throws OptionError for a wrong argument or option, and a layer that has no counterpart there; TrainingError if a weight is not finite
 */
export async function exportTorch(model: Model, path: string, options: ExportTorchOptions): Promise<void> {
  checkArgument("exportTorch", "model", model, modelKind);
  checkArgument("exportTorch", "path", path, text);
  checkOptions("exportTorch", options, KINDS);
  if (!inNode) throw new OptionError("exportTorch writes a file, which a page cannot: take the bytes of encodeTorch");
  const format = formatOfPath(path);
  await writeFileAtomic(path, await encodeTorch(model, { ...options, format }));
}

/**
 * The bytes that `exportTorch` writes.
 * @throws as `exportTorch`
 */
export async function encodeTorch(model: Model, options: EncodeTorchOptions): Promise<Uint8Array> {
  checkArgument("encodeTorch", "model", model, modelKind);
  checkOptions<EncodeTorchOptions>("encodeTorch", options, { ...KINDS, format: oneOf(...TENSOR_FORMATS) });
  const { to, format = "safetensors", ...naming } = options;
  const tensors: Record<string, WritableTensor> = {};
  for (const slot of stateOf(model, to, naming)) {
    tensors[slot.name] = await valuesOf(slot);
    if (slot.is === "values" && slot.alias !== undefined) tensors[slot.alias] = tensors[slot.name];
  }
  return encodeTensors(tensors, format);
}

async function valuesOf(slot: Slot): Promise<WritableTensor> {
  if (slot.is === "values") {
    const data = new Float32Array(slot.tensors.reduce((sum, { size }) => sum + size, 0));
    let at = 0;
    for (const tensor of slot.tensors) {
      const { [slot.name]: part } = await download({ [slot.name]: tensor });
      data.set(part.data, at);
      at += tensor.size;
    }
    return { shape: slot.shape, data: permuted(data, slot.axes) };
  }
  if (slot.is === "counter") return { shape: [], data: BigInt64Array.of(0n) };
  return { shape: [], data: slot.isInteger ? BigInt64Array.of(BigInt(slot.value)) : Float32Array.of(slot.value) };
}
