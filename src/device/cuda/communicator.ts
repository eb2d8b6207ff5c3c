import { DeviceError, ParallelError } from "../../errors.ts";
import type { Tensor } from "../device.ts";
import { ELEMENT_BYTES, holdStorage } from "../tensor.ts";
import type { Companion, CudaContext } from "./context.ts";
import type { Block } from "./memory.ts";
import { Nccl, ncclConstants as C } from "./nccl.ts";
import { NcclChannel } from "./ncclChannel.ts";
import { doze } from "./waits.ts";

/** Ids that a communicator needs: one for what all do together, one for what is sent to higher ranks, one for what is sent to lower ones. */
export const CHANNELS = 3;
/** Thread blocks of the GPU for what is sent, at most: three channels must have room beside one another. */
const SENDING_BLOCKS = 8;
/** Milliseconds that the others have to say who is lost, when NCCL says that somebody is. */
const NAMING = 2000;

export interface CommunicatorOptions {
  rank: number;
  size: number;
  /** `CHANNELS` of `Nccl.uniqueId()`, of one rank. */
  ids: readonly Uint8Array[];
  /** Says at once who is lost; undefined while all are here. */
  lost(): string | undefined;
  /** Milliseconds until all must have come. */
  limit: number;
}

/** A copy of what is being sent, and the mark after which it is free: null in a graph, which frees it at its end. */
interface Copy {
  block: Block;
  bytes: number;
  channel: NcclChannel;
  mark: number | null;
}

/** A collective that was begun. */
class Begun {
  readonly recorded: boolean;
  #end: (() => void) | null;

  /** @param end gives back what it holds */
  constructor(recorded: boolean, end: () => void) {
    this.recorded = recorded;
    this.#end = end;
  }

  get over(): boolean { return this.#end === null; }

  end(): void {
    this.#end?.();
    this.#end = null;
  }
}

/**
 * A rank among several, each with a GPU, that send one another tensors by NCCL. Its work runs on streams of its own: what all do together, and, apart from it and from each other, what goes up to
 * higher ranks and what goes down, so that two neighbours may send to each other at once. Within each of these three the order is that of the calls, which must be the same on all ranks.
 *
 * What is sent is copied first, and the device goes on; what is received, the device waits for. NCCL sums in an order of its own, which the number of ranks, the sizes and the algorithm
 * fix that it chooses for a topology (NCCL_ALGO and NCCL_PROTO choose it by hand): under the same ones the bits repeat, and all ranks have the same.
 */
export class NcclCommunicator implements Companion {
  readonly rank: number;
  readonly size: number;
  readonly nccl: Nccl;
  readonly #context: CudaContext;
  readonly #lost: () => string | undefined;
  readonly #channels: NcclChannel[] = [];
  readonly #begun = new Set<Begun>();
  #sending: Copy[] = [];
  #failure: ParallelError | undefined;
  #leave: (() => void) | null = null;

  /**
   * Resolves once all ranks are connected, neighbours among them for sending too; others connect when they first send, both at once.
   * @throws DeviceError if there is no NCCL; ParallelError if ranks are lost or do not come in time
   */
  static async open(context: CudaContext, options: CommunicatorOptions): Promise<NcclCommunicator> {
    context.activate("NCCL");
    context.refuseCapture("NCCL");
    const communicator = new NcclCommunicator(context, Nccl.open(context.driver), options);
    try {
      await communicator.#connect(options);
      return communicator;
    } catch (error) {
      communicator.leave();
      throw error;
    }
  }

  private constructor(context: CudaContext, nccl: Nccl, { rank, size, lost }: CommunicatorOptions) {
    this.rank = rank;
    this.size = size;
    this.nccl = nccl;
    this.#context = context;
    this.#lost = lost;
    this.#leave = context.accompany(this);
  }

  /** Sums an f32 tensor over all ranks in place. Nobody may read or write it before `join` of what is returned; it is kept until then. */
  allReduce(tensor: Tensor): { join(): void } {
    const address = this.#address(tensor, "allReduce", "f32");
    if (tensor.size === 0) return { join: () => undefined };
    const [together] = this.#channels;
    const mark = this.#queue(together, (communicator, stream) => this.nccl.call("ncclAllReduce", address, address, tensor.size, C.ncclFloat32, C.ncclSum, communicator, stream));
    const letGo = holdStorage(tensor);
    const begun = new Begun(this.#context.capturing, () => {
      this.#begun.delete(begun);
      together.free(mark);
      letGo();
    });
    this.#begun.add(begun);
    return { join: () => this.#join(begun, together, mark) };
  }

