import { OptionError } from "../../errors.ts";
import type { BufferSpec, Plan } from "../../fusion/plan.ts";

export type Direction = "forward" | "backward";

/** One storage binding. Several buffers in one are f32 all: each at an offset of its own that the launch gives, or the same memory (in place, T = 1). */
export interface Binding {
  readonly buffers: readonly string[];
  readonly access: "read" | "read_write";
  /** Whether each buffer has its own offset in the uniform, in elements, a multiple of `vector`; else all start at 0. */
  readonly offsets: boolean;
}

/** What every WebGPU device has. */
const STORAGE_BINDINGS = 8;

/** f32 buffers share bindings in this order: the smallest first, those that a copy would cost most last. */
const sharing: readonly ((spec: BufferSpec) => boolean)[] = [
  ({ extent, reduce }) => extent === "layer" && !reduce,
  ({ extent, reduce }) => extent === "channel" && !reduce,
  ({ time }) => time === "constant",
  ({ time }) => time === "checkpoint",
  ({ name }) => /^(d\.)?trace\./.test(name),
  () => true,
];

/**
 * A binding for each buffer where `limit` suffice. Otherwise f32 buffers share: first those of one value per layer, then of one per channel, then
 * those constant over time, checkpoints, traces and the rest; inputs with inputs, outputs with outputs, like with like as long as that suffices.
 * `inPlace` names buffers that are one memory (T = 1): each such group has a binding.
 * @throws OptionError if even that is not enough.
 */
export function bindingsOf(plan: Plan, direction: Direction, inPlace: readonly (readonly string[])[] = [], limit = STORAGE_BINDINGS): Binding[] {
  const { buffers } = plan[direction]!;
  const shares = (spec: BufferSpec, kinds: number): boolean => spec.format === "f32" && sharing.slice(0, kinds).some((kind) => kind(spec));
  const groupsFor = (kinds: number, mixed: boolean): BufferSpec[][] => {
    const groups = new Map<string, BufferSpec[]>();
    for (const spec of buffers) {
      const same = inPlace.find((names) => names.includes(spec.name));
      const kind = mixed ? "any" : sharing.findIndex((is) => is(spec));
      const key = same ? `in place ${same}` : shares(spec, kinds) ? `${spec.direction} ${kind}` : `alone ${spec.name}`;
      groups.set(key, [...(groups.get(key) ?? []), spec]);
    }
    return [...groups.values()];
  };
  for (const mixed of [false, true]) {
    for (let kinds = 0; kinds <= sharing.length; kinds++) {
      const groups = groupsFor(kinds, mixed);
      if (groups.length > limit) continue;
      return groups.map((group) => ({
        buffers: group.map(({ name }) => name), access: group.every(({ direction: way }) => way === "in") ? "read" : "read_write",
        offsets: group.length > 1 && !inPlace.some((names) => names.includes(group[0].name)),
      }));
    }
  }
  throw new OptionError(`neuron ${plan.neuron.name} reads and writes ${buffers.length} buffers ${direction}, and ${limit} storage bindings cannot hold them, since only f32 buffers can share one; write fewer outputs in other formats`);
}

/** The buffers whose offsets the uniform holds, in its order. */
export const offsetBuffers = (bindings: readonly Binding[]): string[] => bindings.flatMap(({ buffers, offsets }) => (offsets ? buffers : []));

/** What a launch tells its kernel. */
export interface LaunchWords {
  steps: number;
  size: number;
  channels: number;
  /** Threads: size / vector. */
  threads: number;
  /** Threads of a row of the 2-D grid. */
  gridRow: number;
  /** Where the buffers of bindings with offsets begin, in elements. */
  offsets: Readonly<Record<string, number>>;
}

/** The uniform of a launch: steps, size, channels, threads, row of the grid, offsets; padded to a multiple of 16 bytes. */
export function uniformOf(bindings: readonly Binding[], { steps, size, channels, threads, gridRow, offsets }: LaunchWords): Uint32Array {
  const words = [steps, size, channels, threads, gridRow, ...offsetBuffers(bindings).map((name) => offsets[name])];
  const padded = new Uint32Array(4 * Math.ceil(words.length / 4));
  padded.set(words);
  return padded;
}
