import { checkArgument, text } from "../check.ts";
import { FileFormatError } from "../errors.ts";
import { nodeModule } from "../runtime.ts";
import { describeHolder, holderOf } from "./lock.ts";
import { fileNames, MANIFEST, type Manifest, readListed, readManifest, type RunFile } from "./manifest.ts";

const { join } = nodeModule("node:path");

/** A run as its directory tells it, to be read; it may be under way. */
export interface StoredRun {
  readonly path: string;
  /** `finished`: the final weights are there. */
  readonly state: "training" | "finished";
  /** What the program that trained noted. */
  readonly notes: Readonly<Record<string, unknown>>;
  /** Who trains there now, for people; undefined if nobody does. */
  readonly inUse: string | undefined;
  /** Where a file is, or would be. */
  file(name: RunFile): string;
  /**
   * The contents of a file; undefined if the run has none of that name.
   * @throws FileFormatError, naming the file, if it is not what was written.
   */
  read(name: RunFile): Promise<Uint8Array | undefined>;
}

/**
 * Looks at the run in a directory. Needs Node.
 * @throws FileFormatError if there is none, or its run.json is damaged.
 */
export async function readRun(path: string): Promise<StoredRun> {
  checkArgument("readRun", "path", path, text);
  let manifest = (await readManifest(path)) ?? missing(path);
  const holder = await holderOf(path);
  return {
    path,
    state: manifest.state,
    notes: manifest.notes,
    inUse: holder && describeHolder(holder),
    file: (name) => join(path, manifest.files[name]?.name ?? fileNames[name][0]),
    async read(name) {
      for (;;) {
        const listed = manifest.files[name];
        try {
          return listed && (await readListed(path, listed));
        } catch (error) {
          // The training may have replaced the file since the manifest was read.
          const now = (await readManifest(path)) ?? missing(path);
          if (isSameFile(now, manifest, name)) throw error;
          manifest = now;
        }
      }
    },
  };
}

const isSameFile = (a: Manifest, b: Manifest, name: RunFile): boolean => a.files[name]?.sha256 === b.files[name]?.sha256;

function missing(path: string): never {
  throw new FileFormatError(`${join(path, MANIFEST)} is missing: ${path} is no directory of a training run`);
}
