import { type Plan, plan, type PlanRequest } from "./plan.ts";

/** Steps that chunks begin at multiples of: those between saved states, and of a word of spikes. */
const UNIT = 32;
/** Steps that a chunk's guess of its first state runs through before it, until more have been found necessary. */
export const FIRST_WARM_UP = 64;
/** At most this share of a chunk is warm-up. */
const MOST_WARM_UP = 1 / 2;
/** What laying the buffers of a step out in chunks and putting them together again takes, in steps of the neurons concerned; as measured. */
const COPIES = { forward: 0.5, backward: 0.2 };
/** What the launches of chunks take beyond one launch, in steps; as measured. */
const LAUNCHES = { forward: 6144, backward: 1024 };
/** Chunks are worth it from here on, in the time that all steps one after the other take. */
const WORTH = 0.8;

/** How the steps of a launch are run: as many `chunks` of `steps` each side by side, then the `rest`. */
export interface TimeDivision {
  readonly chunks: number;
  readonly steps: number;
  readonly rest: number;
}

/** A launch, and what runs it: `group` neurons at once on each of `threads`. */
export interface TimeShape {
  readonly steps: number;
  readonly size: number;
  readonly threads: number;
  readonly group: number;
  /** Steps of a warm-up. */
  readonly warmUp?: number;
}

export interface TimeDecision {
  /** Null: one step after the other. */
  readonly division: TimeDivision | null;
  /** Why, as the end of a sentence. */
  readonly reason: string;
}

/**
 * Whether a device whose threads would be idle for want of neurons runs chunks of time side by side. A chunk starts from a guess, which a warm-up over the steps
 * before it makes; what the chunk before ends with decides whether it was right, bit for bit. Where it was not, the chunk runs again.
 */
export function divideTime(plan: Plan, direction: "forward" | "backward", shape: TimeShape): TimeDecision {
  const serial = (reason: string): TimeDecision => ({ division: null, reason });
  const { steps, size, threads, group, warmUp = FIRST_WARM_UP } = shape;
  if (plan.mix) return serial("its neurons read one another at each step");
  if (plan.recomputed.length === 0) return serial("it has no state that a step takes over from the one before");
  if (direction === "backward" && sums(plan)) return serial("gradients of parameters and of constant inputs are sums over all steps, in a fixed order");
  const turns = (neurons: number): number => Math.ceil(Math.ceil(neurons / group) / threads);
  const lanes = group * threads;
  const idle = turns(size) * lanes - size;
  const divisions = candidates(shape);
  if (idle === 0 || (divisions.length === 0 && size > lanes)) return serial(`${size} neurons keep all ${lanes} lanes of ${threads} ${threads === 1 ? "thread" : "threads"} busy`);
  // Measured on two threads: what lies over all of them in chunks waits longer for their hand-overs than it gains.
  if (size >= group) return serial(`${size} neurons keep all ${group} lanes of one thread busy, and chunks on the others were measured to gain nothing`);
  if (divisions.length === 0) return serial(`${steps} steps are too few for chunks with a warm-up of ${warmUp} steps each`);
  const alone = turns(size) * steps + (size < group ? COPIES[direction] * steps : 0);
  const timed = divisions.map((division) => {
    const { chunks, steps: length, rest } = division;
    const copies = (COPIES[direction] * steps * Math.max(size, group / chunks)) / lanes;
    return { division, time: turns(chunks * size) * (length + warmUp) + turns(size) * rest + copies + LAUNCHES[direction] };
  });
  const { division, time } = timed.reduce((a, b) => (a.time <= b.time ? a : b));
  if (time > WORTH * alone) return serial(`${size} neurons leave ${idle} of ${turns(size) * lanes} lanes idle, but chunks would take about ${percent(time / alone)} of the time`);
  const { chunks, steps: length, rest } = division;
  return {
    division,
    reason: `${size} ${size === 1 ? "neuron leaves" : "neurons leave"} ${idle} of ${turns(size) * lanes} lanes idle; ${chunks} chunks of ${length} steps${rest ? ` and ${rest} steps after them` : ""}, with a warm-up of ${warmUp} steps each, take about ${percent(time / alone)} of the time`,
  };
}

const percent = (share: number): string => `${Math.round(100 * share)} %`;

/** How a cpu runs a launch of each kernel, and why, as text. */
export function describeTime(plan: Plan, shape: TimeShape): string {
  const { steps, size, threads } = shape;
  const line = (direction: "forward" | "backward"): string => {
    const { division, reason } = divideTime(plan, direction, shape);
    return `  ${direction}: ${division ? "in chunks of time side by side" : "one step after the other"}: ${reason}\n`;
  };
  return `T = ${steps} of N = ${size} on a cpu of ${threads} ${threads === 1 ? "thread" : "threads"}:\n${line("forward")}${plan.backward ? line("backward") : ""}`;
}

/** Whether there are gradients of what does not change over time. */
const sums = ({ backward }: Plan): boolean => (backward?.buffers ?? []).some(({ name, direction, time }) => direction === "out" && time !== "varying" && !name.startsWith("grad.state."));

/** Divisions whose chunks have room for their warm-up. */
function candidates({ steps, size, threads, group, warmUp = FIRST_WARM_UP }: TimeShape): TimeDivision[] {
  const most = Math.floor((4 * group * threads) / size);
  return Array.from({ length: Math.max(0, most - 1) }, (_, i) => i + 2).flatMap((chunks) => {
    const length = Math.floor(steps / (chunks * UNIT)) * UNIT;
    return warmUp <= MOST_WARM_UP * length ? [{ chunks, steps: length, rest: steps - chunks * length }] : [];
  });
}

/** The longest warm-up that is tried: its attempts then take little beside all steps. */
export const longestWarmUp = (steps: number): number => Math.floor(steps / 32 / UNIT) * UNIT;

/** The same kernels with the first states given and the last ones written, and the adjoints alike. */
export function chunkPlan({ request, neuron, steps, backward }: Plan): Plan {
  const states = Object.keys(neuron.state);
  const seeds = backward?.buffers.filter(({ name }) => name.startsWith("d.")).map(({ name, time }) => [name.slice(2), time]) ?? [];
  return plan({
    ...request, steps, initialState: true, finalState: true,
    ...(backward && {
      gradients: [...new Set([...(request.gradients ?? []), ...states.map((name) => `state.${name}`)])],
      seeds: Object.fromEntries([...seeds, ...states.map((name) => [`final.${name}`, "constant"])]) as PlanRequest["seeds"],
    }),
  });
}

/** From given states to the last ones, and nothing else. */
export const warmUpPlan = ({ request: { neuron, inputs, params }, steps }: Plan): Plan => plan({ neuron, steps, inputs, params, outputs: {}, initialState: true, finalState: true });
