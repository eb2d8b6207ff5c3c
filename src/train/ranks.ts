import type { Tensor } from "../device/device.ts";
import { ParallelError } from "../errors.ts";
import type { ProcessGroup } from "../parallel/group.ts";

/** Those with whom a trainer shares its work: two ranks at least. */
export class Ranks {
  readonly group: ProcessGroup;
  readonly bucketBytes: number;
  readonly syncBatchNorm: boolean;
  #lost: { error: unknown } | undefined;
  readonly #waiting = new Set<(error: unknown) => void>();

  constructor(group: ProcessGroup, { bucketBytes, syncBatchNorm }: { bucketBytes: number; syncBatchNorm: boolean }) {
    this.group = group;
    this.bucketBytes = bucketBytes;
    this.syncBatchNorm = syncBatchNorm;
    group.lost.catch((error: unknown) => {
      this.#lost = { error };
      for (const reject of this.#waiting) reject(error);
    });
  }

  /** The result of `work`, which may wait for a rank for ever; or an error as soon as one is lost. */
  unlessLost<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#lost) return reject(this.#lost.error);
      this.#waiting.add(reject);
      work.then(resolve, reject).finally(() => this.#waiting.delete(reject));
    });
  }
}

const [DONE, FAILED] = [0, 1];

/**
 * Does something on all ranks and gives each what it came to on all: one entry for each rank.
 * @throws what `work` throws here, and on the other ranks a ParallelError that names this one
 */
export async function exchange(group: ProcessGroup, work: () => Promise<Uint8Array>): Promise<Uint8Array[]> {
  let failure: { error: unknown } | undefined;
  const own = await work().catch((error: unknown) => {
    failure = { error };
    return new TextEncoder().encode(error instanceof Error ? error.message : String(error));
  });
  const all = await group.gather(tagged(failure ? FAILED : DONE, own));
  if (failure) throw failure.error;
  const failed = all.flatMap((bytes, rank) => (bytes[0] === FAILED ? [`rank ${rank}: ${new TextDecoder().decode(bytes.subarray(1))}`] : []));
  if (failed.length > 0) throw new ParallelError(failed.join("; "));
  return all.map((bytes) => bytes.subarray(1));
}

function tagged(tag: number, bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(1 + bytes.length);
  whole[0] = tag;
  whole.set(bytes, 1);
  return whole;
}

/** As `exchange`, of values that JSON can hold. */
export async function exchangeValues<T>(group: ProcessGroup, work: () => Promise<T> | T): Promise<T[]> {
  const all = await exchange(group, async () => new TextEncoder().encode(JSON.stringify(await work()) ?? "null"));
  return all.map((bytes) => JSON.parse(new TextDecoder().decode(bytes)) as T);
}

/** What all ranks must have been given alike, by name. */
export type Fingerprint = Readonly<Record<string, string | number | boolean | undefined>>;

/** @throws ParallelError, naming the ranks and the first difference, unless all were given the same. */
export function requireSame(all: readonly Fingerprint[]): void {
  const names = new Set(all.flatMap((each) => Object.keys(each)));
  for (const name of names) {
    const ranksOf = new Map<string, number[]>();
    all.forEach((each, rank) => {
      const value = JSON.stringify(each[name]) ?? "not set";
      ranksOf.set(value, [...(ranksOf.get(value) ?? []), rank]);
    });
    if (ranksOf.size === 1) continue;
    const said = [...ranksOf].map(([value, ranks]) => `${value} on ${ranks.length === 1 ? "rank" : "ranks"} ${ranks.join(", ")}`).join(", ");
    throw new ParallelError(`fit: ${name} is ${said}: all ranks train the same model on the same data with the same options, each with the whole data set`);
  }
}

/** Gives all ranks the tensors of rank 0. */
export function broadcastAll(group: ProcessGroup, tensors: Iterable<Tensor>): void {
  for (const tensor of tensors) group.broadcast(tensor, 0);
}
