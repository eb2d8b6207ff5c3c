import { execFile } from "node:child_process";
import { describe, expect, it } from "vitest";
import { isBuilt, needsBuild, root } from "../built.ts";
import { standIn } from "./build.mjs";

/** Exit code and output of scripts/cuda-stand-in.mjs. */
function run(args: string[], env: Record<string, string> = {}): Promise<{ code: unknown; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, ["scripts/cuda-stand-in.mjs", ...args], { cwd: root, env: { ...process.env, ...env }, timeout: 60_000 }, (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr }));
  });
}

describe.skipIf(standIn() === null)("scripts/cuda-stand-in.mjs", () => {
  it.skipIf(!isBuilt)(needsBuild("runs a command of the built package on the stand-in"), async () => {
    const { stdout } = await run(["--", process.execPath, "dist/cli/main.js", "devices", "--json"]);
    const { devices } = JSON.parse(stdout) as { devices: { name: string; description: string }[] };
    expect(devices.filter(({ description }) => description.startsWith("stand-in, no GPU")).map(({ name }) => name)).toEqual(["cuda:0", "cuda:1"]);
    const simulated = await run(["--", process.execPath, "dist/cli/main.js", "simulate", "lif", "--device", "cuda", "--steps", "8"], { STAND_IN_CHECKS: "off" });
    expect(simulated).toMatchObject({ code: 0 });
  }, 120_000);

  it("ends as its command ends", async () => {
    expect(await run(["--", process.execPath, "-e", "process.exit(process.env.SPIKEFOLD_CUDA_STAND_IN ? 7 : 1)"])).toMatchObject({ code: 7 });
    expect((await run(["--", "no-such-command"])).stderr).toMatch(/no-such-command did not start/);
  });

  it("says how it is used, and what it needs", async () => {
    expect(await run(["node"])).toMatchObject({ code: 2, stderr: "Usage: node scripts/cuda-stand-in.mjs -- COMMAND [ARGUMENTS]\n" });
    const { code, stderr } = await run(["--", "true"], { STAND_IN_CXX: "no-such-compiler" });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^There is no stand-in for CUDA here: it is built by no-such-compiler, which does not run.*Install g\+\+\.$/m);
  });
});
