import { ParallelError } from "../errors.ts";

/**
 * The first host of a Slurm list: "gpu03" of "gpu[03-05,9],login".
 * @throws ParallelError if it is none
 */
export function firstHost(list: string): string {
  const name = /^([\w.-]+|[\w.-]*(?:\[\d[\d,-]*\][\w.-]*)+)(?:,|$)/.exec(list)?.[1];
  if (name === undefined) throw new ParallelError(`the list of Slurm's nodes is ${JSON.stringify(list)}: expected names such as "node1,node2" or "gpu[03-05,9]"; or set MASTER_ADDR to the host of rank 0`);
  return name.replaceAll(/\[(\d+)[^\]]*\]/g, "$1");
}

/** The n-th of Slurm's counts of tasks a node, "2(x3),1". Undefined if there is none. */
export function tasksOfNode(counts: string, node: number): number | undefined {
  const each = counts.split(",").flatMap((part) => {
    const [, tasks, times = "1"] = /^(\d+)(?:\(x(\d+)\))?$/.exec(part) ?? [];
    return tasks === undefined ? [] : Array.from({ length: Math.min(Number(times), node + 1) }, () => Number(tasks));
  });
  return each.at(node);
}
