import type { Plan } from "../../fusion/plan.ts";
import { bracketed, type Dialect, emitBlock, type Operand } from "./block.ts";
import { tritonFunctions } from "./math.ts";
import { indent } from "./names.ts";
import { invariantName, leavesIn, sumsOf } from "./steps.ts";

const tensor = ({ text, constant }: Operand): string => (constant === undefined ? text : `tl.full([BLOCK], ${text}, tl.float32)`);
const own = ["exp", "expm1", "log1p", "tanh", "atan", "sigmoid", "minimum", "maximum"] as const;

const dialect: Dialect = {
  prefix: "tl.",
  operations: {
    ...Object.fromEntries(own.map((op) => [op, (...args: Operand[]) => `_${op}(${args.map(({ text }) => text).join(", ")})`])),
    div: (a, b) => `tl.div_rn(${tensor(a)}, ${tensor(b)})`, sqrt: (a) => `tl.sqrt_rn(${a.text})`, logicalNot: (a) => `${bracketed(a)} == 0`,
  },
};

/** A thread keeps a piece of the trajectory in registers: states and inputs of so many steps, at most; Triton has no registers that can be indexed in a loop. */
const PIECE_VALUES = 128;
const PIECE_STEPS = 16;

/** The longest piece of the trajectory that the backward kernel recomputes at once. */
export const pieceOf = ({ neuron, states }: Plan): number => Math.max(1, Math.min(PIECE_STEPS, 2 ** Math.floor(Math.log2(PIECE_VALUES / (states.length + neuron.inputs.length)))));

const load = (pointer: string, at: string, mask = "live"): string => `tl.load(${pointer} + ${at}, mask=${mask}, other=0.0).to(tl.float32)`;

/**
 * The two kernels in Triton: one text for PyTorch and for JAX. Arrays are [T, N] or [N]; a parameter has C values, neuron n reads that of channel ⌊n/inner⌋ mod C. What
 * is read comes before what is written. `saved` has the states before steps K, 2K, …; `trace` those after every step.
 */
export function tritonKernels(plan: Plan): string {
  const kernels = [...forwardKernel(plan), "", "", ...backwardKernel(plan)].join("\n");
  return [...tritonFunctions(kernels), kernels].join("\n\n");
}

/** Where a neuron is, its parameters and what is made of them. */
function head({ neuron }: Plan, part: Plan["forward"] | NonNullable<Plan["backward"]>): string[] {
  const params = Object.keys(neuron.params);
  const before = emitBlock(part.prologue, dialect, "k_", leavesIn(part));
  const invariants = part.invariants.map(({ name }) => [invariantName(part, name), before.results[name].text]).filter(([name, text]) => name !== text);
  return [
    "n = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)", "live = n < N",
    ...(params.length > 0 ? ["channel = (n // inner) % C"] : []), ...params.map((name) => `p_${name} = ${load(`param_${name}`, "channel")}`),
    ...before.lines, ...invariants.map(([name, text]) => `${name} = ${text}`),
  ];
}

const prefixed = (prefix: string, names: readonly string[]): string[] => names.map((name) => `${prefix}${name}`);
const assign = (prefix: string, names: readonly string[], value: (name: string) => string): string[] => names.map((name) => `${prefix}${name} = ${value(name)}`);
/** One statement: none of the new values is of another. */
const together = (prefix: string, names: readonly string[], value: (name: string) => string): string[] =>
  (names.length > 0 ? [`${prefixed(prefix, names).join(", ")} = ${names.map(value).join(", ")}`] : []);
const given = (condition: string, lines: readonly string[]): string[] => (lines.length > 0 ? [`if ${condition}:`, ...indent(lines)] : []);

function signature(name: string, pointers: readonly string[], constants: readonly string[]): string[] {
  const start = `def ${name}(`;
  return ['@triton.jit(do_not_specialize=["T"])', `${start}${pointers.join(", ")},`, `${" ".repeat(start.length)}T, N, C, inner, ${[...constants, "BLOCK"].map((each) => `${each}: tl.constexpr`).join(", ")}):`];
}