  /** Overwrites a tensor with that of rank `from`. */
  broadcast(tensor: Tensor, from: number): void {
    this.#checkRank(from, "broadcast");
    this.#wait(this.#channels[0], tensor, "broadcast", (address, bytes, communicator, stream) => this.nccl.call("ncclBroadcast", address, address, bytes, C.ncclUint8, from, communicator, stream));
  }

  /** Sends a tensor to another rank, which receives one of as many bytes. It may be changed or freed at once. */
  send(tensor: Tensor, to: number): void {
    this.#checkOther(to, "send");
    const address = this.#address(tensor, "send");
    const bytes = bytesOf(tensor);
    if (bytes === 0) return;
    const { memory, driver, stream, capturing } = this.#context;
    const block = memory.allocate(bytes);
    try {
      driver.call("cuMemcpyDtoDAsync_v2", block.address, address, bytes, stream);
      const channel = this.#toward(this.rank, to);
      const mark = this.#queue(channel, (communicator, on) => this.nccl.call("ncclSend", block.address, bytes, C.ncclUint8, to, communicator, on));
      this.#sending.push({ block, bytes, channel, mark: capturing ? null : mark });
      if (capturing) channel.free(mark);
    } catch (error) {
      memory.release(block, bytes);
      throw error;
    }
  }

  /** Overwrites a tensor with what rank `from` sent. */
  receive(tensor: Tensor, from: number): void {
    this.#checkOther(from, "receive");
    this.#wait(this.#toward(from, this.rank), tensor, "receive", (address, bytes, communicator, stream) => this.nccl.call("ncclRecv", address, bytes, C.ncclUint8, from, communicator, stream));
  }

  /** Whether all ranks are here. Otherwise all that was begun has ended, done or not. */
  isWhole(): boolean {
    const lost = this.#failure ? undefined : this.#lost();
    if (lost !== undefined) this.#fail(lost);
    return this.#failure === undefined;
  }

