import { checkArgument, object } from "../check.ts";
import { ParallelError } from "../errors.ts";
import { fnv1a } from "../fnv.ts";
import { firstHost, tasksOfNode } from "./slurm.ts";

/** Where this process stands among those that a launcher started. */
export interface Ranks {
  /** From 0 to `size` − 1. */
  rank: number;
  size: number;
  /** Among the processes of this host: the number of its GPU. */
  localRank: number;
  /** Processes on this host, where the launcher tells. */
  localSize?: number;
  /** The host of rank 0, and the port where it awaits the others. */
  address: string;
  port: number;
  /** For people. */
  launcher: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Where no launcher says otherwise. */
const DEFAULT_PORT = 29_411;
/** Ports that are made of a job's name: below those that systems give away by themselves. */
const FIRST_PORT = 20_000;
const PORTS = 10_000;

/** What one launcher calls its variables. */
interface Launcher {
  name: string;
  rank: readonly string[];
  size: readonly string[];
  localRank: readonly string[];
  localSize: readonly string[];
  /** All processes of a job have the same, and no two jobs. */
  job: readonly string[];
}

/** The first whose variable of the rank is set counts: a launcher within another's job is the one that knows. */
const LAUNCHERS: readonly Launcher[] = [
  { name: "torchrun", rank: ["RANK"], size: ["WORLD_SIZE"], localRank: ["LOCAL_RANK"], localSize: ["LOCAL_WORLD_SIZE"], job: [] },
  {
    name: "Open MPI", rank: ["OMPI_COMM_WORLD_RANK"], size: ["OMPI_COMM_WORLD_SIZE"], localRank: ["OMPI_COMM_WORLD_LOCAL_RANK"], localSize: ["OMPI_COMM_WORLD_LOCAL_SIZE"],
    job: ["PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid", "OMPI_MCA_orte_ess_jobid"],
  },
  { name: "PMI", rank: ["PMI_RANK"], size: ["PMI_SIZE"], localRank: ["MPI_LOCALRANKID", "SLURM_LOCALID"], localSize: ["MPI_LOCALNRANKS"], job: ["PMI_JOBID", "SLURM_JOB_ID"] },
  { name: "Slurm", rank: ["SLURM_PROCID"], size: ["SLURM_STEP_NUM_TASKS", "SLURM_NTASKS", "SLURM_NPROCS"], localRank: ["SLURM_LOCALID"], localSize: [], job: ["SLURM_JOB_ID", "SLURM_JOBID"] },
];

/**
 * Rank, size and meeting point by the variables of torchrun, Open MPI, PMI (MPICH, Intel MPI) or Slurm; without any, one process alone. MASTER_ADDR and MASTER_PORT count under all of them, and
 * SPIKEFOLD_PORT before any other port. Under torchrun, whose agent itself listens at MASTER_PORT, the port is the next one.
 * @throws ParallelError if what is set is incomplete or contradicts itself
 */
export function ranksOf(env: Environment = process.env): Ranks {
  checkArgument("ranksOf", "env", env, object, ParallelError);
  const launcher = LAUNCHERS.find(({ rank }) => given(env, rank) !== undefined);
  if (!launcher) return alone(env);
  const { name } = launcher;
  if (name === "Slurm" && given(env, ["SLURM_STEP_ID", "SLURM_STEPID"]) === undefined) return ofBatchScript(env, launcher);
  const needed = (names: readonly string[], what: string): number => {
    const found = given(env, names);
    if (found === undefined) throw new ParallelError(`${launcher.rank[0]} is set, as by ${name}, and ${names.join(" or ")} is not: set it to ${what}`);
    return count(env, found);
  };
  const rank = count(env, launcher.rank[0]);
  const size = needed(launcher.size, "the number of processes");
  if (size < 1 || rank >= size) throw new ParallelError(`${launcher.rank[0]} is ${rank} and ${given(env, launcher.size)} is ${size}: expected a rank from 0 to the number of processes − 1`);
  const localRank = size === 1 && given(env, launcher.localRank) === undefined ? 0 : needed(launcher.localRank, "the place among the processes of this host, from 0");
  const localSize = localSizeOf(env, launcher);
  if (localRank >= Math.min(size, localSize ?? size) || (localSize ?? 0) > size) {
    throw new ParallelError(`rank ${rank} of ${size} is process ${localRank} of ${localSize ?? "?"} on its host, by ${given(env, launcher.localRank)}: expected a number below that of the processes there`);
  }
  return { rank, size, localRank, localSize, address: addressOf(env, launcher, size, localSize), port: portOf(env, launcher, size), launcher: name };
}

/** What a batch script runs itself has a rank among all tasks of the job, whether or not anybody starts the others. */
function ofBatchScript(env: Environment, { rank, size }: Launcher): Ranks {
  const tasks = given(env, size);
  if (tasks === undefined || count(env, tasks) === 1) return alone(env);
  throw new ParallelError(`${rank[0]} is set, by Slurm, and SLURM_STEP_ID is not: this is one process, which the batch script itself started, in a job of ${env[tasks]} tasks. Start all of them by srun, or, for this one alone, unset ${rank[0]}`);
}

function alone(env: Environment): Ranks {
  const found = given(env, ["WORLD_SIZE", "LOCAL_RANK", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE"]);
  if (found !== undefined && env[found] !== "1" && env[found] !== "0") throw new ParallelError(`${found} is ${env[found]}, and no rank is set: set RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT, as torchrun does`);
  return { rank: 0, size: 1, localRank: 0, localSize: 1, address: "127.0.0.1", port: portOf(env, undefined, 1), launcher: "none" };
}

/** The first of the variables that is set. */
const given = (env: Environment, names: readonly string[]): string | undefined => names.find((name) => env[name] !== undefined && env[name] !== "");

function count(env: Environment, name: string): number {
  const text = env[name]!;
  if (!/^\d{1,9}$/.test(text)) throw new ParallelError(`${name} is ${JSON.stringify(text)}: expected an integer ≥ 0`);
  return Number(text);
}

function localSizeOf(env: Environment, { name, localSize }: Launcher): number | undefined {
  const found = given(env, localSize);
  if (found !== undefined) return count(env, found);
  const counts = given(env, ["SLURM_STEP_TASKS_PER_NODE", "SLURM_TASKS_PER_NODE"]);
  return name === "Slurm" && counts !== undefined && given(env, ["SLURM_NODEID"]) !== undefined ? tasksOfNode(env[counts]!, count(env, "SLURM_NODEID")) : undefined;
}

function addressOf(env: Environment, { name, rank }: Launcher, size: number, localSize: number | undefined): string {
  if (given(env, ["MASTER_ADDR"])) return env.MASTER_ADDR!;
  if (size === 1 || size === localSize) return "127.0.0.1";
  const nodes = name === "torchrun" ? undefined : given(env, ["SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST", "SLURM_NODELIST"]);
  if (nodes !== undefined) return firstHost(env[nodes]!);
  if (name === "Slurm" && given(env, ["SLURM_LAUNCH_NODE_IPADDR"])) return env.SLURM_LAUNCH_NODE_IPADDR!;
  throw new ParallelError(`${rank[0]} is set, as by ${name}, and MASTER_ADDR is not: set it to the host of rank 0, on all ranks`);
}

function portOf(env: Environment, launcher: Launcher | undefined, size: number): number {
  if (given(env, ["SPIKEFOLD_PORT"])) return port(env, "SPIKEFOLD_PORT");
  if (given(env, ["MASTER_PORT"])) {
    const master = port(env, "MASTER_PORT");
    if (env.TORCHELASTIC_USE_AGENT_STORE !== "True") return master;
    return master < 65_535 ? master + 1 : master - 1;
  }
  if (launcher?.name === "torchrun" && size > 1) throw new ParallelError("RANK is set, as by torchrun, and MASTER_PORT is not: set it to a port that is free on the host of rank 0, on all ranks");
  const job = launcher && given(env, launcher.job);
  if (job === undefined) return DEFAULT_PORT;
  return FIRST_PORT + (Number.parseInt(fnv1a(new TextEncoder().encode(`${env[job]}.${env.SLURM_STEP_ID ?? ""}`)), 16) % PORTS);
}

function port(env: Environment, name: string): number {
  const value = count(env, name);
  if (value < 1 || value > 65_535) throw new ParallelError(`${name} is ${value}: expected a port, from 1 to 65535`);
  return value;
}
