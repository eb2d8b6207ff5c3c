import { checkArgument, checkOptions, flag, kind, object, oneOf, text } from "../check.ts";
import { OptionError } from "../errors.ts";
import { inNode, nodeModule } from "../runtime.ts";
import { removeStaleTemporaries, writeFileAtomic } from "./atomic.ts";
import { lockDirectory } from "./lock.ts";
import { describeFile, encodeManifest, fileNames, MANIFEST, type Manifest, readListed, readManifest, type RunFile, type Setup } from "./manifest.ts";
import { keepAtExit, removeAtExit } from "./processes.ts";

const { mkdir, rm, rmdir } = nodeModule("node:fs/promises");
const { dirname, join, resolve } = nodeModule("node:path");

export interface RunDirectoryOptions {
  /** Kept in the run.json of a new run: what a program needs to build the model again. Default: nothing. */
  notes?: Readonly<Record<string, unknown>>;
  /** The directory must not be there. Default: false. */
  fresh?: boolean;
}

type Contents = Uint8Array | string;

const nameKind = oneOf(...Object.keys(fileNames));
const contentsKind = kind("a Uint8Array or a text", (x) => typeof x === "string" || x instanceof Uint8Array);

/**
 * The directory of one training run, held by this process alone until `close`. Its run.json lists the files that count, with their
 * checksums, and is replaced last: whenever the process is killed, the directory tells the truth. Needs Node.
 */
export class RunDirectory {
  readonly path: string;
  readonly #unlock: () => Promise<void>;
  /** Directories that were not there, innermost first. */
  readonly #made: readonly string[];
  #manifest: Manifest;
  readonly #wasNew: boolean;
  /** Whether run.json is there. */
  #begun: boolean;

  /**
   * Makes the directory if it is not there, takes hold of it, and clears away what a killed process left half-written.
   * @throws OptionError if another process trains there; FileFormatError if it holds files of a run, but no run.json or a damaged one.
   */
  static async open(path: string, options: RunDirectoryOptions = {}): Promise<RunDirectory> {
    checkArgument("RunDirectory.open", "path", path, text);
    checkOptions<RunDirectoryOptions>("RunDirectory.open", options, { notes: object, fresh: flag });
    const { notes = {}, fresh = false } = options;
    if (!inNode) throw new OptionError("a run directory needs Node; in a browser train without one, and encodeModel(model) gives the weights as bytes to keep");
    // What is refused is not touched.
    if (!fresh) await readManifest(path);
    const [made, unlock] = await claim(path, fresh);
    try {
      const manifest = await readManifest(path);
      await removeStaleTemporaries(path);
      const directory = new RunDirectory(path, unlock, made, manifest ?? { state: "training", setup: {}, notes: { ...notes }, files: {} }, manifest !== undefined);
      if (manifest) await directory.#removeAllBut(manifest);
      return directory;
    } catch (error) {
      await unlock();
      await removeEmpty(made);
      throw error;
    }
  }

  private constructor(path: string, unlock: () => Promise<void>, made: readonly string[], manifest: Manifest, begun: boolean) {
    this.path = path;
    this.#unlock = unlock;
    this.#made = made;
    this.#manifest = manifest;
    this.#wasNew = !begun;
    this.#begun = begun;
  }

  /** `new`: it holds no run yet. */
  get state(): "new" | Manifest["state"] {
    return this.#begun ? this.#manifest.state : "new";
  }

  get notes(): Readonly<Record<string, unknown>> {
    return this.#manifest.notes;
  }

  /** Of the run that is there. */
  get setup(): Setup {
    return this.#manifest.setup;
  }

