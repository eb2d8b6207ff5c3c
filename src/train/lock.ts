import { OptionError } from "../errors.ts";
import { nodeModule } from "../runtime.ts";
import { writeFileAtomic } from "./atomic.ts";
import { isAlive, keepAtExit, removeAtExit, startOf } from "./processes.ts";

const { randomUUID } = nodeModule("node:crypto");
const { readdir, readFile, rm } = nodeModule("node:fs/promises");
const { hostname } = nodeModule("node:os");
const { dirname, join } = nodeModule("node:path");

/** `.run-<random>.lock`. Every process has a file of its own, so that whoever clears away a dead one's removes no other's by mistake. */
const lockName = /^\.run-[0-9a-f]{8}\.lock$/;

/** Of a lock file: who writes into the directory. */
export interface Holder {
  file: string;
  pid?: number;
  host?: string;
  /** As `startOf` tells it. */
  start?: string;
  /** ISO 8601. */
  since?: string;
}

/** How long those that began in the same moment, but later, are given to step back. */
const PATIENCE_MS = 3000;
const LOOK_EVERY_MS = 50;

/**
 * Makes this process the only one that writes into a directory, until the function that it resolves to is called, or the process ends.
 * What a dead process left is taken over.
 * @throws OptionError if another process holds the directory, or may hold it: one of another machine cannot be asked.
 */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  const { pid } = process;
  const file = join(directory, `.run-${randomUUID().slice(0, 8)}.lock`);
  const own: Holder = { file, pid, host: hostname(), start: await startOf(pid), since: new Date().toISOString() };
  const { file: _, ...told } = own;
  await writeFileAtomic(file, `${JSON.stringify(told)}\n`);
  removeAtExit(file);
  const release = async (): Promise<void> => {
    await rm(file, { force: true });
    keepAtExit(file);
  };
  try {
    await standAlone(own);
    return release;
  } catch (error) {
    await release();
    throw error;
  }
}

/**
 * Whoever puts his file first and looks second cannot miss another who does the same: nobody goes on who sees another. Of several that begin at once the
 * earliest waits, the others step back.
 */
async function standAlone(own: Holder): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  for (let rivals = await liveRivals(own); rivals.length > 0; rivals = await liveRivals(own)) {
    const stronger = rivals.find((rival) => isBefore(rival, own));
    if (stronger || performance.now() > deadline) throw new OptionError(`${dirname(own.file)} is in use: ${describeHolder(stronger ?? rivals[0])}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** Of a file without a time it is taken to be so. */
const isBefore = (a: Holder, b: Holder): boolean => a.since === undefined || a.since < b.since! || (a.since === b.since && a.file < b.file);

/** Those whose process is dead are cleared away. */
async function liveRivals({ file }: Holder): Promise<Holder[]> {
  const others = (await holders(dirname(file))).filter((other) => other.file !== file);
  const alive = await Promise.all(others.map(mayLive));
  await Promise.all(others.filter((_, i) => !alive[i]).map((other) => rm(other.file, { force: true })));
  return others.filter((_, i) => alive[i]);
}

/** Who writes into a directory, if somebody does or may. */
export async function holderOf(directory: string): Promise<Holder | undefined> {
  for (const holder of await holders(directory)) if (await mayLive(holder)) return holder;
  return undefined;
}

export function describeHolder({ file, pid, host, since }: Holder): string {
  if (pid === undefined) return `${file} is there, and does not say of which process; if no training runs there, remove it`;
  const who = `process ${pid}${host === hostname() ? "" : ` of the machine ${host}`} trains there since ${since}`;
  return host === hostname() ? who : `${who}; whether it still does cannot be seen from here. If it does not, remove ${file}`;
}

async function holders(directory: string): Promise<Holder[]> {
  const files = (await readdir(directory)).filter((name) => lockName.test(name)).map((name) => join(directory, name));
  return (await Promise.all(files.map(readLock))).flat();
}

/** None if it is gone by now. */
async function readLock(file: string): Promise<Holder[]> {
  try {
    const { pid, host, start, since } = JSON.parse(await readFile(file, "utf8"));
    return [Number.isSafeInteger(pid) && pid > 0 && typeof host === "string" && typeof since === "string" ? { file, pid, host, start, since } : { file }];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    if (error instanceof SyntaxError) return [{ file }];
    throw error;
  }
}

async function mayLive({ pid, host, start }: Holder): Promise<boolean> {
  if (pid === undefined || host !== hostname()) return true;
  if (!isAlive(pid)) return false;
  // The number may have been given to another process since.
  return start === undefined || (await startOf(pid)) === start;
}
