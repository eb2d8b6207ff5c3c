import type { Device, Tensor } from "../../src/device/index.ts";
import { alone, type ProcessGroup } from "../../src/parallel/group.ts";

/** Ranks that take turns in one process: what is sent waits in queues, and who receives what was not sent yet is told so. Nothing else can be had of them. */
export function queues(size: number): (ProcessGroup & { waiting(): number })[] {
  const sent = new Map<string, Tensor[]>();
  const queue = (from: number, to: number): Tensor[] => {
    const key = `${from} → ${to}`;
    sent.set(key, sent.get(key) ?? []);
    return sent.get(key)!;
  };
  const copyOf = (tensor: Tensor, device: Device): Tensor => {
    const copy = device.empty(tensor.shape, tensor.dtype);
    device.copy(tensor, copy);
    return copy;
  };
  return Array.from({ length: size }, (_, rank) => ({
    ...alone(), rank, size, description: "queues",
    send: (tensor, to) => void queue(rank, to).push(copyOf(tensor, tensor.device)),
    receive(tensor, from) {
      using first = queue(from, rank).shift();
      if (!first) throw new Error(`rank ${rank} waits for rank ${from}, which sent nothing`);
      if (first.shape.join() !== tensor.shape.join()) throw new Error(`rank ${rank} expects [${tensor.shape}] of rank ${from}, which sent [${first.shape}]`);
      tensor.device.copy(first, tensor);
    },
    waiting: () => [...sent.values()].reduce((sum, { length }) => sum + length, 0),
  }));
}
