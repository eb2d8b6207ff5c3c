import type { Neuron } from "../../neuron/define.ts";
import { type Affine, coefficient, isNear, sameTerms } from "./affine.ts";
import type { NodeType } from "./graph.ts";
import type { FiringRule } from "./neurons.ts";
import { Outcomes, refuse } from "./outcomes.ts";

/** What a neuron is in NIR: a type and its fields. */
export interface NirForm {
  readonly type: NodeType;
  readonly fields: Readonly<Record<string, number>>;
  /** Of one that fires. */
  readonly rule?: FiringRule;
  /** States that NIR does not know of: a refractory period. */
  readonly unsaid: readonly string[];
}

/**
 * The form of a neuron with these values of its parameters. Between spikes all neurons of NIR are sums of states and input with constant factors, from which Euler's method in steps of
 * dt gives time constants, resistances and the rest; after a spike, what is left of the membrane is the reset.
 * @throws NoForm, saying why, for a neuron that NIR has no node for
 */
export function formOf(neuron: Neuron, params: Readonly<Record<string, number>>, dt: number): NirForm {
  const step = new Outcomes(neuron, params);
  const { spike } = step;
  const [quiet, firing] = [step.output("quiet"), step.output("firing")];
  if (spike && !(quiet.terms.size === 0 && firing.terms.size === 0 && quiet.constant === 0 && firing.constant === 1)) refuse("what it puts out is not spikes of 0 or 1");
  const recalling = step.output("recalling");
  if (!spike && !(sameTerms(recalling, quiet) && recalling.constant === quiet.constant)) refuse("it fires from what it was in the step before, without this step's input");
  const potential = spike ? step.potential(spike) : quiet;
  const delay = spike ? undefined : delayOf(step, potential);
  if (delay !== undefined) return { type: "Delay", fields: { delay: delay * dt }, unsaid: [] };

  const used = step.states.filter((name) => coefficient(potential, name) !== 0);
  const drivers = step.states.filter((name) => used.some((other) => other === name || coefficient(step.next(other), name) !== 0));
  const unsaid = step.states.filter((name) => !drivers.includes(name));
  if (drivers.length === 0) return { ...stateless(potential, coefficient(potential, step.input), spike !== undefined), rule: spike && { reset: "none", resetDelay: false, strict: spike.strict, surrogate: spike.surrogate }, unsaid };

  const membrane = drivers.find((name) => sameTerms(step.next(name), potential)) ?? refuse(`what it fires from or puts out is none of its states (${drivers.join(", ")})`);
  const threshold = step.next(membrane).constant - potential.constant;
  if (!spike) {
    if (!isNear(step.next(membrane).constant, potential.constant)) refuse("it puts out its membrane plus a constant");
    const { type, fields } = charge(step, membrane, drivers, dt);
    return { type, fields, unsaid };
  }
  const { type, fields } = charge(step, membrane, drivers, dt);
  const { reset, resetDelay, rest } = resetOf(step, membrane, threshold);
  return {
    type: `${type}F` as NodeType, fields: { ...fields, v_threshold: threshold, v_reset: rest },
    rule: { reset, resetDelay, strict: spike.strict, surrogate: spike.surrogate }, unsaid,
  };
}

/** Of a neuron that puts out what its input was some steps before: how many. */
function delayOf(step: Outcomes, { constant, terms }: Affine): number | undefined {
  let from = { constant, terms };
  for (let steps = 0; steps <= step.states.length; steps++) {
    const [[source, factor] = ["", 0]] = from.terms;
    if (from.constant !== 0 || from.terms.size !== 1 || factor !== 1) return undefined;
    // With no step between it is a scale of 1.
    if (source === step.input) return steps === 0 && step.states.length === 0 ? undefined : steps;
    from = step.next(source);
  }
  return undefined;
}

function stateless(potential: Affine, factor: number, fires: boolean): Pick<NirForm, "type" | "fields"> {
  if (!fires) return potential.constant === 0 ? { type: "Scale", fields: { scale: factor } } : refuse("it adds a constant to its input");
  return factor > 0 ? { type: "Threshold", fields: { threshold: -potential.constant / factor } } : refuse("it fires where its input is small");
}

/** What charges the membrane: the type and the fields of the integrator. */
function charge(step: Outcomes, membrane: string, drivers: readonly string[], dt: number): { type: "I" | "LI" | "CubaLI"; fields: Record<string, number> } {
  const h = step.next(membrane);
  const kept = coefficient(h, membrane);
  const direct = coefficient(h, step.input);
  const others = drivers.filter((name) => name !== membrane);
  if (others.length > 1) refuse(`its membrane is driven by ${others.length} states (${others.join(", ")}): NIR has one current`);
  if (others.length === 0 && kept === 1 && h.constant === 0) return { type: "I", fields: { r: direct / dt } };
  const leak = leakOf(kept, membrane);
  const v_leak = h.constant / leak;
  if (others.length === 0) return { type: "LI", fields: { tau: dt / leak, r: direct / leak, v_leak } };
  const [current] = others;
  const i = step.next(current);
  const [remains, taken] = [coefficient(i, current), coefficient(i, step.input)];
  if (coefficient(i, membrane) !== 0 || i.constant !== 0) refuse(`its state ${current} is driven by more than its input`);
  // The current of NIR is the one that the membrane takes: a constant times the new state.
  const share = remains !== 0 ? coefficient(h, current) / remains : direct / taken;
  if (!isNear(direct, share * taken) || !isNear(coefficient(h, current), share * remains)) refuse(`its membrane takes the state ${current} of the step before, not the new one as NIR's neurons here do`);
  const currentLeak = leakOf(remains, current);
  return { type: "CubaLI", fields: { tau_syn: dt / currentLeak, tau_mem: dt / leak, r: share / leak, v_leak, w_in: taken / currentLeak } };
}

/** What a spike does to the membrane, and the membrane after a hard reset. */
function resetOf(step: Outcomes, membrane: string, threshold: number): Pick<FiringRule, "reset" | "resetDelay"> & { rest: number } {
  const before = step.next(membrane);
  for (const [outcome, resetDelay] of [["firing", false], ["recalling", true]] as const) {
    const after = step.next(membrane, outcome);
    const drop = before.constant - after.constant;
    if (sameTerms(after, before)) {
      if (drop === 0) continue;
      if (!isNear(drop, threshold)) refuse("a spike takes something else than the threshold from its membrane");
      return { reset: "soft", resetDelay, rest: 0 };
    }
    if (after.terms.size === 0) return { reset: "hard", resetDelay, rest: after.constant + 0 };
    if (!resetDelay) refuse("a spike leaves a part of its membrane");
    return { reset: "hard", resetDelay, rest: -drop / coefficient(before, membrane) + 0 };
  }
  return { reset: "none", resetDelay: false, rest: 0 };
}

function leakOf(factor: number, state: string): number {
  return factor >= 0 && factor < 1 ? 1 - factor : refuse(`its state ${state} is multiplied by ${factor} in each step: NIR's decay by a factor in 0 … 1`);
}
