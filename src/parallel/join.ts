import { checkOptions, kind, integer, object, type OptionKinds, required } from "../check.ts";
import { type Device, deviceKind } from "../device/device.ts";
import { ParallelError } from "../errors.ts";
import { inNode } from "../runtime.ts";
import { alone, type ProcessGroup } from "./group.ts";
import { type Environment, ranksOf } from "./ranks.ts";

export interface JoinOptions {
  /** The device of this process. */
  device: Device;
  /** The variables that the launcher set. Default: those of the process. */
  env?: Environment;
  /** Seconds until all processes must be there. Default: 60. */
  joinTimeout?: number;
  /** Seconds without a sign of life after which a process counts as lost. Default: 10. */
  silenceTimeout?: number;
}

const KINDS: OptionKinds<JoinOptions> = { device: required(deviceKind), env: object, joinTimeout: integer(1, 86_400), silenceTimeout: kind("a number of seconds from 0.5 to 86400", (x) => typeof x === "number" && x >= 0.5 && x <= 86_400) };

/**
 * Joins the processes that torchrun, Slurm, MPI or `spikefold launch` started with this one, as their variables say; one that was started by itself is a group of one. Resolves once all are there.
 * The cpu device sends tensors over TCP sockets, in the clear: for tests and for hosts without GPUs, on networks that are trusted. SPIKEFOLD_TOKEN, where it is set, must be the same for all.
 * @throws ParallelError if the launcher's variables are incomplete or contradict themselves, or if not all processes come together in time
 */
export async function joinGroup(options: JoinOptions): Promise<ProcessGroup> {
  checkOptions("joinGroup", options, KINDS, ParallelError);
  const { device, env = process.env, joinTimeout = 60, silenceTimeout = 10 } = options;
  if (!inNode) throw new ParallelError("joinGroup: several processes can be had in Node only");
  const { rank, size, address, port } = ranksOf(env);
  if (size === 1) return alone();
  const [{ SocketControl }, { SocketGroup }, { CpuContext }] = await Promise.all([import("./socketControl.ts"), import("./socketGroup.ts"), import("../device/cpu/context.ts")]);
  if (!(device instanceof CpuContext)) throw new ParallelError(`joinGroup: the device is ${device.name}: several processes share work on the devices cpu and cuda`);
  const control = await SocketControl.join({ rank, size, address, port, token: env.SPIKEFOLD_TOKEN ?? "", joinLimit: 1000 * joinTimeout, silenceLimit: 1000 * silenceTimeout });
  return new SocketGroup(device, control);
}
