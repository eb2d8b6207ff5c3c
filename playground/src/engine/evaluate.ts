import type { Block } from "../../../src/fusion/block.ts";
import type { Plan } from "../../../src/fusion/plan.ts";
import type { LeafRole } from "../../../src/neuron/expr.ts";
import { operations } from "../../../src/neuron/ops.ts";

/** The value of a leaf for all neurons. */
type Leaves = (role: LeafRole, name: string) => Float32Array;

/**
 * Straight-line code over many neurons at once, each result rounded to f32: the interpreter's numbers, some twenty times as fast, because an
 * operation is looked up once for all neurons. The results are valid until the next run.
 */
export function compile({ values, results }: Block, size: number): (leaf: Leaves) => Record<string, Float32Array> {
  const registers: Float32Array[] = values.map((value) => new Float32Array(size).fill(value.kind === "constant" ? value.value : 0));
  return (leaf) => {
    values.forEach((value, index) => {
      if (value.kind === "leaf") registers[index] = leaf(value.role, value.name);
      if (value.kind !== "operation") return;
      const { evaluate } = operations[value.op];
      const target = registers[index];
      const [a, b = a, c = a] = value.args.map((n) => registers[n]);
      for (let i = 0; i < size; i++) target[i] = evaluate(a[i], b[i], c[i]);
    });
    return Object.fromEntries(Object.entries(results).map(([name, n]) => [name, registers[n]]));
  };
}

export interface Run {
  steps: number;
  size: number;
  /** Inputs that vary over time, [steps, size]; other inputs and parameters, one value. */
  values: Readonly<Record<string, Float32Array>>;
}

/** Runs the forward kernel of a plan; results by the names of its buffers, [steps, size]. */
export function runForward({ forward, states, neuron }: Plan, { steps, size, values }: Run): Record<string, Float32Array> {
  const whole = Object.fromEntries(Object.entries(values).filter(([, given]) => given.length === 1).map(([name, [value]]) => [name, new Float32Array(size).fill(value)]));
  const invariants = compile(forward.prologue, size)((_, name) => whole[name]);
  const step = compile(forward.step, size);
  const outputs = forward.buffers.filter(({ direction, time }) => direction === "out" && time === "varying").map(({ name }) => name);
  const written = Object.fromEntries(outputs.map((name) => [name, new Float32Array(steps * size)]));

  let state = Object.fromEntries(states.map((name) => [name, new Float32Array(size).fill(neuron.state[name])]));
  let next = Object.fromEntries(states.map((name) => [name, new Float32Array(size)]));
  for (let t = 0; t < steps; t++) {
    const result = step((role, name) =>
      role === "state" ? state[name] : role === "invariant" ? invariants[name] : whole[name] ?? values[name].subarray(t * size, (t + 1) * size));
    for (const name of states) next[name].set(result[`state.${name}`]);
    for (const name of outputs) written[name].set(name.startsWith("trace.") ? next[name.slice("trace.".length)] : result[name], t * size);
    [state, next] = [next, state];
  }
  return written;
}
