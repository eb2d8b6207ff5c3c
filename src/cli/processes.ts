import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createServer } from "node:net";
import { constants } from "node:os";
import { createInterface } from "node:readline";
import { say } from "./output.ts";

/** Milliseconds that the others have to end by themselves, and then by SIGTERM. */
const GRACE = 2000;
const PATIENCE = 5000;

/** What ends a process whose launcher is gone, before anything else of it runs. A group of its own keeps the terminal's Ctrl-C away: the launcher hands it on once. */
const LEASH = 'process.once("disconnect", () => process.exit(1)); process.channel?.unref();';

/**
 * Runs a script of Node's as `size` processes with torchrun's variables. Rank 0's output passes through, the others' goes to standard error line by line. If one fails, so do all: the others
 * end by themselves, as they miss it, or are ended.
 * @returns the exit code of the first that failed, 128 and its number for a signal, or 0
 */
export async function runProcesses(size: number, command: readonly string[]): Promise<number> {
  const port = await freePort();
  const token = randomBytes(16).toString("hex");
  const running = new Map<number, ChildProcess>();
  const timers: NodeJS.Timeout[] = [];
  let code = 0;
  let ending = false;
  let interrupts = 0;

  const endAll = (signal: NodeJS.Signals): void => {
    for (const child of running.values()) sendTo(child, signal);
  };
  const onExit = (): void => endAll("SIGKILL");
  const onSignal = (signal: NodeJS.Signals): void => {
    ending = true;
    interrupts++;
    // Ranks stop in order at the first, at once at the second.
    endAll(interrupts > 2 ? "SIGKILL" : signal);
  };
  const failed = (rank: number, exit: number | null, signal: NodeJS.Signals | null): void => {
    code ||= exit ?? 128 + constants.signals[signal!];
    if (ending) return;
    say(`spikefold: launch: rank ${rank} ${signal ? `was ended by ${signal}` : `failed with exit code ${exit}`}${size > 1 ? "; ending the others" : ""}\n`);
    ending = true;
    timers.push(setTimeout(endAll, GRACE, "SIGTERM"), setTimeout(endAll, GRACE + PATIENCE, "SIGKILL"));
  };

  process.on("exit", onExit);
  for (const signal of SIGNALS) process.on(signal, onSignal);
  try {
    await Promise.all(Array.from({ length: size }, (_, rank) => new Promise<void>((resolve, reject) => {
      const child = startRank(rank, command, { RANK: rank, WORLD_SIZE: size, LOCAL_RANK: rank, LOCAL_WORLD_SIZE: size, MASTER_ADDR: "127.0.0.1", MASTER_PORT: port, SPIKEFOLD_TOKEN: token });
      running.set(rank, child);
      child.once("error", reject);
      child.once("exit", (exit, signal) => {
        // What it started and left.
        sendTo(child, "SIGKILL");
        running.delete(rank);
        if (exit !== 0) failed(rank, exit, signal);
      });
      child.once("close", () => resolve());
    })));
    return code;
  } finally {
    endAll("SIGKILL");
    for (const timer of timers) clearTimeout(timer);
    process.off("exit", onExit);
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const hasGroups = process.platform !== "win32";

function startRank(rank: number, command: readonly string[], variables: Record<string, string | number>): ChildProcess {
  const { TORCHELASTIC_USE_AGENT_STORE: _, ...env } = process.env;
  const child = spawn(process.execPath, [...process.execArgv, "--import", `data:text/javascript,${encodeURIComponent(LEASH)}`, ...command], {
    env: { ...env, ...Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, String(value)])) },
    stdio: rank === 0 ? ["ignore", "inherit", "inherit", "ipc"] : ["ignore", "pipe", "pipe", "ipc"],
    detached: hasGroups,
  });
  for (const stream of [child.stdout, child.stderr]) if (stream) createInterface(stream).on("line", (line) => say(`[rank ${rank}] ${line}\n`));
  return child;
}

/** To a process and all that it started. */
function sendTo({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(hasGroups ? -pid : pid, signal);
  } catch {
    // It has ended.
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject).listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
