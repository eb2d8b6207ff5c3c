/**
 * What the main thread and the thread of the sockets have in common: layouts of shared memory, and messages. The main thread posts a command and, where its caller must not go on before it is
 * done, sleeps on a word of shared memory; promises come back as messages.
 */

/** The job's state is the first word of its memory. */
export const PENDING = 0;
export const DONE = 1;
export const FAILED = 2;
/** Bytes before a job's data. */
export const JOB_HEADER = 64;

/** Words of the group's status. */
export const STATUS = { failed: 0, textBytes: 1, beat: 2 } as const;
const TEXT_AT = 64;
const TEXT_CAPACITY = 4096;
export const STATUS_BYTES = TEXT_AT + TEXT_CAPACITY;

/** Milliseconds between two beats of the thread of the sockets, in shared memory, and at most between those to other ranks. */
export const BEAT = 1000;

export interface JoinSettings {
  rank: number;
  size: number;
  address: string;
  port: number;
  /** What all ranks must know. */
  token: string;
  /** Milliseconds until all must be here. */
  joinLimit: number;
  /** Milliseconds of silence after which a rank counts as lost. */
  silenceLimit: number;
}

export interface Start {
  settings: JoinSettings;
  status: SharedArrayBuffer;
}

/** To the thread of the sockets. `job`: shared memory with room for `bytes` after its header. */
export type Command =
  | { kind: "allReduce"; job: SharedArrayBuffer; bytes: number }
  | { kind: "send"; to: number; job: SharedArrayBuffer; bytes: number }
  | { kind: "receive"; from: number; job: SharedArrayBuffer; bytes: number }
  | { kind: "gather"; bytes: Uint8Array }
  | { kind: "leave" };

/** From it. Gathers end in the order of their commands. */
export type Answer = { kind: "joined" } | { kind: "gathered"; entries: Uint8Array[] } | { kind: "lost"; text: string } | { kind: "left" };

/** Ends a job and wakes who sleeps on it. */
export function endJob(job: SharedArrayBuffer, state: typeof DONE | typeof FAILED): void {
  const words = new Int32Array(job, 0, 1);
  Atomics.store(words, 0, state);
  Atomics.notify(words, 0);
}

/** Leaves word that the group failed, for good. */
export function writeFailure(status: SharedArrayBuffer, text: string): void {
  const words = new Int32Array(status, 0, TEXT_AT / 4);
  const bytes = new TextEncoder().encode(text).subarray(0, TEXT_CAPACITY);
  new Uint8Array(status, TEXT_AT).set(bytes);
  words[STATUS.textBytes] = bytes.length;
  Atomics.store(words, STATUS.failed, 1);
}

/** What `writeFailure` said, if it did. */
export function readFailure(status: SharedArrayBuffer): string | undefined {
  const words = new Int32Array(status, 0, TEXT_AT / 4);
  if (Atomics.load(words, STATUS.failed) === 0) return undefined;
  return new TextDecoder().decode(new Uint8Array(status, TEXT_AT, words[STATUS.textBytes]).slice());
}
