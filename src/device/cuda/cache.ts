import { nodeModule } from "../../runtime.ts";
import type { Surroundings } from "./libraries.ts";

const { createHash, randomBytes } = nodeModule("node:crypto");
const { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } = nodeModule("node:fs");
const { join } = nodeModule("node:path");

/**
 * Compiled kernels by what they were compiled from, in $XDG_CACHE_HOME/spikefold or ~/.cache/spikefold. A file is the SHA-256 of its
 * contents, then the contents; one that is damaged counts as missing. A folder that cannot be written makes no error, only no cache.
 */
export class KernelCache {
  readonly folder: string;

  constructor({ env, home }: Surroundings) {
    this.folder = join(env.XDG_CACHE_HOME || join(home, ".cache"), "spikefold");
  }

  /** What `key` stands for, made by `make` unless it is there. */
  get(key: readonly string[], make: () => Uint8Array): Uint8Array {
    const file = join(this.folder, `${createHash("sha256").update(JSON.stringify(key)).digest("hex")}.cubin`);
    const found = read(file);
    if (found) return found;
    const contents = make();
    this.#write(file, contents);
    return contents;
  }

  #write(file: string, contents: Uint8Array): void {
    const temporary = `${file}.${randomBytes(6).toString("hex")}`;
    try {
      mkdirSync(this.folder, { recursive: true });
    } catch {
      return;
    }
    try {
      writeFileSync(temporary, Buffer.concat([digest(contents), contents]));
      renameSync(temporary, file);
    } catch {
      rmSync(temporary, { force: true });
    }
  }
}

const digest = (contents: Uint8Array): Buffer => createHash("sha256").update(contents).digest();

function read(file: string): Uint8Array | null {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch {
    return null;
  }
  const contents = bytes.subarray(32);
  return digest(contents).equals(bytes.subarray(0, 32)) ? contents : null;
}
