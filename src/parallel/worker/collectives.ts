import { DONE, endJob, FAILED, JOB_HEADER } from "../shared.ts";
import { FRAME, type FrameKind } from "./connection.ts";
import type { Mesh, Traffic } from "./mesh.ts";

interface Reduction {
  job?: SharedArrayBuffer;
  /** Elements of the tensor, once this rank has begun. */
  length: number;
  /** What the other ranks have in this rank's slice. */
  parts: Map<number, Uint8Array>;
  /** Ranks whose sums are here, this one included. */
  sums: Set<number>;
  /** Sends that still read the job's memory. */
  flushing: number;
}

interface Receive {
  job: SharedArrayBuffer;
  bytes: number;
}

/** Messages of one rank to this one. Of `arrived` and `awaited`, at most one holds something. */
interface Inbox {
  arrived: Uint8Array[];
  awaited: Receive[];
  /** Whose memory the frame under way goes to. */
  filling?: Receive;
}

/**
 * Sums, messages and gathers. Each rank sums one slice of an all-reduced tensor, in the order of the ranks, and sends the sum to all: the same bits everywhere, whatever comes first.
 * The n-th call here belongs to the n-th of each other rank.
 */
export class Collectives implements Traffic {
  readonly #mesh: Mesh;
  readonly #reductions = new Map<number, Reduction>();
  readonly #gathers = new Map<number, { begun: boolean; entries: Map<number, Uint8Array> }>();
  readonly #inboxes = new Map<number, Inbox>();
  readonly #sends = new Set<SharedArrayBuffer>();
  #reductionsBegun = 0;
  #gathersBegun = 0;
  #gathersEnded = 0;

  constructor(mesh: Mesh) {
    this.#mesh = mesh;
  }

