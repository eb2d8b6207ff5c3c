import type { Neuron } from "../../neuron/define.ts";
import type { Expr } from "../../neuron/expr.ts";
import { postOrder } from "../../neuron/walk.ts";
import { type Affine, affineForm, coefficient, isNear, sameTerms } from "./affine.ts";

/** Why a neuron has no form in NIR. */
export class NoForm extends Error {}

export function refuse(why: string): never {
  throw new NoForm(why);
}

type Spike = Extract<Expr["node"], { kind: "spike" }>;

/**
 * What a step does in each outcome of its spikes: none ("quiet"), those that this step's input decides ("firing"), or those that states of the step before decide ("recalling"),
 * which delay a reset or make a refractory period.
 */
export type Outcome = "quiet" | "firing" | "recalling";

export class Outcomes {
  readonly #neuron: Neuron;
  readonly #params: Readonly<Record<string, number>>;
  readonly #ofNow: ReadonlySet<Expr>;
  /** Name of the input. */
  readonly input: string;

  constructor(neuron: Neuron, params: Readonly<Record<string, number>>) {
    this.#neuron = neuron;
    this.#params = params;
    [this.input] = neuron.inputs;
    this.#ofNow = new Set();
    const spikes = postOrder(Object.values(neuron.next)).filter(({ node }) => node.kind === "spike");
    this.#ofNow = new Set(spikes.filter((s) => coefficient(this.#argument(s), this.input) !== 0));
  }

  get states(): string[] {
    return Object.keys(this.#neuron.state);
  }

  /** The next value of a state. */
  next(state: string, outcome: Outcome = "quiet"): Affine {
    return this.#form(this.#neuron.next[state], outcome) ?? refuse(`its state ${state} is no sum of states and input with constant factors`);
  }

  output(outcome: Outcome): Affine {
    return this.#form(this.#neuron.next.spike, outcome) ?? refuse("what it puts out is no spike and no sum of states and input with constant factors");
  }

  /** The spike of this step; undefined: it never fires. */
  get spike(): Spike | undefined {
    const [first, ...others] = this.#ofNow;
    if (!first) return undefined;
    const potential = this.#argument(first);
    for (const each of others.map((s) => this.#argument(s))) if (!sameTerms(each, potential) || !isNear(each.constant, potential.constant)) refuse("it has two thresholds");
    return first.node as Spike;
  }

  /** What the spike of this step is decided from, as it stands before any reset: it fires where that is above 0. */
  potential({ u }: Spike): Affine {
    return this.#form(u, "quiet")!;
  }

  #argument(s: Expr): Affine {
    return this.#form((s.node as Spike).u, "quiet") ?? refuse("what its spikes are decided from is no sum of states and input with constant factors");
  }

  #form(root: Expr, outcome: Outcome): Affine | undefined {
    return affineForm(root, { params: this.#params, spike: (s) => Number(outcome !== "quiet" && this.#ofNow.has(s) === (outcome === "firing")) });
  }
}
