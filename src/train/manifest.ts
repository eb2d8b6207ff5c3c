import { FileFormatError, OptionError } from "../errors.ts";
import { nodeModule } from "../runtime.ts";

const { createHash } = nodeModule("node:crypto");
const { readdir, readFile, stat } = nodeModule("node:fs/promises");
const { join } = nodeModule("node:path");

/** What decides the course of a training, flat: a run resumes only under the setup it began with. */
export type Setup = Record<string, string | number | boolean>;

/**
 * The files of a run and their names. A checkpoint alternates between two, so that the one that counts is never written over: two files
 * cannot be replaced at once, and the manifest holds its checksum.
 */
export const fileNames = {
  checkpoint: ["checkpoint-1.safetensors", "checkpoint-2.safetensors"],
  model: ["model.safetensors"],
  metrics: ["metrics.json"],
  report: ["report.html"],
  reportData: ["report.json"],
} as const;

export type RunFile = keyof typeof fileNames;

export const MANIFEST = "run.json";

/** What earlier versions called theirs, without a manifest. */
const FORMER_NAMES = ["checkpoint.safetensors"];

/** A file as it was written. */
export interface StoredFile {
  name: string;
  bytes: number;
  sha256: string;
}

/** What run.json says: the one truth about a run's directory. A file that it does not list does not count. */
export interface Manifest {
  /** `finished`: the final weights are there. */
  state: "training" | "finished";
  setup: Setup;
  /** Of the program that trains, for those who read the run. */
  notes: Record<string, unknown>;
  files: Partial<Record<RunFile, StoredFile>>;
}

const FORMAT = "spikefold-run";
const VERSION = 2;

export const encodeManifest = (manifest: Manifest): string => `${JSON.stringify({ format: FORMAT, version: VERSION, ...manifest }, null, 2)}\n`;

export const describeFile = (name: string, contents: Uint8Array | string): StoredFile => ({
  name, bytes: Buffer.byteLength(contents), sha256: createHash("sha256").update(contents).digest("hex"),
});

/**
 * The manifest of a directory; undefined if there is none, nor a file of a run.
 * @throws FileFormatError for a manifest that is damaged or of another version, and for files of a run without one; OptionError if the path is no directory's.
 */
export async function readManifest(directory: string): Promise<Manifest | undefined> {
  const file = join(directory, MANIFEST);
  const text = await ifThere(readFile(file, "utf8"));
  if (text !== undefined) return parseManifest(text, file);
  if ((await ifThere(stat(directory)))?.isDirectory() === false) throw new OptionError(`${directory} is a file: a run needs a directory`);
  const known: readonly string[] = [...Object.values(fileNames).flat(), ...FORMER_NAMES];
  const found = ((await ifThere(readdir(directory))) ?? []).find((name) => known.includes(name));
  if (found === undefined) return undefined;
  throw new FileFormatError(
    `${file} is missing, yet ${found} is there: nothing says to which run it belongs, and nothing was touched. Move the files of that run away, or choose another directory`,
  );
}

/**
 * The contents of a listed file.
 * @throws FileFormatError, naming it, if it is not what was written.
 */
export async function readListed(directory: string, { name, bytes, sha256 }: StoredFile): Promise<Uint8Array> {
  const file = join(directory, name);
  const contents = await ifThere(readFile(file));
  if (!contents) throw new FileFormatError(`${file} is missing, which ${MANIFEST} lists`);
  const found = describeFile(name, contents);
  if (found.bytes !== bytes) throw new FileFormatError(`${file} has ${found.bytes} bytes, ${MANIFEST} says ${bytes}: it is damaged, or not the file that was written`);
  if (found.sha256 !== sha256) throw new FileFormatError(`${file} is damaged, or not the file that was written: its SHA-256 is not the one in ${MANIFEST}`);
  return new Uint8Array(contents);
}

function parseManifest(text: string, file: string): Manifest {
  const fail = (problem: string): never => {
    throw new FileFormatError(`${file}: ${problem}; expected the manifest of a training run`);
  };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return fail(`it is no JSON: ${(error as Error).message}`);
  }
  if (!isRecord(value)) return fail("it is no JSON object");
  const { format, version, state, setup, notes, files } = value;
  if (format !== FORMAT) fail(`its format is ${JSON.stringify(format)}, not ${JSON.stringify(FORMAT)}`);
  if (version !== VERSION) {
    throw new FileFormatError(`${file} is of version ${JSON.stringify(version)}, this Spikefold reads version ${VERSION}: use the version that wrote it, or train anew in another directory`);
  }
  if (state !== "training" && state !== "finished") fail(`its state is ${JSON.stringify(state)}`);
  if (!isRecord(setup) || !Object.values(setup).every((each) => ["string", "number", "boolean"].includes(typeof each))) fail("its setup is no record of options");
  if (!isRecord(notes)) fail("its notes are no object");
  if (!isRecord(files)) return fail("its files are no object");
  for (const [key, entry] of Object.entries(files)) {
    const names: readonly unknown[] = Object.hasOwn(fileNames, key) ? fileNames[key as RunFile] : fail(`its file ${JSON.stringify(key)} is unknown`);
    const isWhole = isRecord(entry) && names.includes(entry.name) && Number.isSafeInteger(entry.bytes) && /^[0-9a-f]{64}$/.test(String(entry.sha256));
    if (!isWhole) fail(`its file ${JSON.stringify(key)} lacks name, bytes or sha256`);
  }
  for (const key of ["model", "metrics"]) if (state === "finished" && !(key in files)) fail(`it says finished and lists no ${key}`);
  return { state, setup, notes, files } as Manifest;
}

async function ifThere<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);
