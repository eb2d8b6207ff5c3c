import { checkArgument, checkNone, text } from "../check.ts";
import { ShapeError } from "../errors.ts";
import { checkReadout, Layer } from "./layer.ts";
import { Spikes } from "./spikes.ts";
import type { Tape } from "./tape.ts";
import type { Shape, Variable } from "./variable.ts";

/** Mean over time: [T, B, ...] → [B, ...]. Of spikes: the firing rate per step. */
export const rate = (...none: []): Layer => {
  checkNone("rate", none);
  return new OverTime("rate", (tape) => 1 / tape.totalSteps);
};

/** Sum over time: [T, B, ...] → [B, ...]. Of spikes: their number. */
export const spikeCount = (...none: []): Layer => {
  checkNone("spikeCount", none);
  return new OverTime("spikeCount", () => 1);
};

/** The membrane of the spiking layer before it after the last step: [B, ...]. `state` is the neuron's name for it, default "v". @throws OptionError, when a model is built, unless a spiking layer comes right before it. */
export const lastMembrane = (state = "v"): Layer => new Membrane("lastMembrane", state);

/** The mean over time of the membrane of the spiking layer before it: [B, ...]. `state` is the neuron's name for it, default "v". @throws OptionError, when a model is built, unless a spiking layer comes right before it. */
export const meanMembrane = (state = "v"): Layer => new Membrane("meanMembrane", state);

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
}

class OverTime extends Readout {
  readonly kind: string;
  readonly #scale: (tape: Tape) => number;

  constructor(kind: string, scale: (tape: Tape) => number) {
    super();
    this.kind = kind;
    this.#scale = scale;
  }

  protected override run(tape: Tape, x: Variable): Variable {
    this.requireTime(x);
    return sumOver(tape, x, this.#scale(tape));
  }
}

/** Sum or mean of a variable over time, [T, B, ...] → [B, ...]. */
export const overTime = (tape: Tape, x: Variable, what: "sum" | "mean"): Variable => sumOver(tape, x, what === "sum" ? 1 : 1 / tape.totalSteps);

/** Σ over time times `scale`. Its gradient is the same at all T steps and is handed on as one. */
function sumOver(tape: Tape, x: Variable, scale: number): Variable {
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

class Membrane extends Readout {
  readonly kind: "lastMembrane" | "meanMembrane";
  readonly #state: string;

  constructor(kind: "lastMembrane" | "meanMembrane", state: string) {
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
    if (this.kind === "meanMembrane") return sumOver(tape, spikes.trace(this.#state), 1 / tape.totalSteps);
    const last = spikes.final(this.#state);
    return !tape.carry || tape.carry.isLast ? last : nothingYet(tape, last);
  }
}

/** Before the last step of a network run step by step, the last membrane contributes nothing. */
function nothingYet(tape: Tape, x: Variable): Variable {
  const [result] = tape.record({ inputs: [x], outputs: [{ value: tape.device.zeros(x.value.shape), shape: x.shape, time: "none" }], backward: () => [] });
  return result;
}
