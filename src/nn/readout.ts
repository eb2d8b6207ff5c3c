import { OptionError, ShapeError } from "../errors.ts";
import { Layer } from "./layer.ts";
import { Spikes } from "./spikes.ts";
import type { Tape } from "./tape.ts";
import type { Shape, Variable } from "./variable.ts";

/** Mean over time: [T, B, ...] → [B, ...]. Of spikes: the firing rate per step. */
export const rate = (): Layer => new OverTime("rate", (tape) => 1 / tape.totalSteps);

/** Sum over time: [T, B, ...] → [B, ...]. Of spikes: their number. */
export const spikeCount = (): Layer => new OverTime("spikeCount", () => 1);

/** The membrane of the spiking layer before it after the last step: [B, ...]. `state` is the neuron's name for it. */
export const lastMembrane = (state = "v"): Layer => new Membrane("lastMembrane", state);

/** The mean over time of the membrane of the spiking layer before it: [B, ...]. `state` is the neuron's name for it. */
export const meanMembrane = (state = "v"): Layer => new Membrane("meanMembrane", state);

abstract class Readout extends Layer {
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
    this.kind = kind;
    this.#state = state;
  }

  override get description(): string {
    return `${this.kind}(${this.#state})`;
  }

  protected override run(tape: Tape, x: Variable): Variable {
    this.requireTime(x);
    if (!(x instanceof Spikes)) throw new OptionError(`${this.name} reads the membrane of a spiking layer and must follow one directly`);
    if (this.kind === "meanMembrane") return sumOver(tape, x.trace(this.#state), 1 / tape.totalSteps);
    const last = x.final(this.#state);
    return !tape.carry || tape.carry.isLast ? last : nothingYet(tape, last);
  }
}

/** Before the last step of a network run step by step, the last membrane contributes nothing. */
function nothingYet(tape: Tape, x: Variable): Variable {
  const [result] = tape.record({ inputs: [x], outputs: [{ value: tape.device.zeros(x.value.shape), shape: x.shape, time: "none" }], backward: () => [] });
  return result;
}
