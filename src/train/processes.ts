import { nodeModule } from "../runtime.ts";

const { readFile } = nodeModule("node:fs/promises");
const { rmdirSync, rmSync } = nodeModule("node:fs");

/** Whether a process of this machine runs. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/**
 * When a process began, as a text that no other process of its number has: the boot and the clock tick, from Linux's /proc (proc(5)). Undefined
 * elsewhere and for processes that are gone or wait to be buried.
 */
export async function startOf(pid: number): Promise<string | undefined> {
  try {
    const [boot, stat] = await Promise.all(["/proc/sys/kernel/random/boot_id", `/proc/${pid}/stat`].map((path) => readFile(path, "utf8")));
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return ["Z", "X"].includes(fields[0]) ? undefined : `${boot.trim()} ${fields[19]}`;
  } catch {
    return undefined;
  }
}

const doomed = new Map<string, "file" | "directory">();
let listening = false;

/** Removes a file, or a directory if it is empty then, when this process exits, however it comes to that but by a kill. */
export function removeAtExit(path: string, kind: "file" | "directory" = "file"): void {
  if (!listening) process.on("exit", () => [...doomed].sort(filesFirst).forEach(removeNow));
  listening = true;
  doomed.set(path, kind);
}

export function keepAtExit(path: string): void {
  doomed.delete(path);
}

type Doomed = [path: string, kind: "file" | "directory"];

/** Then the innermost directories. */
const filesFirst = ([a, kindA]: Doomed, [b, kindB]: Doomed): number => (kindA === kindB ? b.length - a.length : kindA === "file" ? -1 : 1);

function removeNow([path, kind]: Doomed): void {
  try {
    if (kind === "file") rmSync(path, { force: true });
    else rmdirSync(path);
  } catch {
    // An exit has nobody to tell.
  }
}
