import { OptionError } from "../errors.ts";
import type { NamedBytes } from "../data/idx.ts";
import { parseNpyTensor } from "../data/events/npy.ts";
import { encodeZip, readZipEntry, zipEntries } from "../data/events/zip.ts";
import type { ForeignTensor, WritableTensor } from "../train/safetensors.ts";

const EXTENSION = ".npy";

/** The arrays in an archive of NumPy's, by name. */
export async function decodeNpz(source: NamedBytes): Promise<Map<string, ForeignTensor>> {
  const tensors = new Map<string, ForeignTensor>();
  for (const entry of zipEntries(source)) {
    if (entry.name.endsWith(EXTENSION)) tensors.set(entry.name.slice(0, -EXTENSION.length), parseNpyTensor({ file: `${source.file}, ${entry.name}`, bytes: await readZipEntry(source, entry) }));
  }
  return tensors;
}

/**
 * An archive that `numpy.load` reads, not compressed.
 * @throws OptionError for more than the 4 GB that a zip archive holds.
 */
export function encodeNpz(tensors: Readonly<Record<string, WritableTensor>>): Uint8Array {
  const files = new Map(Object.entries(tensors).map(([name, tensor]) => [`${name}${EXTENSION}`, encodeNpy(tensor)]));
  const size = [...files.values()].reduce((sum, { length }) => sum + length, 0);
  if (size > 0xf0000000) throw new OptionError(`${size} bytes are too many for an .npz archive, which holds 4 GB: write .safetensors`);
  return encodeZip(files);
}

const DTYPES = new Map<unknown, string>([[Float32Array, "<f4"], [Int32Array, "<i4"], [Uint32Array, "<u4"], [Uint8Array, "|u1"], [BigInt64Array, "<i8"]]);

/** Version 1.0 of the format; its header ends at a multiple of 64 bytes. */
function encodeNpy({ shape, data }: WritableTensor): Uint8Array {
  const dictionary = `{'descr': '${DTYPES.get(data.constructor)}', 'fortran_order': False, 'shape': (${shape.join(", ")}${shape.length === 1 ? "," : ""}), }`;
  const start = Math.ceil((10 + dictionary.length + 1) / 64) * 64;
  const bytes = new Uint8Array(start + data.byteLength);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]);
  new DataView(bytes.buffer).setUint16(8, start - 10, true);
  bytes.set(new TextEncoder().encode(`${dictionary.padEnd(start - 11)}\n`), 10);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), start);
  return bytes;
}
