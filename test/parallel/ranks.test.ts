import { describe, expect, it } from "vitest";
import { defaultThreads } from "../../src/device/cpu/threads.ts";
import { ParallelError } from "../../src/errors.ts";
import { deviceOfRank } from "../../src/parallel/device.ts";
import { ranksOf } from "../../src/parallel/ranks.ts";
import { firstHost, tasksOfNode } from "../../src/parallel/slurm.ts";

const torchrun = { RANK: "5", WORLD_SIZE: "8", LOCAL_RANK: "1", LOCAL_WORLD_SIZE: "4", MASTER_ADDR: "node-a", MASTER_PORT: "29500" };
const openMpi = { OMPI_COMM_WORLD_RANK: "1", OMPI_COMM_WORLD_SIZE: "2", OMPI_COMM_WORLD_LOCAL_RANK: "1", OMPI_COMM_WORLD_LOCAL_SIZE: "2", PMIX_NAMESPACE: "prterun-a-17@1" };
const pmi = { PMI_RANK: "2", PMI_SIZE: "4", MPI_LOCALRANKID: "0", MPI_LOCALNRANKS: "2", MASTER_ADDR: "node-a" };
const slurm = { SLURM_PROCID: "3", SLURM_NTASKS: "5", SLURM_LOCALID: "0", SLURM_NODEID: "1", SLURM_TASKS_PER_NODE: "3,2", SLURM_JOB_NODELIST: "gpu[03-05,9]", SLURM_JOB_ID: "4711", SLURM_STEP_ID: "0" };

const without = <T extends object>(env: T, ...names: string[]): Record<string, string> => Object.fromEntries(Object.entries(env).filter(([name]) => !names.includes(name)));/** What a batch script itself is given. */
const batchScript = { ...without(slurm, "SLURM_STEP_ID"), SLURM_PROCID: "0" };
const refused = (env: Record<string, string>): string => {
  try {
    ranksOf(env);
  } catch (error) {
    expect(error).toBeInstanceOf(ParallelError);
    return (error as Error).message;
  }
  return "accepted";
};

describe("ranks by the environment", () => {
  it("are those of torchrun", () => {
    expect(ranksOf(torchrun)).toEqual({ rank: 5, size: 8, localRank: 1, localSize: 4, address: "node-a", port: 29500, launcher: "torchrun" });
    expect(ranksOf(without(torchrun, "LOCAL_WORLD_SIZE"))).toMatchObject({ localRank: 1, localSize: undefined });
  });

  it("leave torchrun's own port alone", () => {
    const agent = { ...torchrun, TORCHELASTIC_USE_AGENT_STORE: "True" };
    expect(ranksOf(agent).port).toBe(29501);
    expect(ranksOf({ ...agent, MASTER_PORT: "65535" }).port).toBe(65534);
    expect(ranksOf({ ...torchrun, TORCHELASTIC_USE_AGENT_STORE: "False" }).port).toBe(29500);
    expect(ranksOf({ ...agent, SPIKEFOLD_PORT: "1234" }).port).toBe(1234);
  });

  it("are those of Open MPI and PMI", () => {
    expect(ranksOf(openMpi)).toMatchObject({ rank: 1, size: 2, localRank: 1, localSize: 2, address: "127.0.0.1", launcher: "Open MPI" });
    expect(ranksOf({ ...openMpi, OMPI_COMM_WORLD_LOCAL_SIZE: "1", OMPI_COMM_WORLD_LOCAL_RANK: "0", MASTER_ADDR: "node-b", MASTER_PORT: "77" })).toMatchObject({ address: "node-b", port: 77 });
    expect(ranksOf(pmi)).toMatchObject({ rank: 2, size: 4, localRank: 0, localSize: 2, address: "node-a", launcher: "PMI" });
    // srun with PMI-2 says where in the host by its own variable.
    expect(ranksOf({ ...slurm, PMI_RANK: "3", PMI_SIZE: "5" })).toMatchObject({ rank: 3, localRank: 0, address: "gpu03", launcher: "PMI" });
  });

  it("are those of Slurm", () => {
    const { port, ...ranks } = ranksOf(slurm);
    expect(ranks).toEqual({ rank: 3, size: 5, localRank: 0, localSize: 2, address: "gpu03", launcher: "Slurm" });
    expect(ranksOf({ ...slurm, SLURM_PROCID: "0" }).port).toBe(port);
    expect(ranksOf({ ...slurm, SLURM_JOB_ID: "4712" }).port).not.toBe(port);
    expect(ranksOf({ ...slurm, SLURM_STEP_ID: "1" }).port).not.toBe(port);
    expect(port).toBeGreaterThanOrEqual(20_000);
    expect(port).toBeLessThan(30_000);
    expect(ranksOf({ ...slurm, SLURM_STEP_NUM_TASKS: "4", SLURM_STEP_NODELIST: "gpu04", SLURM_LAUNCH_NODE_IPADDR: "10.0.0.1" })).toMatchObject({ size: 4, address: "gpu04" });
    expect(ranksOf({ ...without(slurm, "SLURM_JOB_NODELIST"), SLURM_LAUNCH_NODE_IPADDR: "10.0.0.1" }).address).toBe("10.0.0.1");
    expect(ranksOf({ ...slurm, MASTER_ADDR: "node-c", MASTER_PORT: "99" })).toMatchObject({ address: "node-c", port: 99 });
  });

  it("are those of the launcher that is nearest", () => {
    // mpirun and torchrun within a batch job, whose own variables say rank 0 of all tasks.
    expect(ranksOf({ ...batchScript, ...openMpi })).toMatchObject({ rank: 1, size: 2, launcher: "Open MPI" });
    expect(ranksOf({ ...batchScript, ...torchrun })).toMatchObject({ rank: 5, size: 8, launcher: "torchrun" });
  });

  it("are one process without a launcher", () => {
    const alone = { rank: 0, size: 1, localRank: 0, localSize: 1, launcher: "none" };
    expect(ranksOf({})).toMatchObject(alone);
    expect(ranksOf({ WORLD_SIZE: "1", MASTER_ADDR: "x", RANK: "" })).toMatchObject(alone);
    expect(ranksOf({ ...batchScript, SLURM_NTASKS: "1" })).toMatchObject(alone);
    // An allocation in which nothing was started by srun yet.
    expect(ranksOf({ SLURM_NTASKS: "4", SLURM_JOB_ID: "1" })).toMatchObject(alone);
    expect(ranksOf({ RANK: "0", WORLD_SIZE: "1" })).toMatchObject({ ...alone, launcher: "torchrun", localSize: undefined });
  });

  it("are refused where they are incomplete", () => {
    for (const name of ["WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"]) expect(refused(without(torchrun, name))).toMatch(new RegExp(`^RANK is set, as by torchrun, and ${name} is not: set it to `));
    expect(refused(without(torchrun, "RANK"))).toMatch(/^WORLD_SIZE is 8, and no rank is set/);
    expect(refused(without(openMpi, "OMPI_COMM_WORLD_SIZE"))).toContain("OMPI_COMM_WORLD_SIZE is not");
    expect(refused(without(openMpi, "OMPI_COMM_WORLD_LOCAL_SIZE"))).toContain("MASTER_ADDR is not");
    expect(refused(without(pmi, "MPI_LOCALRANKID"))).toContain("MPI_LOCALRANKID or SLURM_LOCALID is not");
    expect(refused(without(slurm, "SLURM_NTASKS"))).toContain("SLURM_STEP_NUM_TASKS or SLURM_NTASKS or SLURM_NPROCS is not");
    expect(refused(without(slurm, "SLURM_JOB_NODELIST"))).toContain("MASTER_ADDR is not");
    expect(refused(batchScript)).toMatch(/^SLURM_PROCID is set, by Slurm, and SLURM_STEP_ID is not: .* in a job of 5 tasks\. Start all of them by srun, or, for this one alone, unset SLURM_PROCID$/);
  });

  it("are refused where they contradict each other", () => {
    expect(refused({ ...torchrun, RANK: "8" })).toMatch(/^RANK is 8 and WORLD_SIZE is 8: expected a rank from 0/);
    expect(refused({ ...torchrun, WORLD_SIZE: "0" })).toContain("WORLD_SIZE is 0");
    expect(refused({ ...torchrun, LOCAL_RANK: "4" })).toContain("rank 5 of 8 is process 4 of 4 on its host, by LOCAL_RANK");
    expect(refused({ ...torchrun, LOCAL_WORLD_SIZE: "9" })).toContain("process 1 of 9");
    for (const text of ["-1", "1.5", "one", "1e3", " 1", "99999999999"]) expect(refused({ ...torchrun, RANK: text })).toBe(`RANK is ${JSON.stringify(text)}: expected an integer ≥ 0`);
    for (const [name, value] of [["MASTER_PORT", "0"], ["MASTER_PORT", "65536"], ["SPIKEFOLD_PORT", "70000"]]) expect(refused({ ...torchrun, [name]: value })).toBe(`${name} is ${value}: expected a port, from 1 to 65535`);
  });
});

