import { checkArgument, integer } from "../check.ts";
import { CpuContext } from "../device/cpu/context.ts";
import { tensorKind, type Tensor } from "../device/device.ts";
import { ParallelError, ShapeError } from "../errors.ts";
import type { Pending, ProcessGroup } from "./group.ts";
import type { SocketControl } from "./socketControl.ts";

/** Tensors of cpu devices over sockets: for tests, and for the processes of hosts without GPUs. All is copied through shared memory and TCP. */
export class SocketGroup implements ProcessGroup {
  readonly rank: number;
  readonly size: number;
  readonly description: string;
  readonly lost: Promise<never>;
  readonly #device: CpuContext;
  readonly #control: SocketControl;

  constructor(device: CpuContext, control: SocketControl) {
    this.rank = control.rank;
    this.size = control.size;
    this.description = `sockets between ${control.size} processes`;
    this.lost = control.lost;
    this.#device = device;
    this.#control = control;
  }

  allReduce(tensor: Tensor): Pending {
    const source = this.#bytes(tensor, "allReduce");
    if (tensor.dtype !== "f32") throw new ShapeError(`allReduce: the tensor [${tensor.shape}] is of ${tensor.dtype}: sums are taken of f32`);
    const { memory, data } = this.#control.take(source.length);
    data.set(source);
    this.#control.post({ kind: "allReduce", job: memory, bytes: data.length });
    let joined = false;
    return {
      join: () => {
        if (joined) throw new ParallelError("allReduce: join was called before: it may be called once");
        joined = true;
        this.#control.wait(memory);
        this.#bytes(tensor, "join").set(data);
        this.#control.give(memory);
      },
    };
  }

  broadcast(tensor: Tensor, from: number): void {
    this.#checkRank("broadcast", from);
    if (from !== this.rank) return this.receive(tensor, from);
    for (let to = 0; to < this.size; to++) if (to !== from) this.send(tensor, to);
  }

  send(tensor: Tensor, to: number): void {
    this.#checkOther("send", to);
    const source = this.#bytes(tensor, "send");
    const { memory, data } = this.#control.take(source.length);
    data.set(source);
    this.#control.post({ kind: "send", to, job: memory, bytes: data.length });
    this.#control.giveLater(memory);
  }

  receive(tensor: Tensor, from: number): void {
    this.#checkOther("receive", from);
    const { memory, data } = this.#control.take(this.#bytes(tensor, "receive").length);
    this.#control.post({ kind: "receive", from, job: memory, bytes: data.length });
    this.#control.wait(memory);
    this.#bytes(tensor, "receive").set(data);
    this.#control.give(memory);
  }

  gather(bytes: Uint8Array): Promise<Uint8Array[]> {
    return this.#control.gather(bytes);
  }

  barrier(): Promise<void> {
    return this.#control.barrier();
  }

  dispose(): Promise<void> {
    return this.#control.dispose();
  }

  /** The tensor's memory, for immediate use. */
  #bytes(tensor: Tensor, operation: string): Uint8Array {
    this.#control.requireWhole();
    checkArgument(operation, "tensor", tensor, tensorKind);
    const { buffer, byteOffset, byteLength } = this.#device.view(tensor, operation);
    return new Uint8Array(buffer, byteOffset, byteLength);
  }

  #checkRank(operation: string, rank: number): void {
    checkArgument(operation, "rank", rank, integer(0, this.size - 1));
  }

  #checkOther(operation: string, rank: number): void {
    this.#checkRank(operation, rank);
    if (rank === this.rank) throw new ParallelError(`${operation}: rank ${rank} is this process itself: expected another one of the ${this.size}`);
  }
}
