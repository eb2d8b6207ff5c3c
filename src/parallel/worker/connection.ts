import type { Socket } from "node:net";

/** What a frame is. */
export const FRAME = {
  /** The first of a connection, from the rank that connects: a JSON text, `Hello`. */
  hello: 1,
  /** The answer: who connected is in the group, or why not. */
  welcome: 2,
  refused: 3,
  /** From rank 0: a JSON text, where all ranks listen. */
  roster: 4,
  /** Of an all-reduce: a slice for the rank that sums it, and its sum. */
  part: 5,
  sum: 6,
  /** A tensor to one rank. */
  message: 7,
  /** Host bytes to all. */
  gather: 8,
  beat: 9,
  /** The group failed: a text that says by whom. */
  lost: 10,
  /** The sender leaves in order. */
  bye: 11,
} as const;
export type FrameKind = (typeof FRAME)[keyof typeof FRAME];

/** Where a frame's payload goes, and what is done when it is there. */
export interface FrameHandler {
  /** Memory for a payload. @throws Error if such a frame may not come */
  place(kind: FrameKind, id: number, bytes: number): Uint8Array;
  received(kind: FrameKind, id: number, payload: Uint8Array): void;
  /** Once, unless `close` was called before: the other side ended the connection, or it broke. */
  ended(reason: string): void;
  /** Once, instead of `ended`: what came is no frame, or one that may not come. */
  malformed(reason: string): void;
}

/** "SPK" and the version of the protocol. */
const MAGIC = 0x53504b01;
const HEADER = 16;
const nothing = new Uint8Array(0);

/** Frames over a socket: a header of four words (magic, kind, id, bytes) and the payload. */
export class Connection {
  readonly socket: Socket;
  /** When something last came, by `performance.now()`. */
  lastHeard = performance.now();
  handler: FrameHandler;
  readonly #header = new Uint8Array(HEADER);
  #headerBytes = 0;
  #payload: Uint8Array = nothing;
  #payloadBytes = 0;
  #closed = false;

  constructor(socket: Socket, handler: FrameHandler) {
    this.socket = socket;
    this.handler = handler;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#take(chunk));
    socket.on("error", (error) => this.#end(error.message));
    socket.on("close", () => this.#end("its connection closed"));
  }

  /** Queues a frame. The payload must stay as it is until `flushed` is called, which it is not if the connection ends before. */
  send(kind: FrameKind, id = 0, payload: Uint8Array = nothing, flushed?: () => void): void {
    if (this.#closed) return;
    const header = Buffer.allocUnsafe(HEADER);
    [MAGIC, kind, id, payload.length].forEach((word, i) => header.writeUInt32LE(word, 4 * i));
    const done = flushed && ((error?: Error | null) => void (error || flushed()));
    this.socket.cork();
    this.socket.write(header, payload.length === 0 ? done : undefined);
    if (payload.length > 0) this.socket.write(payload, done);
    this.socket.uncork();
  }

  /** Ends the connection once all that was queued is on its way. */
  close(): void {
    this.#closed = true;
    this.socket.end();
  }

  destroy(): void {
    this.#closed = true;
    this.socket.destroy();
  }

  #end(reason: string): void {
    if (this.#closed) return;
    this.destroy();
    this.handler.ended(reason);
  }

  #take(chunk: Uint8Array): void {
    this.lastHeard = performance.now();
    try {
      for (let at = 0; at < chunk.length && !this.#closed; ) at += this.#takeSome(chunk.subarray(at));
    } catch (error) {
      if (this.#closed) return;
      this.destroy();
      this.handler.malformed((error as Error).message);
    }
  }

  /** Takes what belongs to the header or to the payload; returns how much that was. */
  #takeSome(chunk: Uint8Array): number {
    if (this.#headerBytes < HEADER) {
      const taken = chunk.subarray(0, HEADER - this.#headerBytes);
      this.#header.set(taken, this.#headerBytes);
      this.#headerBytes += taken.length;
      if (this.#headerBytes >= 4 && this.#word(0) !== MAGIC) throw new Error("what came is no frame");
      if (this.#headerBytes < HEADER) return taken.length;
      this.#payload = this.handler.place(this.#word(1) as FrameKind, this.#word(2), this.#word(3));
      this.#payloadBytes = 0;
      if (this.#payload.length === 0) this.#finish();
      return taken.length;
    }
    const taken = chunk.subarray(0, this.#payload.length - this.#payloadBytes);
    this.#payload.set(taken, this.#payloadBytes);
    this.#payloadBytes += taken.length;
    if (this.#payloadBytes === this.#payload.length) this.#finish();
    return taken.length;
  }

  #finish(): void {
    const payload = this.#payload;
    this.#payload = nothing;
    this.#headerBytes = 0;
    this.handler.received(this.#word(1) as FrameKind, this.#word(2), payload);
  }

  #word(index: number): number {
    return new DataView(this.#header.buffer).getUint32(4 * index, true);
  }
}
