/**
 * How a kernel whose neurons read one another (`Plan.mix`) lies over threads. All neurons of a sample belong to one workgroup, since the threads of a step
 * wait for each other. Thread l of a sample has its neurons l, l + threads, l + 2·threads, …: neighbours read neighbours.
 */
export interface SampleLayout {
  /** Threads of a sample, a multiple of 32. */
  readonly threads: number;
  /** Neurons of a thread: 1, 2 or 4. */
  readonly slots: number;
  /** Samples of a workgroup. */
  readonly samples: number;
}

/** What a workgroup has. */
export interface WorkgroupLimits {
  readonly threads: number;
  /** Of memory that its threads share. */
  readonly bytes: number;
}

const WARP = 32;
const SLOTS = [1, 2, 4];

/** Threads that a workgroup of small samples has. */
const FILLED = 128;

/** Bytes that threads share for a neuron: a bit if it fired, in two words by turns, and its place in the list of those that did, with its spike. */
const bytesOf = (neurons: number): number => neurons * 8 + neurons / 4;

/** How many neurons a sample may have. */
export const mostNeurons = (limits: WorkgroupLimits): number => {
  const held = (neurons: number): boolean => bytesOf(neurons) <= limits.bytes && neurons <= SLOTS.at(-1)! * limits.threads;
  let most = 0;
  while (held(most + WARP)) most += WARP;
  return most;
};

/**
 * The layout of `samples` samples of `channels` neurons: as few neurons a thread as may be; several samples to a workgroup where they are small and there are
 * more of them than of `processors`.
 * @returns null if a workgroup cannot hold a sample
 */
export function sampleLayout(channels: number, samples: number, processors: number, limits: WorkgroupLimits): SampleLayout | null {
  if (channels > mostNeurons(limits)) return null;
  const slots = SLOTS.find((each) => Math.ceil(channels / each / WARP) * WARP <= limits.threads)!;
  const threads = WARP * Math.ceil(channels / slots / WARP);
  const fitting = Math.min(Math.floor(FILLED / threads), Math.floor(limits.bytes / bytesOf(threads * slots)), Math.ceil(samples / processors));
  return { threads, slots, samples: Math.max(1, fitting) };
}