  /** Ends all that was begun if a rank is lost, or NCCL says so. @throws ParallelError then, and ever after */
  check(): void {
    if (!this.isWhole()) throw this.#failure!;
    for (const channel of this.#channels) this.#blaming(() => channel.ready());
  }

  /** At the end of recorded work: what belongs to the graph is joined in it. */
  join(): boolean {
    const part = this.#channels.some(({ recorded }) => recorded);
    for (const channel of this.#channels) channel.endRecording();
    for (const begun of this.#begun) if (begun.recorded) begun.end();
    this.#release(({ mark }) => mark === null);
    return part;
  }

  /** Leaves in order: once all ranks have done what was begun. @throws ParallelError if that fails; all is given back even so */
  async dispose(limit = 30_000): Promise<void> {
    if (!this.#leave) return;
    const { waits, graphs } = this.#context;
    graphs.end(this, new DeviceError("cuda: a graph was launched in which ranks send one another tensors, after their group was left."));
    try {
      if (this.#failure) return;
      for (const { stream } of this.#channels) await waits.untilStream(stream);
      this.#letGo();
      for (const channel of this.#channels) this.#blaming(() => channel.finalize());
      for (const channel of this.#channels) await this.#ready(channel, limit, "to leave");
      for (const channel of this.#channels.splice(0)) this.#give(channel);
    } finally {
      this.leave();
    }
  }

  /** Leaves at once. Nothing fails here. */
  leave(): void {
    if (!this.#leave) return;
    this.#leave();
    this.#leave = null;
    this.#failure ??= new ParallelError(`rank ${this.rank} has left the group`);
    this.#context.graphs.end(this, this.#failure);
    for (const channel of this.#channels) channel.abort();
    for (const channel of this.#channels) channel.rest();
    this.#letGo();
    for (const channel of this.#channels.splice(0)) this.#give(channel);
  }

  async #connect({ ids, limit }: CommunicatorOptions): Promise<void> {
    const { rank, size, nccl } = this;
    const context = this.#context;
    for (const [i, id] of ids.entries()) this.#channels.push(this.#blaming(() => new NcclChannel(context, nccl, id, rank, size, { blocks: i === 0 ? undefined : SENDING_BLOCKS })));
    for (const channel of this.#channels) await this.#ready(channel, limit, `for ${size} ranks`);
    // NCCL connects two ranks when they first have something to say to each other, and holds both up for that: here, where each knows that the other is coming.
    const bytes = 4;
    const block = context.memory.allocate(bytes);
    try {
      context.driver.call("cuMemsetD32Async", block.address, 0, 1, context.stream);
      const [together, up, down] = this.#channels;
      const greet = async (channel: NcclChannel, call: (communicator: number, stream: number) => void): Promise<void> => {
        context.activate("NCCL");
        this.#blaming(() => channel.begin(call));
        await this.#ready(channel, limit, "to connect");
      };
      await greet(together, (communicator, stream) => nccl.call("ncclAllReduce", block.address, block.address, 1, C.ncclFloat32, C.ncclSum, communicator, stream));
      for (const [channel, from, to] of [[up, rank - 1, rank + 1], [down, rank + 1, rank - 1]] as const) {
        if (from >= 0 && from < size) await greet(channel, (communicator, stream) => nccl.call("ncclRecv", block.address, bytes, C.ncclUint8, from, communicator, stream));
        if (to >= 0 && to < size) await greet(channel, (communicator, stream) => nccl.call("ncclSend", block.address, bytes, C.ncclUint8, to, communicator, stream));
      }
      for (const { stream } of this.#channels) await context.waits.untilStream(stream);
    } finally {
      context.activate("NCCL");
      context.memory.release(block, bytes);
    }
  }

  async #ready(channel: NcclChannel, limit: number, what: string): Promise<void> {
    const until = performance.now() + limit;
    while (!this.#blaming(() => channel.ready())) {
      this.check();
      if (performance.now() > until) throw this.#fail(`rank ${this.rank} waited ${limit / 1000} s for NCCL ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /** Queues a call and returns its mark. */
  #queue(channel: NcclChannel, call: (communicator: number, stream: number) => void): number {
    this.#reap();
    return this.#blaming(() => {
      channel.begin(call);
      channel.settle(() => this.check());
      return channel.mark();
    });
  }

  /** Queues a call that the device's later work waits for. */
  #wait(channel: NcclChannel, tensor: Tensor, operation: string, call: (address: number, bytes: number, communicator: number, stream: number) => void): void {
    const address = this.#address(tensor, operation);
    const bytes = bytesOf(tensor);
    if (bytes === 0) return;
    const mark = this.#queue(channel, (communicator, stream) => call(address, bytes, communicator, stream));
    this.#context.timed("rest", () => channel.join(mark));
    channel.free(mark);
  }

  #join(begun: Begun, channel: NcclChannel, mark: number): void {
    const context = this.#context;
    context.activate("join");
    if (!this.isWhole()) throw this.#failure!;
    if (begun.over) return;
    if (context.capturing && !begun.recorded) throw new DeviceError(`${context.device.name}: join: the sum was begun before the graph: begin it inside, or join it before.`);
    context.timed("rest", () => channel.join(mark));
    begun.end();
  }

  /** The channel of what goes from one rank to another. */
  #toward(from: number, to: number): NcclChannel {
    return this.#channels[from < to ? 1 : 2];
  }

  #address(tensor: Tensor, operation: string, dtype?: "f32"): number {
    const address = this.#context.ptr(tensor, operation, dtype);
    if (!this.isWhole()) throw this.#failure!;
    return address;
  }

  #checkRank(rank: number, operation: string): void {
    if (!Number.isInteger(rank) || rank < 0 || rank >= this.size) throw new ParallelError(`${operation}: there is no rank ${rank}: expected one from 0 to ${this.size - 1}`);
  }

  #checkOther(rank: number, operation: string): void {
    this.#checkRank(rank, operation);
    if (rank === this.rank) throw new ParallelError(`${operation}: rank ${rank} is this one: expected another`);
  }

  /** Gives back what was kept for work that is over. */
  #letGo(): void {
    for (const begun of this.#begun) begun.end();
    this.#release(() => true);
  }

  /** Frees the copies that have been sent: so the next call does, whichever it is. */
  #reap(): void {
    const { driver, capturing } = this.#context;
    if (!capturing) this.#release(({ mark }) => mark !== null && driver.raw.cuEventQuery(mark) === 0);
  }

  #release(which: (copy: Copy) => boolean): void {
    const kept: Copy[] = [];
    for (const copy of this.#sending) {
      if (!which(copy)) {
        kept.push(copy);
        continue;
      }
      this.#context.memory.release(copy.block, copy.bytes);
      if (copy.mark !== null) copy.channel.free(copy.mark);
    }
    this.#sending = kept;
  }

  #give(channel: NcclChannel): void {
    this.#context.activate("NCCL");
    channel.dispose();
  }

  /** What NCCL refuses ends the group. */
  #blaming<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof ParallelError || this.#failure) throw (this.#failure ?? error);
      const until = performance.now() + NAMING;
      while (this.#lost() === undefined && performance.now() < until) doze();
      throw this.#fail(this.#lost() ?? `rank ${this.rank}: ${(error as Error).message}`, error);
    }
  }

  #fail(text: string, cause?: unknown): ParallelError {
    if (this.#failure) return this.#failure;
    this.#failure = new ParallelError(text, { cause });
    for (const channel of this.#channels) channel.abort();
    this.#context.graphs.end(this, this.#failure);
    return this.#failure;
  }
}

const bytesOf = ({ size, dtype }: Tensor): number => size * ELEMENT_BYTES[dtype];