function forwardKernel(plan: Plan): string[] {
  const { neuron: { inputs, outputs, params }, states, forward } = plan;
  const step = emitBlock(forward.step, dialect, "t", leavesIn(forward));
  const pointers = [
    ...prefixed("in_", inputs), ...prefixed("param_", Object.keys(params)), ...prefixed("state_", states),
    ...prefixed("out_", outputs), ...prefixed("final_", states), ...prefixed("trace_", states), ...prefixed("saved_", states),
  ];
  return [
    ...signature("_forward_kernel", pointers, ["K", "TRACE", "SAVE"]),
    ...indent([
      ...head(plan, forward), ...assign("s_", states, (name) => load(`state_${name}`, "n")), "at = n", ...(states.length > 0 ? ["at_saved = n"] : []),
      "for t in tl.range(0, T, loop_unroll_factor=4):",
      ...indent([
        ...given("SAVE", given("(t % K == 0) & (t > 0)", states.length > 0 ? [...states.map((name) => `tl.store(saved_${name} + at_saved, s_${name}, mask=live)`), "at_saved += N"] : [])),
        ...assign("i_", inputs, (name) => load(`in_${name}`, "at")),
        ...step.lines,
        ...outputs.map((name) => `tl.store(out_${name} + at, ${tensor(step.results[name])}, mask=live)`),
        ...together("s_", states, (name) => tensor(step.results[`state.${name}`])),
        ...given("TRACE", states.map((name) => `tl.store(trace_${name} + at, s_${name}, mask=live)`)),
        "at += N",
      ]),
      ...states.map((name) => `tl.store(final_${name} + n, s_${name}, mask=live)`),
    ]),
  ];
}

function backwardKernel(plan: Plan): string[] {
  const { neuron: { inputs, outputs, params }, states } = plan;
  const backward = plan.backward!;
  const parameters = Object.keys(params);
  const sums = sumsOf(plan);
  const leaf = leavesIn(backward);
  const advance = emitBlock(backward.advance, dialect, "a", leaf);
  const reverse = emitBlock(backward.reverse, dialect, "r", leaf);
  const after = emitBlock(backward.epilogue, dialect, "e", leaf);
  const pointers = [
    ...prefixed("in_", inputs), ...prefixed("param_", parameters), ...prefixed("state_", states), ...prefixed("saved_", states),
    ...prefixed("dout_", outputs), ...prefixed("dfinal_", states), ...prefixed("dtrace_", states), ...prefixed("grad_", [...inputs, ...parameters, ...states]),
  ];
  /** Past the last step nothing changes. */
  const kept = (even: boolean): string[] => [
    ...sums.map((name) => `sum_${name} += ${even ? reverse.results[`sum.${name}`].text : `tl.where(on, ${reverse.results[`sum.${name}`].text}, 0.0)`}`),
    ...together("adj_", states, (name) => (even ? tensor(reverse.results[`adjoint.${name}`]) : `tl.where(on, ${reverse.results[`adjoint.${name}`].text}, adj_${name})`)),
  ];
  const on = (k: string): string[] => ["on = live", "if not EVEN:", `    on = live & (t0 + ${k} < T)`];
  return [
    ...signature("_backward_kernel", pointers, ["K", "TRACE", "EVEN"]),
    ...indent([
      ...head(plan, backward),
      ...assign("adj_", states, (name) => load(`dfinal_${name}`, "n")), ...assign("sum_", sums, () => "tl.zeros([BLOCK], tl.float32)"),
      "zero = tl.zeros([BLOCK], tl.int64)  # of 64 bits, and so are offsets that are made with it",
      "pieces = (T + K - 1) // K",
      "for j in range(0, pieces):",
      ...indent([
        "t0 = (pieces - 1 - j) * K", "at = n + (zero + t0) * N",
        ...states.flatMap((name) => [
          `first_${name} = ${load(`state_${name}`, "n")}`,
          `s_${name} = tl.where(t0 > 0, ${load(`saved_${name}`, "n + (zero + (pieces - 2 - j)) * N", "live & (t0 > 0)")}, first_${name})`,
        ]),
        ...assign("kept_", [...inputs, ...states], () => "()"),
        "for k in tl.static_range(K):",
        ...indent([
          ...on("k"),
          ...assign("i_", inputs, (name) => load(`in_${name}`, "at", "on")),
          ...inputs.map((name) => `kept_${name} += (i_${name},)`), ...states.map((name) => `kept_${name} += (s_${name},)`),
          ...advance.lines, ...together("s_", states, (name) => tensor(advance.results[`state.${name}`])),
          "at += N",
        ]),
        "for k in tl.static_range(K):",
        ...indent([
          "at -= N", ...on("(K - 1 - k)"),
          ...assign("d_", outputs, (name) => load(`dout_${name}`, "at", "on")),
          ...given("TRACE", states.map((name) => `adj_${name} += ${load(`dtrace_${name}`, "at", "on")}`)),
          ...assign("i_", inputs, (name) => `kept_${name}[K - 1 - k]`), ...assign("s_", states, (name) => `kept_${name}[K - 1 - k]`),
          ...reverse.lines,
          ...inputs.map((name) => `tl.store(grad_${name} + at, ${tensor(reverse.results[`grad.${name}`])}, mask=on)`),
          ...given("EVEN", kept(true)), ...given("not EVEN", kept(false)),
        ]),
      ]),
      ...after.lines,
      ...parameters.map((name) => `tl.store(grad_${name} + n, ${tensor(after.results[`grad.${name}`])}, mask=live)`),
      ...states.map((name) => `tl.store(grad_${name} + n, ${tensor(after.results[`grad.state.${name}`])}, mask=live)`),
    ]),
  ];
}
