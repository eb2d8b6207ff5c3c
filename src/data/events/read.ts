import { checkArgument, checkOptions, either, integer, kind, oneOf, type OptionKinds, text } from "../../check.ts";
import { FileFormatError, OptionError } from "../../errors.ts";
import { inNode, nodeModule } from "../../runtime.ts";
import { fileFormatError, type NamedBytes } from "../idx.ts";
import { readAedat2 } from "./aedat2.ts";
import { readAedat3 } from "./aedat3.ts";
import { readAedat4 } from "./aedat4.ts";
import { type SensorName, SENSORS } from "./aedatHeader.ts";
import { looksLikeDat, readDat } from "./dat.ts";
import type { Events } from "./events.ts";
import { complete, type Found } from "./found.ts";
import { looksLikeNmnist, readNmnist } from "./nmnist.ts";
import { readNpz } from "./npz.ts";

export type EventFormat = "nmnist" | "aedat2" | "aedat3" | "aedat4" | "dat" | "npz";

const READERS: Record<EventFormat, (source: NamedBytes, options: ReadEventsOptions) => Found | Promise<Found>> = {
  nmnist: readNmnist,
  aedat2: (source, { sensor }) => readAedat2(source, sensor),
  aedat3: (source, { sensor }) => readAedat3(source, sensor),
  aedat4: readAedat4,
  dat: readDat,
  npz: readNpz,
};

export interface ReadEventsOptions {
  /** Default: what the bytes say. */
  format?: EventFormat;
  /** Of the sensor. Events beyond are left out, with a warning. Default: as the file says; else that of the format's sensor; else the smallest that holds all. */
  width?: number;
  height?: number;
  /** What recorded an AEDAT 2.0 or 3.1 file: how AEDAT 2.0 addresses are read, and the sensor's size. Default: as the header says; else "dvs128" for AEDAT 2.0. */
  sensor?: SensorName;
  /** What errors and warnings call the file. Default: its path; for bytes "events". */
  name?: string;
}

const size = integer(1, 65536);
const kinds: OptionKinds<ReadEventsOptions> = { format: oneOf(...Object.keys(READERS)), width: size, height: size, sensor: oneOf(...Object.keys(SENSORS)), name: text };
const isBytes = kind("a file's bytes: a Uint8Array or an ArrayBuffer", (x) => x instanceof Uint8Array || x instanceof ArrayBuffer);

/**
 * Reads the events of a file: N-MNIST's and N-Caltech101's .bin, AEDAT 2.0, 3.1 and 4 (uncompressed or LZ4), Prophesee's .dat of CD events, and .npz of NumPy.
 * They come in the order of time; where the file had them in another, or was cut off, or held events beyond its sensor, `warnings` say so.
 *
 * @param source a path (in Node), or a file's bytes
 * @throws FileFormatError if the file is missing or malformed, with the offset; OptionError for a wrong argument or option
 */
export async function readEvents(source: string | Uint8Array | ArrayBuffer, options: ReadEventsOptions = {}): Promise<Events> {
  checkArgument("readEvents", "source", source, inNode ? either(kind("a path", text.accepts), isBytes) : isBytes);
  checkOptions("readEvents", options, kinds);
  const named: NamedBytes = {
    file: options.name ?? (typeof source === "string" ? source : "events"),
    bytes: typeof source === "string" ? await readFile(source) : source instanceof Uint8Array ? source : new Uint8Array(source),
  };
  const format = options.format ?? formatOf(named);
  if (options.sensor !== undefined && format !== "aedat2" && format !== "aedat3") throw new OptionError(`readEvents: sensor is for AEDAT 2.0 and 3.1 files: ${named.file} is read as ${format}`);
  return complete(named.file, await READERS[format](named, options), [options.width, options.height]);
}

async function readFile(path: string): Promise<Uint8Array> {
  try {
    return await nodeModule("node:fs/promises").readFile(path);
  } catch (cause) {
    throw new FileFormatError(`${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/** By the first bytes; N-MNIST's have no mark, so that comes last. */
function formatOf({ file, bytes }: NamedBytes): EventFormat {
  const start = new TextDecoder("latin1").decode(bytes.subarray(0, 16));
  const version = /^#!AER-DAT(\d)/.exec(start)?.[1];
  if (version === "2" || version === "3" || version === "4") return `aedat${version}`;
  if (version !== undefined) throw fileFormatError(file, 9, `found AEDAT ${version}, expected 2, 3 or 4`);
  if (start.startsWith("PK")) return "npz";
  if (start.startsWith("\x89HDF")) throw fileFormatError(file, 0, "found an HDF5 file: those of SHD and SSC are read by loadShd and loadSsc; store other events by numpy.savez(file, x=x, y=y, t=t, p=p)");
  if (looksLikeDat(bytes)) return "dat";
  if (looksLikeNmnist(bytes)) return "nmnist";
  const found = [...bytes.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  throw fileFormatError(file, 0, `found ${found === "" ? "nothing" : `the bytes ${found}`}, expected a file of ${Object.keys(READERS).join(", ")}; pass format if it is one of them`);
}
