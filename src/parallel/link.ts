import { checkArgument, withMethods } from "../check.ts";
import { type Device, deviceKind, type Tensor } from "../device/device.ts";
import { ParallelError } from "../errors.ts";
import type { ProcessGroup } from "./group.ts";
import type { ParallelLink } from "./workload.ts";

const SMALL = { values: 1, rounds: 32 };
const LARGE = { values: 2 ** 20, rounds: 8 };
const groupKind = withMethods("a process group", "send", "receive", "gather");

/**
 * Measures what a message between rank 0 and rank 1 costs, from the queue of one device to that of the other: messages of 4 bytes and of 4 MiB go to and fro. All ranks call it, with their own device.
 * @throws ParallelError for a group of one, or if a rank is lost
 */
export async function measureLink(group: ProcessGroup, device: Device): Promise<ParallelLink> {
  checkArgument("measureLink", "group", group, groupKind);
  checkArgument("measureLink", "device", device, deviceKind);
  if (group.size < 2) throw new ParallelError("measureLink: the group has one process, so there is no link to measure; start two or more");
  const latency = await halfRound(group, device, SMALL);
  const large = await halfRound(group, device, LARGE);
  const bandwidth = (4 * LARGE.values) / Math.max(large - latency, Number.MIN_VALUE);
  const found = await group.gather(new Uint8Array(Float64Array.of(latency, bandwidth).buffer));
  const [first] = found.map((bytes) => new Float64Array(bytes.slice().buffer));
  return { latency: first[0], bandwidth: first[1] };
}

/** Seconds of a message in one direction, the median over rounds; of ranks beyond the second: 0. */
async function halfRound(group: ProcessGroup, device: Device, { values, rounds }: typeof SMALL): Promise<number> {
  if (group.rank > 1) return 0;
  const there = device.zeros([values]);
  try {
    const times: number[] = [];
    for (let round = -2; round < rounds; round++) {
      await device.synchronize();
      const start = performance.now();
      if (group.rank === 0) group.send(there, 1);
      await received(group, device, there, 1 - group.rank);
      if (group.rank === 1) group.send(there, 0);
      if (round >= 0) times.push((performance.now() - start) / 2000);
    }
    return times.toSorted((a, b) => a - b)[times.length >> 1];
  } finally {
    there.dispose();
  }
}

async function received(group: ProcessGroup, device: Device, tensor: Tensor, from: number): Promise<void> {
  group.receive(tensor, from);
  await device.synchronize();
}
