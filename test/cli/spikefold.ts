import { spawn } from "node:child_process";
import { join } from "node:path";
import { root } from "../built.ts";

/** The built command: `npm test` builds it first. */
export const main = join(root, "dist/cli/main.js");

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface CallOptions {
  cwd?: string;
  env?: Record<string, string>;
  /** At each piece of stderr, with all of it so far. */
  onStderr?: (text: string, kill: (signal: NodeJS.Signals) => void) => void;
}

/** Runs the command to its end, as a process of its own. */
export function spikefold(args: readonly string[], { cwd, env, onStderr }: CallOptions = {}): Promise<Ended> {
  const child = spawn(process.execPath, [main, ...args], { cwd, env: { ...process.env, ...env } });
  const ended: Ended = { code: null, stdout: "", stderr: "" };
  child.stdout.on("data", (text) => (ended.stdout += text));
  child.stderr.on("data", (text) => {
    ended.stderr += text;
    onStderr?.(ended.stderr, (signal) => child.kill(signal));
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ ...ended, code }));
  });
}
