import type { BackwardPlan, ForwardPlan, Plan } from "../../fusion/plan.ts";
import { atLevel, carryLines, inPieces, levelsOf } from "../../fusion/sums.ts";
import { emitBlock, literal } from "./block.ts";
import { type CudaOptions, identifier, indent, Kernel, unrolled } from "./kernel.ts";
import { elementTypes, prelude } from "./prelude.ts";

/**
 * CUDA C++ of the two kernels of a plan, `forward` and `backward` (buffers in the plan's order, then steps, size, channels). A thread runs
 * `vector` neurons through time with their states in registers; its elements of a buffer at one step are one access. The backward kernel
 * keeps the trajectory and the inputs of up to `plan.chunk` steps in registers. Compiled without fused multiply-add, results equal the
 * interpreter's but for the last bits of exp, tanh and the like.
 */
export const cudaModule = (plan: Plan, options: CudaOptions, kernels: readonly ("forward" | "backward")[] = ["forward", "backward"]): string =>
  [prelude, ...emitCudaKernels(plan, options, kernels)].join("\n");

/** The kernels alone, for a source that has the prelude already. */
export const emitCudaKernels = (plan: Plan, options: CudaOptions, kernels: readonly ("forward" | "backward")[] = ["forward", "backward"]): string[] =>
  kernels.flatMap((kernel) => (kernel === "forward" ? [emitForward(plan, plan.forward, options)] : plan.backward ? [emitBackward(plan, plan.backward, options)] : []));

function emitForward(plan: Plan, part: ForwardPlan, options: CudaOptions): string {
  const kernel = new Kernel(part, options);
  const { vector } = kernel;
  const { lines, results } = emitBlock(part.step, "v", (role, name) =>
    role === "state" ? `${name}_[i]` : role === "invariant" ? kernel.invariant(name) : `to_float(${name}_now.at[i])`);
  const outputs = kernel.varying("out").map(({ name, format }) => ({ name: identifier(name), buffer: name, format, value: name.startsWith("trace.") ? results[`state.${name.slice("trace.".length)}`] : results[name] }));
  const plain = outputs.filter(({ format }) => format !== "bits");
  const packed = outputs.filter(({ format }) => format === "bits");
  const checkpoints = part.buffers.filter(({ time }) => time === "checkpoint").map(({ name }) => ({ name, state: name.slice("checkpoint.".length) }));
  const inputs = kernel.varying("in");
  const write = (buffer: string, state: string, row: string): string[] => [`{ ${kernel.type(buffer)} all;`, ...kernel.lanes([`all.at[i] = ${state}_[i];`]), `${kernel.store(buffer, row, "all")} }`];

  return kernel.function("forward", `${plan.neuron.name}, all steps forward; ${vector} neurons a thread`, [
    ...initialStates(kernel, plan),
    ...packed.map(({ name }) => `unsigned int ${name}_word[${vector}] = {};`),
    "#pragma unroll 4",
    "for (int t = 0; t < steps; ++t) {",
    ...indent([
      ...(checkpoints.length === 0 ? [] : [
        `if (t > 0 && t % ${plan.checkpointEvery} == 0) {`,
        ...indent(checkpoints.flatMap(({ name, state }) => write(name, state, `(long long)(t / ${plan.checkpointEvery} - 1)`))),
        "}",
      ]),
      ...inputs.map(({ name }) => `const ${kernel.type(name)} ${name}_now = ${kernel.load(name, "(long long)t")};`),
      ...plain.map(({ name, buffer }) => `${kernel.type(buffer)} ${name}_now;`),
      ...kernel.lanes([
        ...lines,
        ...plain.map(({ name, value }) => `from_float(${name}_now.at[i], ${value});`),
        ...packed.map(({ name, value }) => `${name}_word[i] |= ${value} != 0.0f ? 1u << (t & 31) : 0u;`),
        ...nextStates(plan, results, "state"),
      ]),
      ...plain.map(({ name, buffer }) => kernel.store(buffer, "(long long)t", `${name}_now`)),
      ...packed.flatMap(({ name, buffer }) => [
        "if ((t & 31) == 31 || t + 1 == steps) {",
        ...indent([`${kernel.type(buffer)} all;`, ...kernel.lanes([`all.at[i] = ${name}_word[i];`, `${name}_word[i] = 0u;`]), kernel.store(buffer, "(long long)(t >> 5)", "all")]),
        "}",
      ]),
    ]),
    "}",
    ...part.buffers.filter(({ name }) => name.startsWith("final.")).flatMap(({ name }) => write(name, name.slice("final.".length), "0")),
  ]);
}

