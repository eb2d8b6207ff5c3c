import type { BackwardPlan, ForwardPlan, Plan } from "../../fusion/plan.ts";
import { atLevel, carryLines, inPieces, levelsOf } from "../../fusion/sums.ts";
import { leavesOf } from "../../fusion/block.ts";
import { trajectoryOf } from "../../fusion/trajectory.ts";
import { emitBlock, literal } from "./block.ts";
import { type CudaOptions, identifier, indent, Kernel, pointer } from "./kernel.ts";
import { mixing } from "./mixing.ts";
import { prelude } from "./prelude.ts";

/**
 * CUDA C++ of the two kernels of a plan, `forward` and `backward` (buffers in the plan's order, then steps, size, channels). A thread runs
 * `vector` neurons through time with their states in registers; its elements of a buffer at one step are one access. The backward kernel
 * keeps the trajectory and the inputs of up to `plan.chunk` steps in registers. Compiled without fused multiply-add, results equal the
 * interpreter's but for the last bits of exp, tanh and the like. Where neurons read one another (`plan.mix`), a sample has `sample` threads of one block, whose
 * neurons lie `sample` apart, and the backward kernel takes the weights transposed.
 */
export const cudaModule = (plan: Plan, options: CudaOptions, kernels: readonly ("forward" | "backward")[] = ["forward", "backward"]): string =>
  [preludeOf(plan), ...emitCudaKernels(plan, options, kernels)].join("\n");

/** What the kernels of a plan are preceded by. */
export const preludeOf = ({ mix }: Plan): string => (mix ? `${prelude}\n${mixing}` : prelude);

/** The kernels alone, for a source that has the prelude already. */
export const emitCudaKernels = (plan: Plan, options: CudaOptions, kernels: readonly ("forward" | "backward")[] = ["forward", "backward"]): string[] =>
  kernels.flatMap((kernel) => (kernel === "forward" ? [emitForward(plan, plan.forward, options)] : plan.backward ? [emitBackward(plan, plan.backward, options)] : []));

/**
 * Values of a step, forward and backward, beyond which each step of a backward kernel is guarded even where T is known. The guards keep the compiler from moving
 * code between steps: of a small step that means few loads on their way at once, of a large one that the values of all steps do not compete for registers.
 */
const UNGUARDED_VALUES = 64;

/** Whether the backward kernel has whole pieces of steps without branches, which the compiler orders as it likes. */
export function runsUnguarded({ backward, mix }: Plan): boolean {
  if (!backward || mix) return false;
  const { advance, reverse } = trajectoryOf(backward);
  return advance.values.length + reverse.values.length <= UNGUARDED_VALUES;
}

function emitForward(plan: Plan, part: ForwardPlan, options: CudaOptions): string {
  const kernel = new Kernel(plan, part, options);
  const { vector } = kernel;
  const { lines, results } = emitBlock(part.step, "v", (role, name) =>
    role === "state" ? `${name}_[i]` : role === "invariant" ? kernel.invariant(name) : name === plan.mix?.input ? "product[i]" : `element(${name}_now, i)`);
  const outputs = kernel.varying("out").map(({ name, format }) => ({ name: identifier(name), buffer: name, format, value: name.startsWith("trace.") ? results[`state.${name.slice("trace.".length)}`] : results[name] }));
  const plain = outputs.filter(({ format }) => format !== "bits");
  const packed = outputs.filter(({ format }) => format === "bits");
  const checkpoints = part.buffers.filter(({ time }) => time === "checkpoint").map(({ name }) => ({ name, state: name.slice("checkpoint.".length) }));
  const inputs = kernel.varying("in");
  const mix = plan.mix && {
    board: `__shared__ SpikeBoard<${kernel.sample! * vector}> boards[${kernel.samples}];`,
    product: [`float product[${vector}];`, `mix<${kernel.sample}>(boards[threadIdx.x / ${kernel.sample}], ${pointer("mix.weights")}, channels, n, ${plan.mix.state}_, product);`],
  };
  const write = (buffer: string, state: string, row: string): string[] => [`{ ${kernel.type(buffer)} all;`, ...kernel.lanes([`all.at[i] = ${state}_[i];`]), `${kernel.storeVector(buffer, row, "all")} }`];

  return kernel.function("forward", `${plan.neuron.name}, all steps forward; ${vector} neurons a thread`, [
    ...initialStates(kernel, plan),
    ...packed.map(({ name }) => `unsigned int ${name}_word[${vector}] = {};`),
    ...(mix ? [mix.board, "#pragma unroll 1"] : ["#pragma unroll 4"]),
    "for (int t = 0; t < steps; ++t) {",
    ...indent([
      ...(checkpoints.length === 0 ? [] : [
        `if (t > 0 && t % ${plan.checkpointEvery} == 0) {`,
        ...indent(checkpoints.flatMap(({ name, state }) => write(name, state, `(long long)(t / ${plan.checkpointEvery} - 1)`))),
        "}",
      ]),
      ...inputs.map(({ name }) => `const ${kernel.type(name)} ${name}_now = ${kernel.load(name, "(long long)t")};`),
      ...(mix?.product ?? []),
      ...plain.map(({ name }) => `float ${name}_now[${vector}];`),
      ...kernel.lanes([
        ...lines,
        ...plain.map(({ name, value }) => `${name}_now[i] = ${value};`),
        ...packed.map(({ name, value }) => `${name}_word[i] |= ${value} != 0.0f ? 1u << (t & 31) : 0u;`),
        ...nextStates(plan.states, results, "state"),
      ]),
      ...plain.map(({ name, buffer }) => kernel.store(buffer, "(long long)t", `${name}_now`)),
      ...packed.flatMap(({ name, buffer }) => [
        "if ((t & 31) == 31 || t + 1 == steps) {",
        ...indent([`${kernel.type(buffer)} all;`, ...kernel.lanes([`all.at[i] = ${name}_word[i];`, `${name}_word[i] = 0u;`]), kernel.storeVector(buffer, "(long long)(t >> 5)", "all")]),
        "}",
      ]),
    ]),
    "}",
    ...part.buffers.filter(({ name }) => name.startsWith("final.")).flatMap(({ name }) => write(name, name.slice("final.".length), "0")),
  ]);
}

