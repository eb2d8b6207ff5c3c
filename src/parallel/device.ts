import { defaultThreads } from "../device/cpu/threads.ts";
import type { DeviceOptions } from "../device/open.ts";
import { type Environment, ranksOf } from "./ranks.ts";

/** What one of several processes of a machine opens, where all were told the same: of GPUs its own, of the cores of the cpu its share. */
export function deviceOfRank(name: string | undefined, options: DeviceOptions, env: Environment = process.env): [string | undefined, DeviceOptions] {
  if (!["cuda", "cpu", "auto", undefined].includes(name)) return [name, options];
  const { size, localRank, localSize = 1 } = ranksOf(env);
  if (size === 1) return [name, options];
  if (name === "cuda") return [`cuda:${localRank}`, options];
  return [name, { ...options, threads: options.threads ?? Math.max(1, Math.floor(defaultThreads() / localSize)) }];
}