  allReduce(job: SharedArrayBuffer, bytes: number): void {
    if (this.#mesh.over) return endJob(job, FAILED);
    const id = this.#reductionsBegun++;
    const reduction = this.#reduction(id);
    reduction.job = job;
    reduction.length = bytes / 4;
    for (const [rank, part] of reduction.parts) this.#expect(rank, part.length, this.#slice(reduction, this.#mesh.settings.rank).length, "in an all-reduce");
    for (const rank of this.#mesh.others) this.#sendSlice(reduction, rank, FRAME.part, id, rank);
    this.#advance(id, reduction);
    this.#mesh.missLeavers();
  }

  send(to: number, job: SharedArrayBuffer, bytes: number): void {
    if (this.#mesh.over) return endJob(job, FAILED);
    this.#sends.add(job);
    this.#mesh.send(to, FRAME.message, 0, new Uint8Array(job, JOB_HEADER, bytes), () => {
      if (this.#sends.delete(job)) endJob(job, DONE);
    });
    this.#mesh.missLeavers();
  }

  receive(from: number, job: SharedArrayBuffer, bytes: number): void {
    if (this.#mesh.over) return endJob(job, FAILED);
    const inbox = this.#inbox(from);
    inbox.awaited.push({ job, bytes });
    this.#deliver(from, inbox);
    this.#mesh.missLeavers();
  }

  gather(bytes: Uint8Array): void {
    if (this.#mesh.over) return;
    const id = this.#gathersBegun++;
    const gather = this.#gather(id);
    gather.begun = true;
    gather.entries.set(this.#mesh.settings.rank, bytes);
    for (const rank of this.#mesh.others) this.#mesh.send(rank, FRAME.gather, id, bytes);
    this.#endGathers();
    this.#mesh.missLeavers();
  }

  awaits(rank: number): boolean {
    return [...this.#reductions.values()].some(({ job, parts, sums }) => job && !(parts.has(rank) && sums.has(rank)))
      || [...this.#gathers.values()].some(({ begun, entries }) => begun && !entries.has(rank))
      || this.#inbox(rank).awaited.length > 0;
  }

  failed(): void {
    for (const { job } of this.#reductions.values()) if (job) endJob(job, FAILED);
    for (const { awaited, filling } of this.#inboxes.values()) for (const { job } of filling ? [filling, ...awaited] : awaited) endJob(job, FAILED);
    for (const job of this.#sends) endJob(job, FAILED);
    for (const map of [this.#reductions, this.#gathers, this.#inboxes, this.#sends]) map.clear();
  }

  place(from: number, kind: FrameKind, id: number, bytes: number): Uint8Array {
    if (kind === FRAME.gather) return new Uint8Array(bytes);
    if (kind === FRAME.message) return this.#placeMessage(from, bytes);
    const reduction = this.#reduction(id);
    if (kind === FRAME.part && !reduction.parts.has(from)) {
      if (reduction.job) this.#expect(from, bytes, this.#slice(reduction, this.#mesh.settings.rank).length, "in an all-reduce");
      // Not filled with zeros, and aligned for f32.
      return Buffer.allocUnsafeSlow(bytes);
    }
    if (kind === FRAME.sum && reduction.job && !reduction.sums.has(from)) {
      const slice = this.#slice(reduction, from);
      this.#expect(from, bytes, slice.length, "in an all-reduce");
      return slice;
    }
    throw new Error(`a frame of kind ${kind} came that nobody awaits`);
  }

  received(from: number, kind: FrameKind, id: number, payload: Uint8Array): void {
    if (kind === FRAME.gather) {
      this.#gather(id).entries.set(from, payload);
      this.#endGathers();
    } else if (kind === FRAME.message) {
      const inbox = this.#inbox(from);
      if (inbox.filling) {
        endJob(inbox.filling.job, DONE);
        inbox.filling = undefined;
      } else {
        inbox.arrived.push(payload);
        this.#deliver(from, inbox);
      }
    } else {
      const reduction = this.#reduction(id);
      if (kind === FRAME.part) reduction.parts.set(from, payload);
      else reduction.sums.add(from);
      this.#advance(id, reduction);
    }
  }

  #reduction(id: number): Reduction {
    return entry(this.#reductions, id, () => ({ length: 0, parts: new Map(), sums: new Set(), flushing: 0 }));
  }

  /** The bytes of a rank's slice of the tensor. */
  #slice({ job, length }: Reduction, rank: number): Uint8Array {
    const start = (r: number): number => 4 * Math.floor((length * r) / this.#mesh.settings.size);
    return new Uint8Array(job!, JOB_HEADER + start(rank), start(rank + 1) - start(rank));
  }

  #sendSlice(reduction: Reduction, to: number, kind: FrameKind, id: number, slice: number): void {
    reduction.flushing++;
    this.#mesh.send(to, kind, id, this.#slice(reduction, slice), () => {
      reduction.flushing--;
      this.#advance(id, reduction);
    });
  }

  /** Sums the own slice once all parts are here; ends the job once all sums are, and nothing reads its memory any more. */
  #advance(id: number, reduction: Reduction): void {
    const { job, parts, sums, flushing } = reduction;
    const { rank, size } = this.#mesh.settings;
    if (!job || this.#mesh.over) return;
    if (!sums.has(rank) && parts.size === size - 1) {
      sums.add(rank);
      addInOrder(this.#slice(reduction, rank), parts, rank, size);
      for (const other of this.#mesh.others) this.#sendSlice(reduction, other, FRAME.sum, id, rank);
    } else if (sums.size === size && flushing === 0 && this.#reductions.delete(id)) endJob(job, DONE);
  }

  #inbox(rank: number): Inbox {
    return entry(this.#inboxes, rank, () => ({ arrived: [], awaited: [] }));
  }

  #placeMessage(from: number, bytes: number): Uint8Array {
    const inbox = this.#inbox(from);
    const receive = inbox.awaited.shift();
    if (!receive) return Buffer.allocUnsafeSlow(bytes);
    inbox.filling = receive;
    this.#expect(from, bytes, receive.bytes, "to be received");
    return new Uint8Array(receive.job, JOB_HEADER, bytes);
  }

  #deliver(from: number, { arrived, awaited }: Inbox): void {
    while (arrived.length > 0 && awaited.length > 0) {
      const [payload, { job, bytes }] = [arrived.shift()!, awaited[0]];
      if (!this.#expect(from, payload.length, bytes, "to be received")) return;
      new Uint8Array(job, JOB_HEADER).set(payload);
      awaited.shift();
      endJob(job, DONE);
    }
  }

  #gather(id: number): { begun: boolean; entries: Map<number, Uint8Array> } {
    return entry(this.#gathers, id, () => ({ begun: false, entries: new Map() }));
  }

  #endGathers(): void {
    for (;;) {
      const gather = this.#gathers.get(this.#gathersEnded);
      if (!gather?.begun || gather.entries.size < this.#mesh.settings.size) return;
      this.#gathers.delete(this.#gathersEnded++);
      this.#mesh.post({ kind: "gathered", entries: Array.from({ length: this.#mesh.settings.size }, (_, rank) => gather.entries.get(rank)!) });
    }
  }

  /** Fails the group unless both are equal. */
  #expect(from: number, bytes: number, expected: number, where: string): boolean {
    if (bytes !== expected) this.#mesh.fail(`${this.#mesh.nameOf(from)} sent ${bytes} bytes ${where} where rank ${this.#mesh.settings.rank} has ${expected}: all ranks must make the same calls in the same order`);
    return bytes === expected;
  }
}

/** own = part 0 + part 1 + …, the own part in its place. */
function addInOrder(own: Uint8Array, parts: ReadonlyMap<number, Uint8Array>, rank: number, size: number): void {
  const floats = (bytes: Uint8Array): Float32Array => new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const target = floats(own);
  const part = (r: number): Float32Array => (r === rank ? mine : floats(parts.get(r)!));
  // The own part comes later: its place in the sum is not its place in memory.
  const mine = rank === 0 ? target : target.slice();
  if (rank !== 0) target.set(part(0));
  for (let r = 1; r < size; r++) {
    const values = part(r);
    for (let i = 0; i < target.length; i++) target[i] += values[i];
  }
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}
