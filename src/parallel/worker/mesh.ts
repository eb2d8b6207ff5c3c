import { type Answer, BEAT, type JoinSettings, STATUS, writeFailure } from "../shared.ts";
import { type Connection, FRAME, type FrameKind } from "./connection.ts";

interface Peer {
  host: string;
  connection: Connection;
  /** It said goodbye. */
  left: boolean;
}

/** What the group's frames mean, by kind. */
export interface Traffic {
  place(from: number, kind: FrameKind, id: number, bytes: number): Uint8Array;
  received(from: number, kind: FrameKind, id: number, payload: Uint8Array): void;
  /** Whether something that was begun cannot end without that rank. */
  awaits(rank: number): boolean;
  /** Ends all that was begun. */
  failed(): void;
}

const MAX_TEXT = 4096;
const MAX_ROSTER = 1 << 24;
/** Milliseconds until a connection that was left in order is cut. */
const FAREWELL = 5000;

/** The connections to all other ranks, and who is still there. */
export class Mesh {
  readonly settings: JoinSettings;
  readonly post: (answer: Answer) => void;
  /** Called for each new rank, and with rank 0's list of them. */
  connected: (rank: number) => void = () => undefined;
  roster: (text: string) => void = () => undefined;
  traffic!: Traffic;
  readonly #status: SharedArrayBuffer;
  readonly #peers = new Map<number, Peer>();
  readonly #beat: NodeJS.Timeout;
  #lastTick = performance.now();
  #over = false;

  constructor(settings: JoinSettings, status: SharedArrayBuffer, post: (answer: Answer) => void) {
    this.settings = settings;
    this.post = post;
    this.#status = status;
    this.#beat = setInterval(() => this.#tick(), Math.min(BEAT, settings.silenceLimit / 4));
  }

  /** Whether the group failed or was left. */
  get over(): boolean {
    return this.#over;
  }

  has(rank: number): boolean {
    return this.#peers.has(rank);
  }

  get others(): number[] {
    return Array.from({ length: this.settings.size }, (_, rank) => rank).filter((rank) => rank !== this.settings.rank);
  }

  add(rank: number, host: string, connection: Connection): void {
    this.#peers.set(rank, { host, connection, left: false });
    connection.handler = {
      place: (kind, id, bytes) => this.#place(rank, kind, id, bytes),
      received: (kind, id, payload) => this.#received(rank, kind, id, payload),
      ended: (reason) => this.#peers.get(rank)!.left || this.fail(`${this.nameOf(rank)} is lost: ${reason}`),
      malformed: (reason) => this.fail(`${this.nameOf(rank)} is cut off: ${reason}`),
    };
    this.connected(rank);
  }

  /** What is sent to a rank that has left is dropped. */
  send(rank: number, kind: FrameKind, id: number, payload: Uint8Array, flushed?: () => void): void {
    const peer = this.#peers.get(rank);
    if (peer && !peer.left) peer.connection.send(kind, id, payload, flushed);
    else flushed?.();
  }

  /** "rank 2 (node-b)" */
  nameOf(rank: number): string {
    const host = this.#peers.get(rank)?.host;
    return `rank ${rank}${host === undefined ? "" : ` (${host})`}`;
  }

  /** Fails the group if what was begun needs a rank that has left. */
  missLeavers(): void {
    for (const [rank, { left }] of this.#peers) {
      if (left && this.traffic.awaits(rank)) return this.fail(`${this.nameOf(rank)} has left the group, and rank ${this.settings.rank} still waits for it: all ranks must make the same calls`);
    }
  }

  /** Ends the group, and all that was begun, and tells everybody why. */
  fail(text: string): void {
    if (this.#over) return;
    this.#stop();
    writeFailure(this.#status, text);
    this.traffic.failed();
    this.post({ kind: "lost", text });
    void this.#closeAll(FRAME.lost, new TextEncoder().encode(text).subarray(0, MAX_TEXT));
  }

  async leave(): Promise<void> {
    if (!this.#over) {
      this.#stop();
      await this.#closeAll(FRAME.bye, new Uint8Array(0));
    }
    this.post({ kind: "left" });
  }

  #stop(): void {
    this.#over = true;
    clearInterval(this.#beat);
  }

  /** Resolves once the others have read all that was sent: closing earlier could take it from them. */
  async #closeAll(kind: FrameKind, payload: Uint8Array): Promise<void> {
    const open = [...this.#peers.values()].filter(({ connection }) => !connection.socket.destroyed);
    const closed = Promise.all(open.map(({ connection }) => new Promise((resolve) => connection.socket.once("close", resolve))));
    for (const { connection, left } of open) {
      if (!left) connection.send(kind, 0, payload);
      connection.close();
    }
    const cut = setTimeout(() => open.forEach(({ connection }) => connection.destroy()), FAREWELL);
    await closed;
    clearTimeout(cut);
  }

  #place(from: number, kind: FrameKind, id: number, bytes: number): Uint8Array {
    if (kind === FRAME.beat || kind === FRAME.bye) return sized(bytes, 0);
    if (kind === FRAME.lost) return sized(bytes, MAX_TEXT);
    if (kind === FRAME.roster && from === 0) return sized(bytes, MAX_ROSTER);
    return this.traffic.place(from, kind, id, bytes);
  }

  #received(from: number, kind: FrameKind, id: number, payload: Uint8Array): void {
    if (kind === FRAME.lost) this.fail(new TextDecoder().decode(payload));
    else if (kind === FRAME.roster) this.roster(new TextDecoder().decode(payload));
    else if (kind === FRAME.bye) {
      this.#peers.get(from)!.left = true;
      this.missLeavers();
    } else if (kind !== FRAME.beat) this.traffic.received(from, kind, id, payload);
  }

  #tick(): void {
    Atomics.add(new Int32Array(this.#status), STATUS.beat, 1);
    const now = performance.now();
    const { silenceLimit } = this.settings;
    // This process itself stood still: what the others sent meanwhile is yet to be read.
    const stoodStill = now - this.#lastTick > silenceLimit / 2;
    this.#lastTick = now;
    for (const [rank, { connection, left }] of this.#peers) {
      if (left) continue;
      if (stoodStill) connection.lastHeard = now;
      connection.send(FRAME.beat);
      if (now - connection.lastHeard > silenceLimit) return this.fail(`${this.nameOf(rank)} is lost: nothing came from it for ${silenceLimit / 1000} s`);
    }
  }
}

function sized(bytes: number, maximum: number): Uint8Array {
  if (bytes > maximum) throw new Error(`a frame of ${bytes} bytes came where ${maximum} is the limit`);
  return new Uint8Array(bytes);
}
