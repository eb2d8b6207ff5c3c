import { checkArgument, checkNone, text } from "../check.ts";
import type { Tensor } from "../device/device.ts";
import { OptionError, ShapeError } from "../errors.ts";
import { reshaped } from "./axes.ts";
import { checkReadout, Layer } from "./layer.ts";
import { sumOverChunks } from "./overChunks.ts";
import { largestOverTime, type OverTime, overValidSteps } from "./overTime.ts";
import { Spikes } from "./spikes.ts";
import type { Tape } from "./tape.ts";
import type { Shape, Variable } from "./variable.ts";

/** Mean over time: [T, B, ...] → [B, ...]. Of spikes: the firing rate per step. */
export const rate = (...none: []): Layer => {
  checkNone("rate", none);
  return new Sum("rate", "mean", (tape) => 1 / tape.totalSteps);
};

/** Sum over time: [T, B, ...] → [B, ...]. Of spikes: their number. */
export const spikeCount = (...none: []): Layer => {
  checkNone("spikeCount", none);
  return new Sum("spikeCount", "sum", () => 1);
};

/** The membrane of the spiking layer before it after the last step: [B, ...]. `state` is the neuron's name for it, default "v". @throws OptionError, when a model is built, unless a spiking layer comes right before it. */
export const lastMembrane = (state = "v"): Layer => new Membrane("lastMembrane", state);

/** The mean over time of the membrane of the spiking layer before it: [B, ...]. `state` is the neuron's name for it, default "v". @throws OptionError, when a model is built, unless a spiking layer comes right before it. */
export const meanMembrane = (state = "v"): Layer => new Membrane("meanMembrane", state);

/** The largest membrane over time of the spiking layer before it: [B, ...]; of equal ones, the gradient goes to the first. `state` is the neuron's name for it, default "v". @throws OptionError, when a model is built, unless a spiking layer comes right before it. */
export const maxMembrane = (state = "v"): Layer => new Membrane("maxMembrane", state);

/** Each step as it is, [T, B, ...], for losses that look at every step. */
export const everyStep = (...none: []): Layer => {
  checkNone("everyStep", none);
  return new EveryStep();
};

/** The membrane of the spiking layer before it after each step: [T, B, ...], for losses that look at every step. `state` is the neuron's name for it, default "v". @throws OptionError, when a model is built, unless a spiking layer comes right before it. */
export const membranes = (state = "v"): Layer => new Membrane("membranes", state);

abstract class Readout extends Layer {
  override readableStates(): readonly string[] {
    return [];
  }

  protected override setUp(shape: Shape): Shape {
    return shape;
  }

  protected requireTime(x: Variable): void {
    if (x.time === "none") throw new ShapeError(`${this.name}: its input has no time axis any more; one read-out is enough`);
  }

  /** @throws OptionError where a network runs step by step, whose outputs are summed. */
  protected requireAllSteps(tape: Tape): void {
    if (tape.carry && !tape.carry.keepsTime) throw new OptionError(`${this.name}: a network that runs step by step needs a read-out that is a sum over time: rate(), spikeCount(), lastMembrane() or meanMembrane()`);
  }
}

class Sum extends Readout {
  readonly kind: string;
  readonly #ofValidSteps: OverTime;
  readonly #scale: (tape: Tape) => number;

  constructor(kind: string, ofValidSteps: OverTime, scale: (tape: Tape) => number) {
    super();
    this.kind = kind;
    this.#ofValidSteps = ofValidSteps;
    this.#scale = scale;
  }

  protected override run(tape: Tape, x: Variable): Variable {
    this.requireTime(x);
    return tape.lengths ? overValidSteps(tape, x, this.#ofValidSteps) : sumOver(tape, x, this.#scale(tape));
  }
}

/** Sum or mean of a variable over time, [T, B, ...] → [B, ...]. */
export const overTime = (tape: Tape, x: Variable, what: "sum" | "mean"): Variable => sumOver(tape, x, what === "sum" ? 1 : 1 / tape.totalSteps);

/** Σ over time times `scale`. Its gradient is the same at all T steps and is handed on as one. */
function sumOver(tape: Tape, x: Variable, scale: number): Variable {
  const { carry } = tape;
  if (!carry?.keepsTime) return sumOfOwn(tape, x, scale);
  const sum = sumOverChunks(tape, carry, sumOfOwn(tape, x, 1));
  return scale === 1 ? sum : scaled(tape, sum, scale);
}

function scaled(tape: Tape, x: Variable, scale: number): Variable {
  const apply = (values: Tensor): Tensor => tape.device.dense.repeatFirst(values, 1, scale);
  const [result] = tape.record({
    inputs: [x], outputs: [{ value: reshaped(apply(x.value), x.value.shape), shape: x.shape, time: "none" }],
    backward: ([g]) => [reshaped(apply(g!), x.value.shape)],
  });
  return result;
}

/** Of the steps that the tape has. */
function sumOfOwn(tape: Tape, x: Variable, scale: number): Variable {
  const { dense } = tape.device;
  const input = x.plain();
  const factor = input.time === "constant" ? scale * tape.steps : scale;
  const [result] = tape.record({
    inputs: [input],
    outputs: [{ value: dense.sumFirst(input.value, factor), shape: x.shape, time: "none" }],
    backward: ([g]) => [dense.repeatFirst(g!, 1, factor)],
  });
  return result;
}

class EveryStep extends Readout {
  readonly kind = "everyStep";

  protected override run(tape: Tape, x: Variable): Variable {
    this.requireTime(x);
    this.requireAllSteps(tape);
    if (x.time === "constant") throw new ShapeError(`${this.name}: its input is the same at all steps; read it with rate()`);
    return x;
  }
}

class Membrane extends Readout {
  readonly kind: "lastMembrane" | "meanMembrane" | "maxMembrane" | "membranes";
  readonly #state: string;

  constructor(kind: Membrane["kind"], state: string) {
    super();
    checkArgument(kind, "state", state, text);
    this.kind = kind;
    this.#state = state;
  }

  override get description(): string {
    return `${this.kind}(${this.#state})`;
  }

  override readsState(): string {
    return this.#state;
  }

  protected override run(tape: Tape, x: Variable): Variable {
    this.requireTime(x);
    checkReadout(this, x instanceof Spikes ? x.states : []);
    const spikes = x as Spikes;
    const trace = (): Variable => spikes.trace(this.#state);
    if (this.kind === "membranes" || this.kind === "maxMembrane") {
      this.requireAllSteps(tape);
      return this.kind === "membranes" ? trace() : largestOverTime(tape, trace());
    }
    if (tape.lengths) return overValidSteps(tape, trace(), this.kind === "lastMembrane" ? "last" : "mean");
    if (this.kind === "meanMembrane") return sumOver(tape, trace(), 1 / tape.totalSteps);
    const last = spikes.final(this.#state);
    return !tape.carry || tape.carry.isLast ? last : nothingYet(tape, last);
  }
}

/** Before the last step, where a tape has some of the steps, the last membrane is nothing. */
function nothingYet(tape: Tape, x: Variable): Variable {
  const [result] = tape.record({ inputs: [x], outputs: [{ value: tape.device.zeros(x.value.shape), shape: x.shape, time: "none" }], backward: () => [] });
  return result;
}
