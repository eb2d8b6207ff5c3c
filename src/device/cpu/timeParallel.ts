import { GROUP } from "../../codegen/wasm/kernel.ts";
import type { BufferSpec, Plan } from "../../fusion/plan.ts";
import { chunkPlan, divideTime, FIRST_WARM_UP, longestWarmUp, type TimeDivision, warmUpPlan } from "../../fusion/timeParallel.ts";
import type { Launch, Tensor } from "../device.ts";
import type { CpuContext } from "./context.ts";
import { grain, loadKernels } from "./kernels.ts";
import { Segment } from "./segment.ts";

type Direction = "forward" | "backward";

/** How often chunks run again before a launch is given up, to run one step after the other. */
const MOST_RERUNS = 2;
/** Launches that go one step after the other once chunks did not pay; the next time twice as many, and so on. */
const FIRST_PAUSE = 8;
const LONGEST_PAUSE = 256;
/** Of the chunks' first states, those that a warm-up has to make whatever it starts from. */
const FORGETS = 0.9;
/** How far from the first start the second is: no threshold or period of a neuron, by which two starts would come to the same though nothing is forgotten. */
const APART = 0.3;

/** What a plan's launches have shown of its neuron: how long a warm-up makes it forget where it started. */
class Experience {
  warmUp = FIRST_WARM_UP;
  /** Whether such a warm-up has proved right. */
  proved = false;
  #pause = 0;
  #nextPause = FIRST_PAUSE;

  /** Whether chunks are to be tried. */
  tries(): boolean {
    return this.#pause === 0 || this.#pause-- === 0;
  }

  failed(): void {
    this.warmUp = FIRST_WARM_UP;
    this.proved = false;
    this.#pause = this.#nextPause;
    this.#nextPause = Math.min(2 * this.#nextPause, LONGEST_PAUSE);
  }

  succeeded(reruns: number, longest: number): void {
    this.proved = true;
    this.#nextPause = FIRST_PAUSE;
    if (reruns > 0) this.warmUp = Math.min(2 * this.warmUp, Math.max(longest, this.warmUp));
  }
}

interface Loaded {
  plan: Plan;
  module: number;
}

/** What chunks of a launch start from is guessed, and found right or not when the chunk before is done: the results are those of one step after the other, bit for bit. */
export class TimeParallel {
  readonly #device: CpuContext;
  readonly #plan: Plan;
  readonly #experience = { forward: new Experience(), backward: new Experience() };
  readonly #divisions = new Map<string, TimeDivision | null>();
  #kernels: { chunk: Loaded; warmUp: Loaded } | undefined;
  /** Launches so far that ran in chunks; those that were tried and given up; runs of all chunks beyond the first, of both. */
  readonly counts = { done: 0, givenUp: 0, reruns: 0 };

  constructor(device: CpuContext, plan: Plan) {
    this.#device = device;
    this.#plan = plan;
  }

  /** Runs a launch in chunks of time. False: nothing of use was done, the launch is to run one step after the other. */
  run(direction: Direction, launch: Launch): boolean {
    const experience = this.#experience[direction];
    const { steps, size } = launch;
    const division = this.#divide(direction, steps, size, experience.warmUp);
    if (!division || !experience.tries()) return false;
    const reruns = this.runDivided(direction, launch, division, experience);
    if (reruns === null) {
      experience.failed();
      this.counts.givenUp++;
      return false;
    }
    experience.succeeded(reruns, longestWarmUp(steps));
    this.counts.done++;
    return true;
  }

