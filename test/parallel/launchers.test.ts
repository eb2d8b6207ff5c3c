import { execFile, spawnSync } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { describeWithPython, runPython } from "../python.ts";
import { bundled } from "./processes.ts";

const script = bundled("deeds");
const command = [process.execPath, script, JSON.stringify({ deeds: Object.fromEntries([0, 1, 2].map((rank) => [rank, "allReduce:1000,broadcast:1,barrier,dispose"])) })];
/** What three processes print that did all of it. */
const allDid = (stdout: string): void => expect(stdout.split("\n").filter((line) => line === '{"done":true}')).toHaveLength(3);

describeWithPython("torchrun", ["torch"], () => {
  it.each([["as one node", []], ["by a rendezvous", ["--nnodes=1", "--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0"]]])("starts our processes %s", async (_, options) => {
    allDid(await runPython(["-m", "torch.distributed.run", "--nproc-per-node=3", ...options, "--no-python", ...command]));
  }, 60_000);
});

describe.each([
  ["Open MPI's mpirun", "mpirun.openmpi", ["--oversubscribe", "-n", "3"], { OMPI_ALLOW_RUN_AS_ROOT: "1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1" }],
  ["MPICH's mpiexec", "mpiexec.hydra", ["-n", "3"], {}],
])("%s", (_, launcher, options, env) => {
  const isHere = spawnSync(launcher, ["--version"]).status === 0;
  it.skipIf(!isHere)(`starts our processes${isHere ? "" : ` (skipped: there is no ${launcher})`}`, async () => {
    const { stdout } = await promisify(execFile)(launcher, [...options, ...command], { env: { ...process.env, ...env } });
    allDid(stdout);
  }, 60_000);
});
