import { GROUP } from "../../codegen/wasm/kernel.ts";
import type { BufferSpec, Plan } from "../../fusion/plan.ts";
import { chunkPlan, divideTime, FIRST_WARM_UP, longestWarmUp, type TimeDivision, warmUpPlan } from "../../fusion/timeParallel.ts";
import type { Launch, Tensor } from "../device.ts";
import { bufferOf } from "../launch.ts";
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
    const divide = (warmUp: number): TimeDivision | null => divideTime(this.#plan, direction, { steps, size, threads: this.#device.pool.threads, group: GROUP, warmUp }).division;
    const division = divide(experience.warmUp);
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

  /** Runs a launch in these chunks. How often they had to run again; null if it was given up. */
  runDivided(direction: Direction, launch: Launch, division: TimeDivision, experience: { warmUp: number; proved: boolean }, mostReruns = MOST_RERUNS): number | null {
    const owned: Tensor[] = [];
    const own = <T extends Tensor>(tensor: T): T => { owned.push(tensor); return tensor; };
    try {
      const run = { launch, division, experience, mostReruns, own };
      return direction === "forward" ? this.#forward(run) : this.#backward(run);
    } finally {
      for (const tensor of owned) tensor.dispose();
    }
  }

  #forward({ launch, division: { chunks, steps, rest }, experience, mostReruns, own }: Run): number | null {
    const { chunk, warmUp } = this.#load();
    const { size } = launch;
    const segment = (start: number, of: number, length: number): Segment => new Segment(this.#device, this.#plan, { direction: "forward", launch, start, chunks: of, steps: length, own });
    const main = segment(0, chunks, steps);
    const { width } = main;
    const first = this.#firstStates(launch);
    const setFirst = (): void => this.#plan.states.forEach((name) => main.begin(name).set(first[name]));

    // A guess is the state at the end of the chunk before, whose last steps are run from a state that may be any.
    const guess = (from: (name: string) => number, into: Record<string, Tensor>): void => {
      const starts = this.#eachState((name) => own(this.#filled(width, from(name))));
      this.#run(warmUp, "forward", experience.warmUp, width, launch, (spec) => {
        const [role, state] = split(spec.name);
        if (role === "state") return this.#address(starts[state]);
        if (role === "final") return this.#address(into[state]);
        return main.address(spec) + (spec.time === "varying" ? 4 * ((steps - experience.warmUp) * width - size) : 0);
      });
    };
    const guesses = this.#eachState(() => own(this.#device.empty([width])));
    const rest0 = (name: string): number => this.#plan.neuron.state[name];
    if (!this.#settle(experience, steps, launch, (shift, into) => guess((name) => rest0(name) + shift, into), guesses, [size, chunks * size], own)) return null;
    this.#plan.states.forEach((name) => main.begin(name).set(this.#words(guesses[name])));
    setFirst();

    let reruns = 0;
    for (;;) {
      this.#run(chunk, "forward", steps, width, launch, (spec) => main.address(spec));
      const wrong = this.#plan.states.reduce((sum, name) => sum + correct(main.begin(name), main.end(name), size, (chunks - 1) * size), 0);
      if (wrong === 0) break;
      if (reruns === mostReruns) return null;
      reruns++;
      this.counts.reruns++;
    }
    let last = main;
    if (rest > 0) {
      last = segment(chunks * steps, 1, rest);
      for (const name of this.#plan.states) last.begin(name).set(main.end(name).subarray((chunks - 1) * size, chunks * size));
      this.#run(chunk, "forward", rest, last.width, launch, (spec) => last.address(spec));
      last.give();
    }
    main.give();
    for (const { name } of this.#plan.forward.buffers) {
      const [role, state] = split(name);
      if (role === "final") this.#words(launch.buffers[name]).set(last.end(state).subarray((last.chunks - 1) * size, last.chunks * size));
    }
    return reruns;
  }

  #backward({ launch, division: { chunks, steps, rest }, experience, mostReruns, own }: Run): number | null {
    const { chunk } = this.#load();
    const { size } = launch;
    const segment = (start: number, of: number, length: number): Segment => new Segment(this.#device, this.#plan, { direction: "backward", launch, start, chunks: of, steps: length, own });
    const main = segment(0, chunks, steps);
    const { width } = main;
    const states = this.#plan.states;
    const first = this.#firstStates(launch);
    for (const name of states) main.begin(name).set(first[name]);

    // The adjoints of the last states, and of those before the rest.
    const last = this.#eachState((name) => (`d.final.${name}` in launch.buffers ? this.#words(launch.buffers[`d.final.${name}`]).slice() : new Int32Array(size)));
    if (rest > 0) {
      const tail = segment(chunks * steps, 1, rest);
      for (const name of states) tail.adjointEnd(name).set(last[name]);
      this.#run(chunk, "backward", rest, tail.width, launch, (spec) => tail.address(spec));
      for (const name of states) last[name] = tail.adjointBegin(name).slice(0, size);
      tail.give();
    }

    // A guess is the adjoint at the beginning of the chunk after, whose first steps are walked from an adjoint that may be any.
    const columns = (chunks - 1) * size;
    const unwanted = own(this.#device.empty([experience.proved ? experience.warmUp : Math.max(experience.warmUp, longestWarmUp(launch.steps)), width]));
    const guess = (from: number, into: Record<string, Tensor>): void => {
      const starts = own(this.#filled(width, from));
      this.#run(chunk, "backward", experience.warmUp, width, launch, (spec) => {
        if (spec.name.startsWith("d.final.")) return this.#address(starts);
        if (spec.name.startsWith("grad.state.")) return this.#address(into[spec.name.slice("grad.state.".length)]);
        if (spec.direction === "out") return this.#address(unwanted);
        return main.address(spec) + (spec.time !== "constant" || spec.name.startsWith("state.") ? 4 * size : 0);
      });
    };
    const guesses = this.#eachState(() => own(this.#device.empty([width])));
    if (!this.#settle(experience, steps, launch, guess, guesses, [0, columns], own)) return null;
    for (const name of states) {
      main.adjointEnd(name).set(this.#words(guesses[name]));
      main.adjointEnd(name).set(last[name], columns);
    }

    let reruns = 0;
    for (;;) {
      this.#run(chunk, "backward", steps, width, launch, (spec) => main.address(spec));
      const wrong = states.reduce((sum, name) => sum + correct(main.adjointEnd(name), main.adjointBegin(name), -size, columns), 0);
      if (wrong === 0) break;
      if (reruns === mostReruns) return null;
      reruns++;
      this.counts.reruns++;
    }
    main.give();
    for (const { name } of this.#plan.backward!.buffers) {
      if (name.startsWith("grad.state.")) this.#words(launch.buffers[name]).set(main.adjointBegin(name.slice("grad.state.".length)).subarray(0, size));
    }
    return reruns;
  }

  /**
   * Makes guesses; before it is known how long a warm-up has to be, from two different starts, until both come to the same. False if that takes too long:
   * the neuron does not forget.
   */
  #settle(
    experience: { warmUp: number; proved: boolean }, steps: number, launch: Launch, guess: (from: number, into: Record<string, Tensor>) => void,
    guesses: Record<string, Tensor>, [begin, end]: [number, number], own: <T extends Tensor>(tensor: T) => T,
  ): boolean {
    guess(0, guesses);
    if (experience.proved) return true;
    const others = this.#eachState((name) => own(this.#device.empty(guesses[name].shape)));
    for (;;) {
      guess(1, others);
      const equal = this.#plan.states.reduce((sum, name) => sum + agreeing(this.#words(guesses[name]), this.#words(others[name]), begin, end), 0);
      if (equal >= FORGETS * (end - begin) * this.#plan.states.length) return true;
      if (2 * experience.warmUp > Math.min(steps / 2, longestWarmUp(launch.steps))) return false;
      experience.warmUp *= 2;
      guess(0, guesses);
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
  #firstStates(launch: Launch): Record<string, Int32Array> {
    const { initialState, neuron, forward } = this.#plan;
    return this.#eachState((name) => {
      if (!initialState) return new Int32Array(new Float32Array(launch.size).fill(neuron.state[name]).buffer);
      return this.#words(bufferOf(this.#plan, forward.buffers.find((spec) => spec.name === `state.${name}`)!, launch)).slice();
    });
  }

  #eachState<T>(of: (name: string) => T): Record<string, T> {
    return Object.fromEntries(this.#plan.states.map((name) => [name, of(name)]));
  }

  #filled(size: number, value: number): Tensor {
    const tensor = this.#device.empty([size]);
    this.#device.view(tensor, "timeParallel").fill(value);
    return tensor;
  }

  #address(tensor: Tensor): number {
    return this.#device.ptr(tensor, "timeParallel");
  }

  /** The values of a tensor bit for bit: 0 and −0 differ, and a NaN is itself. */
  #words(tensor: Tensor): Int32Array {
    return new Int32Array(this.#device.pool.memory.buffer, this.#address(tensor), tensor.size);
  }
}

interface Run {
  launch: Launch;
  division: TimeDivision;
  experience: { warmUp: number; proved: boolean };
  mostReruns: number;
  own: <T extends Tensor>(tensor: T) => T;
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
