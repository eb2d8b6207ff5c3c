import { type Block, lower } from "./block.ts";
import type { BufferSpec } from "./buffers.ts";
import { type Invariant, Invariants } from "./invariants.ts";
import { perNeuron, type Traced } from "./trace.ts";

export interface ForwardPlan {
  readonly buffers: readonly BufferSpec[];
  readonly invariants: readonly Invariant[];
  /** Time-invariant values, computed before the time loop: results are the invariants' names. */
  readonly prologue: Block;
  /** One step: leaves input, state, invariant; results `state.v` (next) and outputs by name. */
  readonly step: Block;
}

/** The kernel that runs all steps: reads each input once, writes what is asked for and nothing else. */
export function planForward({ states, outputs, record, finalState, constants, next, leaves, sources, mixed, checkpoints }: Traced): ForwardPlan {
  const invariants = new Invariants(constants);
  const step = lower(invariants.hoist({
    ...Object.fromEntries(states.map((name) => [`state.${name}`, next[name]])),
    ...Object.fromEntries(Object.keys(outputs).map((name) => [name, next[name]])),
    ...Object.fromEntries(mixed("out").map(({ name }) => [name, leaves.input[name]])),
  }));
  return {
    buffers: [
      ...sources,
      ...Object.entries(outputs).map(([name, format]) => ({ ...perNeuron(name, "out", "varying"), format })),
      ...mixed("out"),
      ...record.map((name) => perNeuron(`trace.${name}`, "out", "varying")),
      ...(finalState ? states : []).map((name) => perNeuron(`final.${name}`, "out", "constant")),
      ...checkpoints("out"),
    ],
    step,
    ...invariants.prologue(),
  };
}