  #divide(direction: Direction, steps: number, size: number, warmUp: number): TimeDivision | null {
    const key = `${direction} ${steps} ${size} ${warmUp}`;
    let division = this.#divisions.get(key);
    if (division === undefined) this.#divisions.set(key, (division = divideTime(this.#plan, direction, { steps, size, threads: this.#device.pool.threads, group: GROUP, warmUp }).division));
    return division;
  }

  /** Runs a launch in these chunks. How often they had to run again; null if it was given up. */
  runDivided(direction: Direction, launch: Launch, division: TimeDivision, experience: Pick<Experience, "warmUp" | "proved">, mostReruns = MOST_RERUNS): number | null {
    return direction === "forward" ? this.#forward(launch, division, experience, mostReruns) : this.#backward(launch, division, experience, mostReruns);
  }

  #forward(launch: Launch, { chunks, steps, rest }: TimeDivision, experience: Pick<Experience, "warmUp" | "proved">, mostReruns: number): number | null {
    const { chunk, warmUp } = this.#load();
    const { states, neuron } = this.#plan;
    const { size } = launch;
    const segment = (start: number, of: number, length: number): Segment => new Segment(this.#device, this.#plan, { direction: "forward", launch, start, chunks: of, steps: length });
    using main = segment(0, chunks, steps);
    const { width } = main;

    // A guess is the state at the end of the chunk before, whose last steps are run from a state that may be any.
    using guesses = new Guesses(this.#device, states, width);
    const guess = (shift: number, which: "first" | "second"): void => {
      for (const name of states) guesses.floats("start", name).fill(neuron.state[name] + shift);
      this.#run(warmUp, "forward", experience.warmUp, width, launch, (spec) => {
        const [role, state] = split(spec.name);
        if (role === "state") return guesses.address("start", state);
        if (role === "final") return guesses.address(which, state);
        return main.address(spec) + (spec.time === "varying" ? 4 * ((steps - experience.warmUp) * width - size) : 0);
      });
    };
    if (!this.#settle(experience, launch.steps, steps, guess, guesses, [size, chunks * size])) return null;
    const first = this.#firstStates(launch);
    for (const name of states) {
      main.begin(name).set(guesses.words("first", name));
      main.begin(name).set(first[name]);
    }
    const reruns = this.#verified(mostReruns, () => {
      this.#run(chunk, "forward", steps, width, launch, (spec) => main.address(spec));
      return states.reduce((sum, name) => sum + correct(main.begin(name), main.end(name), size, (chunks - 1) * size), 0);
    });
    if (reruns === null) return null;
    main.give();
    const last = Object.fromEntries(states.map((name) => [name, main.end(name).slice((chunks - 1) * size, chunks * size)]));
    if (rest > 0) {
      using tail = segment(chunks * steps, 1, rest);
      for (const name of states) tail.begin(name).set(last[name]);
      this.#run(chunk, "forward", rest, tail.width, launch, (spec) => tail.address(spec));
      tail.give();
      for (const name of states) last[name] = tail.end(name).slice(0, size);
    }
    for (const name of states) if (`final.${name}` in launch.buffers) this.#words(launch.buffers[`final.${name}`]).set(last[name]);
    return reruns;
  }

  #backward(launch: Launch, { chunks, steps, rest }: TimeDivision, experience: Pick<Experience, "warmUp" | "proved">, mostReruns: number): number | null {
    const { chunk } = this.#load();
    const { states } = this.#plan;
    const { size } = launch;
    const segment = (start: number, of: number, length: number): Segment => new Segment(this.#device, this.#plan, { direction: "backward", launch, start, chunks: of, steps: length });
    using main = segment(0, chunks, steps);
    const { width } = main;
    const first = this.#firstStates(launch);
    for (const name of states) main.begin(name).set(first[name]);

    // The adjoints after the last step, then of the states before the rest.
    const last = Object.fromEntries(states.map((name) => [name, `d.final.${name}` in launch.buffers ? this.#words(launch.buffers[`d.final.${name}`]) : new Int32Array(size)]));
    if (rest > 0) {
      using tail = segment(chunks * steps, 1, rest);
      for (const name of states) tail.adjointEnd(name).set(last[name]);
      this.#run(chunk, "backward", rest, tail.width, launch, (spec) => tail.address(spec));
      for (const name of states) last[name] = tail.adjointBegin(name).slice(0, size);
      tail.give();
    }

    // A guess is the adjoint at the beginning of the chunk after, whose first steps are walked from an adjoint that may be any.
    const columns = (chunks - 1) * size;
    using guesses = new Guesses(this.#device, states, width);
    const guess = (from: number, which: "first" | "second"): void => {
      for (const name of states) guesses.floats("start", name).fill(from);
      this.#run(chunk, "backward", experience.warmUp, width, launch, (spec) => {
        const { name, direction, time } = spec;
        if (name.startsWith("d.final.")) return guesses.address("start", name.slice("d.final.".length));
        if (name.startsWith("grad.state.")) return guesses.address(which, name.slice("grad.state.".length));
        // What the walk writes there is written again by the chunks themselves.
        if (direction === "out") return main.address(spec);
        return main.address(spec) + (time !== "constant" || name.startsWith("state.") ? 4 * size : 0);
      });
    };
    if (!this.#settle(experience, launch.steps, steps, guess, guesses, [0, columns])) return null;
    for (const name of states) {
      main.adjointEnd(name).set(guesses.words("first", name));
      main.adjointEnd(name).set(last[name], columns);
    }
    const reruns = this.#verified(mostReruns, () => {
      this.#run(chunk, "backward", steps, width, launch, (spec) => main.address(spec));
      return states.reduce((sum, name) => sum + correct(main.adjointEnd(name), main.adjointBegin(name), -size, columns), 0);
    });
    if (reruns === null) return null;
    main.give();
    for (const name of states) if (`grad.state.${name}` in launch.buffers) this.#words(launch.buffers[`grad.state.${name}`]).set(main.adjointBegin(name).subarray(0, size));
    return reruns;
  }

  /** Runs chunks until all of them started from what is right; `run` says how many did not, and has corrected them. Each time, at least one more chunk is right for good. */
  #verified(mostReruns: number, run: () => number): number | null {
    let reruns = 0;
    for (; run() > 0; reruns++) {
      if (reruns === mostReruns) return null;
      this.counts.reruns++;
    }
    return reruns;
  }

  /**
   * Makes the first guesses; before it is known how long a warm-up has to be, from two different starts, until both come to the same. False if that takes too long:
   * the neuron does not forget.
   */
  #settle(
    experience: Pick<Experience, "warmUp" | "proved">, steps: number, chunkSteps: number, guess: (shift: number, which: "first" | "second") => void, guesses: Guesses, [begin, end]: [number, number],
  ): boolean {
    for (;;) {
      guess(0, "first");
      if (experience.proved) return true;
      guess(APART, "second");
      const equal = this.#plan.states.reduce((sum, name) => sum + agreeing(guesses.words("first", name), guesses.words("second", name), begin, end), 0);
      if (equal >= FORGETS * (end - begin) * this.#plan.states.length) return true;
      if (2 * experience.warmUp > Math.min(chunkSteps / 2, longestWarmUp(steps))) return false;
      experience.warmUp *= 2;
    }
  }

  #load(): { chunk: Loaded; warmUp: Loaded } {
    const load = (plan: Plan): Loaded => ({ plan, module: loadKernels(this.#device, plan) });
    return (this.#kernels ??= { chunk: load(chunkPlan(this.#plan)), warmUp: load(warmUpPlan(this.#plan)) });
  }

  #run({ plan, module }: Loaded, direction: Direction, steps: number, width: number, { size, channels = size }: Launch, addressOf: (spec: BufferSpec) => number): void {
    const { pool } = this.#device;
    pool.run(module, direction, width, grain(width, steps, plan.tile[direction], pool.threads), [steps, width, channels, ...plan[direction]!.buffers.map(addressOf)]);
  }

  /** The states before the first step, as words. */
  #firstStates({ size, buffers }: Launch): Record<string, Int32Array> {
    const { initialState, neuron, states } = this.#plan;
    return Object.fromEntries(states.map((name) => [name, initialState ? this.#words(buffers[`state.${name}`]) : new Int32Array(new Float32Array(size).fill(neuron.state[name]).buffer)]));
  }

  /** The values of a tensor bit for bit: 0 and −0 differ, and a NaN is itself. */
  #words(tensor: Tensor): Int32Array {
    return new Int32Array(this.#device.pool.memory.buffer, this.#device.ptr(tensor, "timeParallel"), tensor.size);
  }
}

/** What warm-ups of all columns start from, and what two of them come to. */
class Guesses implements Disposable {
  readonly #device: CpuContext;
  readonly #states: readonly string[];
  readonly #memory: Tensor;

  constructor(device: CpuContext, states: readonly string[], width: number) {
    this.#device = device;
    this.#states = states;
    this.#memory = device.empty([3, states.length, width]);
  }

  address(which: "start" | "first" | "second", state: string): number {
    const { shape: [, states, width] } = this.#memory;
    return this.#device.ptr(this.#memory, "timeParallel") + 4 * width * (["start", "first", "second"].indexOf(which) * states + this.#states.indexOf(state));
  }

  floats(which: "start", state: string): Float32Array { return new Float32Array(this.#device.pool.memory.buffer, this.address(which, state), this.#memory.shape[2]); }
  words(which: "first" | "second", state: string): Int32Array { return new Int32Array(this.#device.pool.memory.buffer, this.address(which, state), this.#memory.shape[2]); }

  [Symbol.dispose](): void {
    this.#memory.dispose();
  }
}

/** "final.v" is the state v's final value. */
function split(name: string): [role: string, state: string] {
  const dot = name.indexOf(".");
  return [name.slice(0, dot), name.slice(dot + 1)];
}

/** Sets what chunks were guessed to start from to what their neighbours end with, `shift` columns away; how many of `count` differed. */
function correct(guessed: Int32Array, found: Int32Array, shift: number, count: number): number {
  let wrong = 0;
  const at = Math.max(0, shift);
  for (let i = 0; i < count; i++) {
    const right = found[at + i - shift];
    if (guessed[at + i] !== right) wrong++;
    guessed[at + i] = right;
  }
  return wrong;
}

function agreeing(a: Int32Array, b: Int32Array, begin: number, end: number): number {
  let count = 0;
  for (let i = begin; i < end; i++) if (a[i] === b[i]) count++;
  return count;
}