describe("the device of a rank", () => {
  it("is its own GPU, or its share of the cores", () => {
    expect(deviceOfRank("cuda", { fmad: true }, torchrun)).toEqual(["cuda:1", { fmad: true }]);
    const share = Math.max(1, Math.floor(defaultThreads() / 4));
    for (const name of ["cpu", "auto", undefined]) expect(deviceOfRank(name, {}, torchrun)).toEqual([name, { threads: share }]);
    expect(deviceOfRank("cpu", { threads: 7 }, torchrun)).toEqual(["cpu", { threads: 7 }]);
  });

  it("is what was asked for, where that says which, or there is one process", () => {
    for (const name of ["cuda:0", "webgpu", "nonsense"]) expect(deviceOfRank(name, {}, { RANK: "x" })).toEqual([name, {}]);
    for (const name of ["cuda", "cpu", undefined]) expect(deviceOfRank(name, {}, {})).toEqual([name, {}]);
  });
});

describe("Slurm's lists", () => {
  it.each([
    ["node1", "node1"], ["node1,node2", "node1"], ["gpu[03-05,9]", "gpu03"], ["gpu[9,03-05],login", "gpu9"], ["a-[1-3].cluster.org,b", "a-1.cluster.org"], ["rack[1-2]node[010-020]", "rack1node010"], ["10.0.0.7", "10.0.0.7"],
  ])("%s begin with %s", (list, first) => expect(firstHost(list)).toBe(first));

  it.each(["", ",a", "gpu[", "gpu[]", "gpu[a-b]", "gpu[1-2", "a b", "gpu]1["])("are refused: %j", (list) => expect(() => firstHost(list)).toThrow(/the list of Slurm's nodes is/));

  it("of tasks have one number for each node", () => {
    expect([0, 1, 2, 3, 4].map((node) => tasksOfNode("2(x3),1", node))).toEqual([2, 2, 2, 1, undefined]);
    expect(tasksOfNode("8", 0)).toBe(8);
    expect(tasksOfNode("nonsense", 0)).toBe(undefined);
    expect(tasksOfNode("2(x999999999)", 1)).toBe(2);
  });
});
