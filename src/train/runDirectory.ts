import { FileFormatError, OptionError } from "../errors.ts";
import { inNode } from "../runtime.ts";

const loadAtomic = () => import("./atomic.ts");

/** Names of the files of a run. */
export const runFiles = {
  checkpoint: "checkpoint.safetensors",
  model: "model.safetensors",
  metrics: "metrics.json",
  run: "run.json",
  report: "report.html",
  reportData: "report.json",
} as const;

export type RunFile = keyof typeof runFiles;

/** The directory of one training run. Every file in it is replaced whole or not at all. Needs Node. */
export class RunDirectory {
  readonly path: string;

  /** Makes the directory if it is not there, and removes what a killed process left half-written. */
  static async open(path: string): Promise<RunDirectory> {
    if (typeof path !== "string" || path === "") throw new OptionError(`a run directory's path is ${JSON.stringify(path)}: expected the path of a directory`);
    const directory = new RunDirectory(path);
    await process.getBuiltinModule("node:fs/promises").mkdir(path, { recursive: true });
    await (await loadAtomic()).removeStaleTemporaries(path);
    return directory;
  }

  constructor(path: string) {
    if (!inNode) throw new OptionError("a run directory needs Node; in a browser train without one, and encodeModel(model) gives the weights as bytes to keep");
    this.path = path;
  }

  file(name: RunFile): string {
    return process.getBuiltinModule("node:path").join(this.path, runFiles[name]);
  }

  async write(name: RunFile, contents: Uint8Array | string): Promise<void> {
    await (await loadAtomic()).writeFileAtomic(this.file(name), contents);
  }

  async writeJson(name: RunFile, value: unknown): Promise<void> {
    await this.write(name, `${JSON.stringify(value, null, 2)}\n`);
  }

  /** The file's contents, or undefined if there is none. */
  async read(name: RunFile): Promise<Uint8Array | undefined> {
    try {
      return new Uint8Array(await process.getBuiltinModule("node:fs/promises").readFile(this.file(name)));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT" || code === "ENOTDIR") return undefined;
      throw error;
    }
  }

  /** @throws FileFormatError if the file is missing or no JSON object. */
  async readJson(name: RunFile): Promise<Record<string, unknown>> {
    const bytes = await this.read(name);
    if (!bytes) throw new FileFormatError(`${this.file(name)} is missing: ${this.path} is no directory of a training run`);
    try {
      const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
      if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
      throw new SyntaxError("not an object");
    } catch (error) {
      throw new FileFormatError(`${this.file(name)} is not a JSON object: ${(error as Error).message}`, { cause: error });
    }
  }
}
