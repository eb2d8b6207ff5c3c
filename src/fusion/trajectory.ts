import type { OperationName } from "../neuron/ops.ts";
import { type Block, isTruth, keyOf, type Value } from "./block.ts";
import { minimumCut } from "./cut.ts";
import type { BackwardPlan } from "./plan.ts";

const known = new WeakMap<BackwardPlan, Trajectory>();

/** A block, and which of its values may be computed with a few units in the last place of error: no state, no decision depends on them. */
export interface LooseBlock extends Block {
  readonly loose: ReadonlySet<number>;
}

/** How a backward kernel recomputes a piece of the trajectory and walks it back, with as little kept of each step as there can be. */
export interface Trajectory {
  /** Names of the values kept of each step that are not inputs. */
  readonly kept: readonly { readonly name: string; readonly truth: boolean }[];
  /** The varying inputs that are kept. */
  readonly inputs: readonly string[];
  /** One step forward: the next states, and what is kept. */
  readonly advance: LooseBlock;
  /** One step backward, from leaves of the role "kept", kept inputs, seeds, adjoints, invariants. */
  readonly reverse: LooseBlock;
}

/**
 * Decides what a backward kernel keeps of each step: not the states and inputs, but the fewest bytes of values from which all that the adjoint reads
 * follows, a minimum cut of the step's graph. Of LIF that is the one value h in place of v and x. Where cuts are equal, it keeps what is computed last.
 */
export function trajectoryOf(part: BackwardPlan): Trajectory {
  let trajectory = known.get(part);
  if (!trajectory) known.set(part, (trajectory = cutTrajectory(part)));
  return trajectory;
}

function cutTrajectory({ advance, reverse, buffers }: BackwardPlan): Trajectory {
  // An input is kept as it is stored.
  const inputBytes = (name: string): number => (buffers.find((buffer) => buffer.name === name)!.format === "f32" ? 4 : 2);
  const { values, results } = join(advance, reverse);
  const users = Object.keys(reverse.results).map((name) => results[name]);
  const decisive = decisiveValues(values, Object.keys(advance.results).map((name) => results[name]));

  const varies: boolean[] = [];
  const backward: boolean[] = [];
  values.forEach((value, n) => {
    const args = value.kind === "operation" ? value.args : [];
    varies[n] = args.some((arg) => varies[arg]) || (value.kind === "leaf" && (value.role === "state" || value.role === "input"));
    backward[n] = args.some((arg) => backward[arg]) || (value.kind === "leaf" && (value.role === "seed" || value.role === "adjoint"));
  });
  const forward = (n: number): boolean => varies[n] && !backward[n];
  const live = liveValues(values, users);
  const needed = new Set(users.filter(forward));
  for (const n of live) {
    const value = values[n];
    if (backward[n] && value.kind === "operation") for (const arg of value.args) if (forward(arg)) needed.add(arg);
  }
  const cut = minimumCut({
    count: values.length,
    operands: (n) => { const value = values[n]; return value.kind === "operation" ? value.args.filter((arg) => varies[arg]) : []; },
    needed: [...needed],
    cost: (n) => { const value = values[n]; return value.kind === "leaf" && value.role === "input" ? inputBytes(value.name) : 4; },
  });

  const all: Block = { values, results };
  const isInput = (n: number): boolean => { const value = values[n]; return value.kind === "leaf" && value.role === "input"; };
  const kept = cut.filter((n) => !isInput(n));
  const nameOf = new Map(kept.map((n, i) => [n, `kept.${i}`]));
  const ahead = Object.fromEntries([...Object.keys(advance.results).map((name) => [name, results[name]]), ...kept.map((n) => [nameOf.get(n)!, n])]);
  const back = Object.fromEntries(Object.keys(reverse.results).map((name) => [name, results[name]]));
  return {
    kept: kept.map((n) => ({ name: nameOf.get(n)!, truth: isTruth(all, n) })),
    inputs: cut.filter(isInput).map((n) => (values[n] as Value & { name: string }).name),
    advance: part(values, ahead, new Map(), decisive),
    reverse: part(values, back, new Map(kept.map((n) => [n, { kind: "leaf", role: "kept", name: nameOf.get(n)! }])), decisive),
  };
}

/** Both blocks as one, what they share once. Their results have different names. */
function join(...blocks: readonly Block[]): { values: Value[]; results: Record<string, number> } {
  const values: Value[] = [];
  const numbers = new Map<string, number>();
  const results: Record<string, number> = {};
  for (const block of blocks) {
    const place: number[] = [];
    for (const value of block.values) {
      const moved = value.kind === "operation" ? { ...value, args: value.args.map((arg) => place[arg]) } : value;
      const key = keyOf(moved);
      if (!numbers.has(key)) numbers.set(key, values.push(moved) - 1);
      place.push(numbers.get(key)!);
    }
    for (const [name, n] of Object.entries(block.results)) results[name] = place[n];
  }
  return { values, results };
}

const decisions = new Set<OperationName>(["greater", "greaterEqual", "less", "lessEqual", "equal", "notEqual", "floor"]);

/** The values on which a state or a decision depends. */
function decisiveValues(values: readonly Value[], states: readonly number[]): ReadonlySet<number> {
  const roots = values.flatMap((value, n) => (value.kind === "operation" && decisions.has(value.op) ? [n] : []));
  return liveValues(values, [...states, ...roots]);
}

/** The roots and all they are made of. */
function liveValues(values: readonly Value[], roots: readonly number[], stop: (n: number) => boolean = () => false): Set<number> {
  const live = new Set(roots);
  for (let n = values.length - 1; n >= 0; n--) {
    const value = values[n];
    if (live.has(n) && value.kind === "operation" && !stop(n)) for (const arg of value.args) live.add(arg);
  }
  return live;
}

/** The code of some results, with leaves in place of some values. */
function part(values: readonly Value[], results: Record<string, number>, leaves: ReadonlyMap<number, Value>, decisive: ReadonlySet<number>): LooseBlock {
  const order = [...liveValues(values, Object.values(results), (n) => leaves.has(n))].sort((a, b) => a - b);
  const place = new Map(order.map((n, i) => [n, i]));
  return {
    values: order.map((n) => {
      const value = leaves.get(n) ?? values[n];
      return value.kind === "operation" ? { ...value, args: value.args.map((arg) => place.get(arg)!) } : value;
    }),
    results: Object.fromEntries(Object.entries(results).map(([name, n]) => [name, place.get(n)!])),
    loose: new Set(order.flatMap((n, i) => (decisive.has(n) ? [] : [i]))),
  };
}
