import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UsageError } from "../../src/cli/command.ts";
import { launchCommand } from "../../src/cli/commands/launch.ts";
import { bundled } from "../parallel/processes.ts";
import { type Ended, spikefold } from "./spikefold.ts";

/** What a rank does, by its arguments: "0:exit 3", for each rank. */
const SCRIPT = `
import { spawn } from "node:child_process";
import { setTimeout } from "node:timers/promises";
const { RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT, SPIKEFOLD_TOKEN } = process.env;
const [deed, value] = process.argv.slice(2).find((argument) => argument.startsWith(RANK + ":"))?.slice(2).split(" ") ?? [];
// On one line and of one write each.
process.stderr.write("pid " + process.pid + "\\n");
const stay = () => setTimeout(60_000);
if (deed === "show") console.log(JSON.stringify({ RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, port: Number(MASTER_PORT) > 0, token: SPIKEFOLD_TOKEN.length }));
if (deed === "exit") process.exit(Number(value));
if (deed === "die") process.kill(process.pid, value);
if (deed === "stay") await stay();
if (deed === "stop") process.on("SIGINT", () => process.exit(130));
if (deed === "stop") await stay();
if (deed === "resist") for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => console.log("resists"));
if (deed === "resist") await stay();
if (deed === "parent") {
  const child = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60_000)"], { stdio: "ignore" });
  child.unref();
  process.stderr.write("pid " + child.pid + "\\n");
}
if (deed === "parent" && value === "stay") await stay();
`;

let directory: string;
let script: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "spikefold-launch-"));
  script = join(directory, "rank.mjs");
  await writeFile(script, SCRIPT);
});
afterAll(() => rm(directory, { recursive: true }));

const launch = (deeds: readonly string[], onStderr?: (text: string, kill: (signal: NodeJS.Signals) => void) => void): Promise<Ended> =>
  spikefold(["launch", "--processes", String(deeds.length), script, ...deeds.map((deed, rank) => `${rank}:${deed}`)], { onStderr });

const pidsIn = (stderr: string): number[] => [...stderr.matchAll(/pid (\d+)/g)].map(([, pid]) => Number(pid));
const lives = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};
const none = async (stderr: string): Promise<boolean> => {
  for (let tries = 0; tries < 50 && pidsIn(stderr).some(lives); tries++) await setTimeout(100);
  return !pidsIn(stderr).some(lives);
};
/** Once that many processes said that they run. */
const when = (count: number, act: (kill: (signal: NodeJS.Signals) => void) => void) => {
  let acted = false;
  return (text: string, kill: (signal: NodeJS.Signals) => void): void => {
    if (acted || pidsIn(text).length < count) return;
    acted = true;
    // Handlers are set a moment after that.
    void setTimeout(300).then(() => act(kill));
  };
};

describe("spikefold launch", () => {
  it("runs processes with torchrun's variables and tells their output apart", async () => {
    const { code, stdout, stderr } = await launch(["show", "show", "show"]);
    expect(code).toBe(0);
    const shown = (rank: string): object => ({ RANK: rank, WORLD_SIZE: "3", LOCAL_RANK: rank, LOCAL_WORLD_SIZE: "3", MASTER_ADDR: "127.0.0.1", port: true, token: 32 });
    expect(JSON.parse(stdout)).toEqual(shown("0"));
    for (const rank of ["1", "2"]) expect(JSON.parse(new RegExp(`^\\[rank ${rank}\\] (\\{.*)$`, "m").exec(stderr)![1])).toEqual(shown(rank));
    expect(stderr).toMatch(/^pid \d+$/m);
  });

  it("lets the processes of a group find each other", async () => {
    const { code, stdout } = await spikefold(["launch", "--processes", "2", "--", bundled("collectives")]);
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { rank: 0, size: 2, ring: [1] }]);
  });

  it.each([["exit 3", 3, "failed with exit code 3"], ["die SIGKILL", 137, "was ended by SIGKILL"]])("ends all when one does %s", async (deed, code, words) => {
    const ended = await launch(["stay", deed, "parent stay"]);
    expect(ended.code).toBe(code);
    expect(ended.stderr).toContain(`spikefold: launch: rank 1 ${words}; ending the others`);
    expect(pidsIn(ended.stderr).length).toBe(4);
    expect(await none(ended.stderr)).toBe(true);
  });

  it("ends those that resist", async () => {
    const ended = await launch(["die SIGTERM", "resist"]);
    expect(ended.code).toBe(143);
    expect(ended.stderr).toContain("[rank 1] resists");
    expect(await none(ended.stderr)).toBe(true);
  });

  it("leaves nothing behind that a rank started", async () => {
    const ended = await launch(["parent", "show"]);
    expect([ended.code, pidsIn(ended.stderr).length, await none(ended.stderr)]).toEqual([0, 3, true]);
  });

  it("hands Ctrl-C on, once", async () => {
    const ended = await launch(["stop", "stop"], when(2, (kill) => kill("SIGINT")));
    expect([ended.code, await none(ended.stderr)]).toEqual([130, true]);
    expect(ended.stderr).not.toContain("launch:");
    const resisting = await launch(["resist", "resist"], when(2, async (kill) => {
      for (let i = 0; i < 3; i++, await setTimeout(300)) kill("SIGINT");
    }));
    expect([resisting.code, resisting.stderr.match(/resists/g)?.length, await none(resisting.stderr)]).toEqual([137, 2, true]);
  });

  it("takes its processes with it when it is killed", async () => {
    const ended = await launch(["stay", "stay"], when(2, (kill) => kill("SIGKILL")));
    expect([ended.code, await none(ended.stderr)]).toEqual([null, true]);
  });

  it("refuses what it cannot run", async () => {
    const refusals = {
      "": "--gpus N or --processes N is needed",
      "--gpus 2 --processes 2 train": "one of them",
      "--processes 2": "a command is missing",
      "--processes 0 train": "--processes is \"0\": expected an integer ≥ 1",
      "--process 2 train": "did you mean --processes",
      "--processes 2 trian": "\"trian\" is no command for several processes: did you mean train? expected train, plan-parallel, or a script",
      "--processes 2 -- nowhere.mjs": "there is no script nowhere.mjs",
      "--gpus 2 train mnist --device cpu": "--gpus was given, and --device cpu",
      "--gpus 2 train mnist --device=cpu": "--gpus was given, and --device cpu",
    };
    for (const [line, words] of Object.entries(refusals)) {
      const refusal: unknown = await launchCommand.run(line.split(" ").filter((word) => word !== "")).catch((error: unknown) => error);
      expect(refusal).toBeInstanceOf(UsageError);
      expect((refusal as UsageError).message).toContain(words);
    }
  });

  it("has each process open its own GPU", async () => {
    const { code, stderr } = await spikefold(["launch", "--gpus", "2", "train", "mnist"], { env: { CUDA_VISIBLE_DEVICES: "", SPIKEFOLD_CUDA_STAND_IN: "" } });
    // There is none here: each says which it was to open.
    expect(code).toBe(1);
    expect(stderr).toContain("[rank 1] spikefold: train:");
    expect(stderr).toMatch(/^spikefold: train:/m);
  });
});