  /** Where a file is, or would be. */
  file(name: RunFile | "run"): string {
    checkArgument("directory.file", "name", name, oneOf(...Object.keys(fileNames), "run"));
    return join(this.path, name === "run" ? MANIFEST : (this.#manifest.files[name]?.name ?? fileNames[name][0]));
  }

  /**
   * The contents of a file; undefined if the run has none of that name.
   * @throws FileFormatError, naming the file, if it is not what was written.
   */
  async read(name: RunFile): Promise<Uint8Array | undefined> {
    checkArgument("directory.read", "name", name, nameKind);
    const listed = this.#manifest.files[name];
    return listed && readListed(this.path, listed);
  }

  /** Says that a training under this setup is under way. */
  async begin(setup: Setup): Promise<void> {
    checkArgument("directory.begin", "setup", setup, object);
    await this.#writeManifest({ ...this.#manifest, state: "training", setup });
  }

  /** Replaces the checkpoint. What an earlier end of the training left goes. */
  async save(setup: Setup, checkpoint: Contents): Promise<void> {
    checkArgument("directory.save", "setup", setup, object);
    checkArgument("directory.save", "checkpoint", checkpoint, contentsKind);
    await this.#replace({ ...this.#manifest, state: "training", setup, files: {} }, { checkpoint });
  }

  /** Puts the results beside the last checkpoint: the run is finished. */
  async finish(model: Contents, metrics: Contents): Promise<void> {
    checkArgument("directory.finish", "model", model, contentsKind);
    checkArgument("directory.finish", "metrics", metrics, contentsKind);
    await this.#replace({ ...this.#manifest, state: "finished" }, { model, metrics });
  }

  /** Replaces a file of the run. */
  async write(name: RunFile, contents: Contents): Promise<void> {
    checkArgument("directory.write", "name", name, nameKind);
    checkArgument("directory.write", "contents", contents, contentsKind);
    await this.#replace(this.#manifest, { [name]: contents });
  }

  /** Lets other processes have the directory. One in which nothing was saved is as it was before it was opened. */
  async close(): Promise<void> {
    if (this.#wasNew && this.#begun && Object.keys(this.#manifest.files).length === 0) {
      await this.#removeAllBut(this.#manifest);
      await rm(this.file("run"), { force: true });
    }
    await this.#unlock();
    await removeEmpty(this.#made);
  }

  /**
   * In this order, so that a manifest is there, and true, at any moment: files under names that it lists are taken off the list, the new files are
   * written, the new manifest is, and what it does not list any more is removed.
   */
  async #replace(next: Manifest, contents: Partial<Record<RunFile, Contents>>): Promise<void> {
    const written = (Object.entries(contents) as [RunFile, Contents][]).map(([key, bytes]) => {
      const listed = this.#manifest.files[key]?.name;
      const name = fileNames[key].find((each) => each !== listed) ?? fileNames[key][0];
      return { key, bytes, stored: describeFile(name, bytes), overwrites: name === listed };
    });
    if (!this.#begun || written.some(({ overwrites }) => overwrites)) {
      const files = { ...this.#manifest.files };
      for (const { key, overwrites } of written) if (overwrites) delete files[key];
      await this.#writeManifest({ ...this.#manifest, state: files.model ? this.#manifest.state : "training", setup: next.setup, files });
    }
    for (const { bytes, stored } of written) await writeFileAtomic(join(this.path, stored.name), bytes);
    const manifest = { ...next, files: { ...next.files, ...Object.fromEntries(written.map(({ key, stored }) => [key, stored])) } };
    await this.#writeManifest(manifest);
    await this.#removeAllBut(manifest);
  }

  async #writeManifest(manifest: Manifest): Promise<void> {
    await writeFileAtomic(join(this.path, MANIFEST), encodeManifest(manifest));
    this.#manifest = manifest;
    this.#begun = true;
    for (const directory of this.#made) keepAtExit(directory);
  }

  async #removeAllBut({ files }: Manifest): Promise<void> {
    const listed = Object.values(files).map(({ name }) => name);
    const others = Object.values(fileNames).flat().filter((name) => !listed.includes(name));
    await Promise.all(others.map((name) => rm(join(this.path, name), { force: true })));
  }
}

/** Makes a directory and takes hold of it; again, should another process that failed to begin remove it in between. */
async function claim(path: string, fresh: boolean): Promise<[made: string[], unlock: () => Promise<void>]> {
  for (let attempt = 1; ; attempt++) {
    const made = await makeDirectory(path, fresh);
    for (const directory of made) removeAtExit(directory, "directory");
    try {
      return [made, await lockDirectory(path)];
    } catch (error) {
      await removeEmpty(made);
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || attempt === 3) throw error;
    }
  }
}

/** Returns the directories that it made, innermost first. */
async function makeDirectory(path: string, fresh: boolean): Promise<string[]> {
  const first = await mkdir(fresh ? dirname(path) : path, { recursive: true });
  if (fresh) await mkdir(path);
  const made = fresh ? [resolve(path)] : [];
  if (first === undefined) return made;
  for (let directory = resolve(fresh ? dirname(path) : path); ; directory = dirname(directory)) {
    made.push(directory);
    if (directory === resolve(first)) return made;
  }
}

async function removeEmpty(directories: readonly string[]): Promise<void> {
  for (const directory of directories) {
    keepAtExit(directory);
    try {
      await rmdir(directory);
    } catch {
      return;
    }
  }
}
