import type { Tensor } from "../device/device.ts";

/** Work between ranks that was begun. */
export interface Pending {
  /** From here on the device's later work sees the result. Once for each. @throws ParallelError if a rank is lost */
  join(): void;
}

/**
 * The processes that train one network together, and what they send one another. Each has one device. All ranks make the same calls in the same order; what is sent is there once the
 * device has done the work that was queued before.
 */
export interface ProcessGroup {
  /** From 0 to `size` − 1. */
  readonly rank: number;
  readonly size: number;
  /** For people: how the ranks talk. */
  readonly description: string;

  /**
   * Sums the f32 tensor over all ranks in place. The order of the sum is fixed by the size of the group: the same bits on all ranks and in each run. It goes on beside later work of the device
   * until it is joined; nobody may read or write the tensor before.
   */
  allReduce(tensor: Tensor): Pending;
  /** Overwrites the tensor with that of rank `from`. */
  broadcast(tensor: Tensor, from: number): void;
  /** Sends a tensor to another rank, which receives one of as many bytes. The tensor may be changed or freed at once. */
  send(tensor: Tensor, to: number): void;
  /** Overwrites the tensor with what rank `from` sent. */
  receive(tensor: Tensor, from: number): void;

  /** Bytes of the host, of any length, from each rank to all: one entry for each rank. */
  gather(bytes: Uint8Array): Promise<Uint8Array[]>;
  /** Resolves once all ranks are here. */
  barrier(): Promise<void>;
  /** Rejects with a ParallelError, naming the rank, as soon as one is lost; else stays pending. */
  readonly lost: Promise<never>;
  /** Leaves the group in order. The device stays. */
  dispose(): Promise<void>;
}

/** A group of one process: nothing is sent. */
export function alone(): ProcessGroup {
  const done: Pending = { join: () => undefined };
  const nobody = (): never => {
    throw new RangeError("there is no other rank");
  };
  return {
    rank: 0, size: 1, description: "one process", allReduce: () => done, broadcast: () => undefined, send: nobody, receive: nobody,
    gather: async (bytes) => [bytes.slice()], barrier: async () => undefined, lost: new Promise<never>(() => undefined), dispose: async () => undefined,
  };
}