function emitBackward(plan: Plan, part: BackwardPlan, options: CudaOptions): string {
  const kernel = new Kernel(part, options);
  const { vector } = kernel;
  const { states, chunk } = plan;
  const inputs = kernel.varying("in").filter(({ name }) => !name.startsWith("d."));
  const seeds = kernel.varying("in").filter(({ name }) => name.startsWith("d."));
  const gradients = kernel.varying("out");
  const still = part.buffers.filter(({ direction, time }) => direction === "out" && time === "constant");
  const sums = Object.keys(part.reverse.results).filter((name) => name.startsWith("sum."));
  const { levels, total } = levelsOf(plan);
  const sum = (name: string, level: number): string => identifier(atLevel(name, level));
  const has = (name: string): boolean => part.buffers.some((buffer) => buffer.name === name);

  const advance = emitBlock(part.advance, "a", (role, name) =>
    role === "state" ? `${name}_[i]` : role === "invariant" ? kernel.invariant(name) : `to_float(${name}_at[k].at[i])`);
  const reverse = emitBlock(part.reverse, "r", (role, name) =>
    role === "state" ? `${name}_before[k][i]` : role === "adjoint" ? `${adjoint(name)}[i]` : role === "invariant" ? kernel.invariant(name)
      : role === "seed" ? `to_float(${identifier(`d.${name}`)}_now.at[i])` : `to_float(${name}_at[k].at[i])`);
  const epilogue = emitBlock(part.epilogue, "e", (role, name) => (role === "accumulated" ? `${sum(`sum.${name}`, total)}[i]` : role === "adjoint" ? `${adjoint(name)}[i]` : kernel.invariant(name)));

  const checkpointed = plan.checkpointEvery !== null && states.length > 0;
  const restore = checkpointed
    ? ["if (t0 > 0) {", ...indent(states.flatMap((name) => [
      `const Vector<float, ${vector}> ${name}_saved = ${kernel.load(`checkpoint.${name}`, `(long long)(t0 / ${chunk} - 1)`)};`,
      ...kernel.lanes([`${name}_[i] = ${name}_saved.at[i];`]),
    ])), "} else {", ...indent(setStates(kernel, plan)), "}"]
    : setStates(kernel, plan);
  const carry = sums.length === 0 || !inPieces(plan) ? [] : carryLines(
    (from, to) => kernel.lanes(sums.flatMap((name) => [`${sum(name, to)}[i] += ${sum(name, from)}[i];`, `${sum(name, from)}[i] = 0.0f;`])),
    (every, lines) => [`if (t0 / ${chunk} % ${every} == 0) {`, ...indent(lines), "}"],
  );
  const piece = [
    ...states.map((name) => `float ${name}_[${vector}];`),
    ...restore,
    ...inputs.map(({ name }) => `${kernel.type(name)} ${name}_at[${chunk}];`),
    ...states.map((name) => `float ${name}_before[${chunk}][${vector}];`),
    ...unrolled(`int k = 0; k < ${chunk}; ++k`, inputs.length === 0 ? [] : [
      `if (t0 + k < steps) {`, ...indent(inputs.map(({ name }) => `${name}_at[k] = ${kernel.load(name, "(long long)(t0 + k)")};`)), "}",
    ]),
    ...unrolled(`int k = 0; k < ${chunk}; ++k`, states.length === 0 ? [] : [
      "if (t0 + k < steps) {",
      ...indent(kernel.lanes([...states.map((name) => `${name}_before[k][i] = ${name}_[i];`), ...advance.lines, ...nextStates(plan, advance.results, "state")])),
      "}",
    ]),
    ...unrolled(`int k = ${chunk - 1}; k >= 0; --k`, [
      "if (t0 + k < steps) {",
      ...indent([
        ...seeds.map(({ name }) => `const ${kernel.type(name)} ${identifier(name)}_now = ${kernel.load(name, "(long long)(t0 + k)")};`),
        ...gradients.map(({ name }) => `${kernel.type(name)} ${identifier(name)}_now;`),
        ...kernel.lanes([
          ...reverse.lines,
          ...gradients.map(({ name }) => `from_float(${identifier(name)}_now.at[i], ${reverse.results[name]});`),
          ...sums.map((name) => `${identifier(name)}[i] += ${reverse.results[name]};`),
          ...nextStates(plan, reverse.results, "adjoint", adjoint),
        ]),
        ...gradients.map(({ name }) => kernel.store(name, "(long long)(t0 + k)", `${identifier(name)}_now`)),
      ]),
      "}",
    ]),
    ...carry,
  ];
  const recomputed = plan.checkpointEvery === null ? "whole" : `${chunk} steps at a time`;
  return kernel.function("backward", `${plan.neuron.name}, all steps backward; ${vector} neurons a thread; the trajectory is recomputed ${recomputed}`, [
    ...states.map((name) => `float ${adjoint(name)}[${vector}] = {};`),
    ...states.filter((name) => has(`d.final.${name}`)).flatMap((name) => [
      `{ const ${kernel.type(`d.final.${name}`)} all = ${kernel.load(`d.final.${name}`, "0")};`, ...kernel.lanes([`${adjoint(name)}[i] = to_float(all.at[i]);`]), "}",
    ]),
    ...sums.flatMap((name) => levels.map((level) => `float ${sum(name, level)}[${vector}] = {};`)),
    // A trajectory that is recomputed whole has one piece; without states there is none to recompute, and T may be any.
    ...(!inPieces(plan)
      ? ["{", ...indent(["const int t0 = 0;", ...piece]), "}"]
      : [`for (int t0 = (steps - 1) / ${chunk} * ${chunk}; t0 >= 0; t0 -= ${chunk}) {`, ...indent(piece), "}"]),
    ...still.map(({ name, format }) => `Vector<${elementTypes[format]}, ${vector}> ${identifier(name)}_now;`),
    ...(still.length > 0 ? kernel.lanes([...epilogue.lines, ...still.map(({ name }) => `${identifier(name)}_now.at[i] = ${epilogue.results[name]};`)]) : []),
    ...still.map(({ name }) => kernel.store(name, "0", `${identifier(name)}_now`)),
  ]);
}

/** The adjoint of a state, for each neuron of the thread. */
const adjoint = (state: string): string => identifier(`adjoint.${state}`);

const initialStates = (kernel: Kernel, plan: Plan): string[] => [...plan.states.map((name) => `float ${name}_[${kernel.vector}];`), ...setStates(kernel, plan)];

const setStates = (kernel: Kernel, plan: Plan): string[] => plan.states.flatMap((name) => (plan.initialState
  ? [`{ const Vector<float, ${kernel.vector}> given = ${kernel.load(`state.${name}`, "0")};`, ...kernel.lanes([`${name}_[i] = given.at[i];`]), "}"]
  : kernel.lanes([`${name}_[i] = ${literal(Math.fround(plan.neuron.state[name]))};`])));

/** Moves on to the next values, all of them computed before the first is replaced. */
function nextStates(plan: Plan, results: Record<string, string>, kind: "state" | "adjoint", variable = (name: string): string => `${name}_`): string[] {
  return [
    ...plan.states.map((name) => `const float ${name}_next = ${results[`${kind}.${name}`]};`),
    ...plan.states.map((name) => `${variable(name)}[i] = ${name}_next;`),
  ];
}
