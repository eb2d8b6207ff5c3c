import type { Device } from "../device/device.ts";
import { inNode, nodeModule } from "../runtime.ts";
import { version } from "../version.ts";

/** Where a training ran: what must be known to compare its times, or to run it again. */
export async function environment({ name, description }: Device): Promise<Record<string, string | number>> {
  const about = { device: `${name}: ${description}`, spikefold: version };
  const date = new Date().toISOString().slice(0, 16).replace("T", " ");
  if (!inNode) return { ...about, processor: `${navigator.hardwareConcurrency} threads`, browser: navigator.userAgent, date };
  const { cpus, availableParallelism } = nodeModule("node:os");
  const commit = await commitOfDirectory();
  return {
    ...about,
    ...(commit === undefined ? {} : { commit }),
    processor: `${cpus()[0]?.model.trim() || "unknown"}, ${availableParallelism()} cores`,
    node: process.version,
    system: `${process.platform} ${process.arch}`,
    date,
  };
}

/** The commit of the repository that the working directory belongs to, with "-dirty" if files differ from it; undefined without one, or without git. */
function commitOfDirectory(): Promise<string | undefined> {
  const { execFile } = nodeModule("node:child_process");
  // A file system monitor is a program that the repository's own settings name.
  const args = ["-c", "core.fsmonitor=false", "describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"];
  return new Promise((resolve) => execFile("git", args, { timeout: 5000 }, (error, output) => resolve(error ? undefined : output.trim() || undefined)));
}
