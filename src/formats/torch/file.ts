import { zipEntries } from "../../data/events/zip.ts";
import { FileFormatError, OptionError } from "../../errors.ts";
import type { NamedBytes } from "../../data/idx.ts";
import { decodeForeignSafetensors, encodeSafetensors, type ForeignTensor, type WritableTensor } from "../../train/safetensors.ts";
import { decodeNpz, encodeNpz } from "../npz.ts";

export type TensorFormat = "safetensors" | "npz";
export const TENSOR_FORMATS: readonly TensorFormat[] = ["safetensors", "npz"];

/** The tensors of a file that is safetensors or an archive of NumPy's: the bytes say which. */
export async function decodeTensors(source: NamedBytes): Promise<Map<string, ForeignTensor>> {
  const { file, bytes } = source;
  // A safetensors file begins with the length of its header, which may be any bytes, and the header with {.
  if (bytes[8] === 0x7b) return decodeForeignSafetensors(bytes, file);
  const isZip = startsWith(bytes, 0x50, 0x4b);
  if (startsWith(bytes, 0x80, 2) || (isZip && zipEntries(source).some(({ name }) => /(^|\/)data\.pkl$/.test(name)))) throw pickled(file);
  return isZip ? decodeNpz(source) : decodeForeignSafetensors(bytes, file);
}

export const encodeTensors = (tensors: Record<string, WritableTensor>, format: TensorFormat): Uint8Array =>
  format === "npz" ? encodeNpz(tensors) : encodeSafetensors(tensors, { format: "pt" });

/** @throws OptionError for a path that ends otherwise than in a format's name. */
export function formatOfPath(path: string): TensorFormat {
  const found = TENSOR_FORMATS.find((format) => path.toLowerCase().endsWith(`.${format}`));
  if (!found) {
    throw new OptionError(`exportTorch: path is ${JSON.stringify(path)}: expected one that ends in .safetensors or .npz. PyTorch's own .pt is Python's pickle; ` +
      "net.load_state_dict(safetensors.torch.load_file(path)) takes the former as well");
  }
  return found;
}

const startsWith = (bytes: Uint8Array, ...start: number[]): boolean => start.every((byte, i) => bytes[i] === byte);

function pickled(file: string): FileFormatError {
  const target = `${file.replace(/\.\w+$/, "")}.safetensors`;
  return new FileFormatError(
    `${file} is one of PyTorch's own files, Python's pickle, which is a program rather than data. Write the weights to a file that is data, in Python:\n` +
      "    import safetensors.torch, torch\n" +
      `    safetensors.torch.save_file({name: value.clone().contiguous() for name, value in torch.load(${JSON.stringify(file)}, map_location="cpu").items()}, ${JSON.stringify(target)})`,
  );
}