function emitBackward(plan: Plan, part: BackwardPlan, options: CudaOptions): string {
  const kernel = new Kernel(plan, part, options);
  const { vector } = kernel;
  const { states, recomputed, chunk } = plan;
  const { kept, inputs: keptInputs, advance: ahead, reverse: back } = trajectoryOf(part);
  const advance = emitBlock(ahead, "a", (role, name) =>
    role === "state" ? `${name}_[i]` : role === "invariant" ? kernel.invariant(name) : `element(${name}_at[k], i)`);
  const reverse = emitBlock(back, "r", (role, name) =>
    role === "kept" ? `${identifier(name)}_at[k][i]` : role === "adjoint" ? `${adjoint(name)}[i]` : role === "invariant" ? kernel.invariant(name)
      : role === "seed" ? `element(${identifier(`d.${name}`)}_now, i)` : `element(${name}_at[k], i)`);
  const read = new Set([...leavesOf(ahead, "input"), ...keptInputs]);
  const inputs = kernel.varying("in").filter(({ name }) => read.has(name));
  const seeds = kernel.varying("in").filter(({ name }) => name.startsWith("d."));
  const gradients = kernel.varying("out");
  const still = part.buffers.filter(({ direction, time }) => direction === "out" && time === "constant");
  const sums = Object.keys(part.reverse.results).filter((name) => name.startsWith("sum."));
  const { levels, total } = levelsOf(plan);
  const sum = (name: string, level: number): string => identifier(atLevel(name, level));
  const has = (name: string): boolean => part.buffers.some((buffer) => buffer.name === name);
  const epilogue = emitBlock(part.epilogue, "e", (role, name) => (role === "accumulated" ? `${sum(`sum.${name}`, total)}[i]` : role === "adjoint" ? `${adjoint(name)}[i]` : kernel.invariant(name)));

  const checkpointed = plan.checkpointEvery !== null && recomputed.length > 0;
  const restore = checkpointed
    ? ["if (t0 > 0) {", ...indent(recomputed.flatMap((name) => [
      `const Packed<float, ${vector}> ${name}_saved = ${kernel.load(`checkpoint.${name}`, `(long long)(t0 / ${chunk} - 1)`)};`,
      ...kernel.lanes([`${name}_[i] = ${name}_saved.at[i];`]),
    ])), "} else {", ...indent(setStates(kernel, plan, recomputed)), "}"]
    : setStates(kernel, plan, recomputed);
  const carry = sums.length === 0 || !inPieces(plan) ? [] : carryLines(
    (from, to) => kernel.lanes(sums.flatMap((name) => [`${sum(name, to)}[i] += ${sum(name, from)}[i];`, `${sum(name, from)}[i] = 0.0f;`])),
    (every, lines) => [`if (t0 / ${chunk} % ${every} == 0) {`, ...indent(lines), "}"],
  );
  const mix = plan.mix && {
    board: `__shared__ float boards[${kernel.samples}][${kernel.sample! * vector}];`,
    back: `mix_back<${kernel.sample}>(boards[threadIdx.x / ${kernel.sample}], ${pointer("mix.weights")}, channels, n, ${identifier(`grad.${plan.mix.input}`)}_now, ${adjoint(plan.mix.state)});`,
  };
  /** So many steps from t0 on; `bounded`: fewer, where T ends before. */
  const piece = (count: number, bounded: boolean): string[] => {
    const within = (lines: readonly string[]): string[] => (bounded && lines.length > 0 ? ["if (t0 + k < steps) {", ...indent(lines), "}"] : [...lines]);
    return [
      ...recomputed.map((name) => `float ${name}_[${vector}];`),
      ...restore,
      ...inputs.map(({ name }) => `${kernel.type(name)} ${name}_at[${count}];`),
      ...kept.map(({ name, truth }) => `${truth ? "bool" : "float"} ${identifier(name)}_at[${count}][${vector}];`),
      ...kernel.piece(`int k = 0; k < ${count}; ++k`, within(inputs.map(({ name }) => `${name}_at[k] = ${kernel.load(name, "(long long)(t0 + k)")};`))),
      ...kernel.piece(`int k = 0; k < ${count}; ++k`, recomputed.length + kept.length === 0 ? [] : within(kernel.lanes([
        ...advance.lines,
        ...kept.map(({ name }) => `${identifier(name)}_at[k][i] = ${advance.results[name]};`),
        ...nextStates(recomputed, advance.results, "state"),
      ]))),
      ...kernel.piece(`int k = ${count - 1}; k >= 0; --k`, within([
        ...seeds.map(({ name }) => `const ${kernel.type(name)} ${identifier(name)}_now = ${kernel.load(name, "(long long)(t0 + k)")};`),
        ...gradients.map(({ name }) => `float ${identifier(name)}_now[${vector}];`),
        ...kernel.lanes([
          ...reverse.lines,
          ...gradients.map(({ name }) => `${identifier(name)}_now[i] = ${reverse.results[name]};`),
          ...sums.map((name) => `${identifier(name)}[i] += ${reverse.results[name]};`),
          ...nextStates(states, reverse.results, "adjoint", adjoint),
        ]),
        ...gradients.map(({ name }) => kernel.store(name, "(long long)(t0 + k)", `${identifier(name)}_now`)),
        ...(mix ? [mix.back] : []),
      ])),
      ...carry,
    ];
  };
  const pace = plan.checkpointEvery === null ? "whole" : `${chunk} steps at a time`;
  const unguarded = runsUnguarded(plan);
  const { steps } = options;
  // A trajectory that is recomputed whole has one piece; without states there is none to recompute, and T may be any.
  const pieces = !inPieces(plan)
    ? ["{", ...indent(["const int t0 = 0;", ...(steps !== undefined && unguarded ? piece(steps, false) : piece(chunk, true))]), "}"]
    : [
      `int t0 = (steps - 1) / ${chunk} * ${chunk};`,
      ...(!unguarded || steps !== undefined && steps % chunk === 0 ? [] : [`if (steps % ${chunk} != 0) {`, ...indent([...piece(chunk, true), `t0 -= ${chunk};`]), "}"]),
      `for (; t0 >= 0; t0 -= ${chunk}) {`, ...indent(piece(chunk, !unguarded)), "}",
    ];
  return kernel.function("backward", `${plan.neuron.name}, all steps backward; ${vector} neurons a thread; the trajectory is recomputed ${pace}`, [
    ...(mix ? [mix.board] : []),
    ...states.map((name) => `float ${adjoint(name)}[${vector}] = {};`),
    ...states.filter((name) => has(`d.final.${name}`)).flatMap((name) => [
      `{ const ${kernel.type(`d.final.${name}`)} all = ${kernel.load(`d.final.${name}`, "0")};`, ...kernel.lanes([`${adjoint(name)}[i] = to_float(all.at[i]);`]), "}",
    ]),
    ...sums.flatMap((name) => levels.map((level) => `float ${sum(name, level)}[${vector}] = {};`)),
    ...pieces,
    ...still.map(({ name }) => `float ${identifier(name)}_now[${vector}];`),
    ...(still.length > 0 ? kernel.lanes([...epilogue.lines, ...still.map(({ name }) => `${identifier(name)}_now[i] = ${epilogue.results[name]};`)]) : []),
    ...still.map(({ name }) => kernel.store(name, "0", `${identifier(name)}_now`)),
  ]);
}

/** The adjoint of a state, for each neuron of the thread. */
const adjoint = (state: string): string => identifier(`adjoint.${state}`);

const initialStates = (kernel: Kernel, plan: Plan): string[] => [...plan.states.map((name) => `float ${name}_[${kernel.vector}];`), ...setStates(kernel, plan, plan.states)];

const setStates = (kernel: Kernel, plan: Plan, states: readonly string[]): string[] => states.flatMap((name) => (plan.initialState
  ? [`{ const Packed<float, ${kernel.vector}> given = ${kernel.load(`state.${name}`, "0")};`, ...kernel.lanes([`${name}_[i] = given.at[i];`]), "}"]
  : kernel.lanes([`${name}_[i] = ${literal(Math.fround(plan.neuron.state[name]))};`])));

/** Moves on to the next values, all of them computed before the first is replaced. */
function nextStates(states: readonly string[], results: Record<string, string>, kind: "state" | "adjoint", variable = (name: string): string => `${name}_`): string[] {
  return [
    ...states.map((name) => `const float ${name}_next = ${results[`${kind}.${name}`]};`),
    ...states.map((name) => `${variable(name)}[i] = ${name}_next;`),
  ];
}
