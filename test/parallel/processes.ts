import { buildSync } from "esbuild";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";
import { kernelCache, standIn } from "../cuda-stand-in/build.mjs";

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** Milliseconds since its start. */
  after: number;
}

export interface Process {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves when its standard output has that text. */
  says(text: string): Promise<void>;
}

/** A port that nobody listens at. */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** Where what runs finds packages. */
const cache = fileURLToPath(new URL("../../node_modules/.cache/spikefold", import.meta.url));

const library = standIn();
/** What processes with a device "cuda" of the stand-in are given: null where there is no compiler for it. */
export const cudaEnvironment = library === null ? null : { SPIKEFOLD_TEST: "1", SPIKEFOLD_CUDA_STAND_IN: library, XDG_CACHE_HOME: kernelCache() };

/** A script of test/parallel/scripts with all that it imports but packages in one file: what runs is the sources as they are. */
export function bundled(name: string): string {
  mkdirSync(cache, { recursive: true });
  const directory = mkdtempSync(join(cache, "ranks-"));
  afterAll(() => rmSync(directory, { recursive: true }));
  const outfile = join(directory, `${name}.mjs`);
  buildSync({ entryPoints: [fileURLToPath(new URL(`scripts/${name}.ts`, import.meta.url))], outfile, bundle: true, format: "esm", platform: "node", target: "es2022", external: ["koffi", "webgpu", "@jax-js/*"] });
  return outfile;
}

export function start(script: string, args: readonly string[], env: Record<string, string>): Process {
  const began = performance.now();
  const child = spawn(process.execPath, [script, ...args], { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  const listeners = new Set<() => void>();
  child.stdout!.on("data", (text) => {
    stdout += text;
    for (const listener of listeners) listener();
  });
  child.stderr!.on("data", (text) => (stderr += text));
  const ended = new Promise<Ended>((resolve) => child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr, after: performance.now() - began })));
  const says = (text: string): Promise<void> => new Promise((resolve, reject) => {
    const look = (): void => void (stdout.includes(text) && resolve());
    listeners.add(look);
    look();
    void ended.then(() => reject(new Error(`it ended without saying ${text}: ${stdout}${stderr}`)));
  });
  return { child, ended, says };
}

/** Starts `size` processes of a script as torchrun would. */
export async function startRanks(script: string, size: number, args: readonly string[], more: Record<string, string> = {}): Promise<Process[]> {
  const port = await freePort();
  return Array.from({ length: size }, (_, rank) => start(script, args, {
    RANK: String(rank), WORLD_SIZE: String(size), LOCAL_RANK: String(rank), MASTER_ADDR: "127.0.0.1", MASTER_PORT: String(port), ...more,
  }));
}

/** Runs `size` processes to their ends. */
export async function runRanks(script: string, size: number, args: readonly string[], more: Record<string, string> = {}): Promise<Ended[]> {
  return Promise.all((await startRanks(script, size, args, more)).map(({ ended }) => ended));
}
