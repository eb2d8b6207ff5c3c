import { nodeModule } from "../runtime.ts";
import { isAlive, keepAtExit, removeAtExit } from "./processes.ts";

const { randomUUID } = nodeModule("node:crypto");
const { writeFileSync } = nodeModule("node:fs");
const { open, readdir, rename, rm } = nodeModule("node:fs/promises");
const { basename, dirname, join } = nodeModule("node:path");

/** `.checkpoint.safetensors.<pid>-<random>.tmp`: hidden, beside its target, and says whose it is. */
const temporaryName = /^\..+\.(\d+)-[0-9a-f]{8}\.tmp$/;
const inFlight = new Set<string>();

/**
 * Replaces the file at `path` so that whoever reads it, also after a kill or a power failure at any moment, finds
 * either the old contents or the new ones, whole: written to a temporary in the same directory, flushed, renamed,
 * and the directory flushed. Rejects with the system's error, which then names the file; the old file is untouched and no temporary is left.
 */
export async function writeFileAtomic(path: string, bytes: Uint8Array | string): Promise<void> {
  const directory = dirname(path);
  const name = `.${basename(path)}.${process.pid}-${randomUUID().slice(0, 8)}.tmp`;
  const temporary = join(directory, name);
  inFlight.add(name);
  removeAtExit(temporary);
  try {
    // Made at once: what an exit removes must not be made after it by a thread that had it still to do.
    writeFileSync(temporary, "", { flag: "wx" });
    const file = await open(temporary, "r+");
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    if (error instanceof Error) error.message = `${path} cannot be written: ${error.message}`;
    throw error;
  } finally {
    inFlight.delete(name);
    keepAtExit(temporary);
  }
  await flushDirectory(directory);
}

/** Without this the rename itself may be lost with the power. Windows cannot open directories. */
async function flushDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Removes what `writeFileAtomic` calls of killed processes of this machine left in `directory` and returns the names.
 * Temporaries of writes that are going on, or end while it looks, are kept.
 */
export async function removeStaleTemporaries(directory: string): Promise<string[]> {
  const before = new Set(inFlight);
  const stale = (await readdir(directory)).filter((name) => {
    const owner = temporaryName.exec(name);
    return owner !== null && !before.has(name) && !inFlight.has(name) && (Number(owner[1]) === process.pid || !isAlive(Number(owner[1])));
  });
  await Promise.all(stale.map((name) => rm(join(directory, name), { force: true })));
  return stale;
}
