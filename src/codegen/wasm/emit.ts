import { OptionError } from "../../errors.ts";
import { leavesOf } from "../../fusion/block.ts";
import type { BackwardPlan, BufferSpec, ForwardPlan, Plan } from "../../fusion/plan.ts";
import { atLevel, carryLines, inPieces, levelsOf } from "../../fusion/sums.ts";
import { mathOf, splat } from "./block.ts";
import { Kernel, pointer, row } from "./kernel.ts";
import { mathLibrary } from "./math.ts";
import { FORWARD_COLUMNS, mixBackward, mixForward } from "./mix.ts";
import { add, down, indent, offsetLoad, offsetStore, storeSpike, up } from "./text.ts";

/**
 * WebAssembly text of the two kernels of a plan. A kernel walks tiles of neurons through time: the states of a tile lie in a scratch
 * area that stays in the first-level cache, and each time step reads and writes one contiguous run of every buffer. (A walk of single
 * vectors over T would touch a new page at every step.) Lanes never mix, and no operation is fused, so results equal the
 * interpreter's but for the last bits of exp, tanh and the like.
 *
 * Exports `forward` and `backward` (scratch, begin, end, steps, size, channels, ...buffers): neurons begin ≤ n < end of `size` ≥ GROUP; begin
 * is a multiple of GROUP. A remainder of fewer neurons is done as the last GROUP ones, overlapping what is done already.
 */
export interface WasmSource {
  text: string;
  /** Bytes of scratch that a thread needs. */
  scratch: number;
}

/** What the kernels of a recurrent plan are made for: whole samples a tile, each of so many neurons. */
export interface Samples {
  channels: number;
  samples: number;
  /** Whether to add products by relaxed SIMD's multiply-add. */
  fma: boolean;
}

/** Neurons of a sample that a text to read is emitted for. */
const SHOWN: Samples = { channels: 256, samples: 16, fma: false };

/** Emits a module with the named kernels of the plan; `backward` only if it has one. `samples` is for recurrent plans. */
export function wasmModule(plan: Plan, kernels: readonly ("forward" | "backward")[] = ["forward", "backward"], samples = SHOWN): WasmSource {
  const narrow = plan.forward.buffers.find(({ direction, format }) => direction === "in" && format !== "f32");
  if (narrow) throw new OptionError(`wasm kernels read f32; input ${narrow.name} of ${plan.neuron.name} is planned as ${narrow.format}`);
  const parts = kernels.flatMap((kernel) => {
    if (kernel === "forward") return [{ ...emitForward(plan, plan.forward, samples), blocks: [plan.forward.prologue, plan.forward.step] }];
    const { backward } = plan;
    return backward ? [{ ...emitBackward(plan, backward, samples), blocks: [backward.prologue, backward.advance, backward.reverse, backward.epilogue] }] : [];
  });
  const text = [
    `(module ;; ${plan.neuron.name}`,
    `  (import "env" "memory" (memory 0 65536 shared))`,
    mathLibrary(parts.flatMap(({ blocks }) => blocks.flatMap(mathOf))),
    ...parts.map((part) => part.text),
    `)`,
  ].filter(Boolean).join("\n");
  return { text, scratch: Math.max(...parts.map(({ scratch }) => scratch)) };
}

/** Steps whose rows a forward kernel meets at once, where its tile is narrow. */
const MET_STEPS = 32;

const varyingOf = (part: ForwardPlan | BackwardPlan): BufferSpec[] => part.buffers.filter(({ time }) => time === "varying");

/** A tile of a recurrent plan is whole samples; panels of the weights may end beyond it. */
const kernelOf = (plan: Plan, direction: "forward" | "backward", { channels, samples }: Samples): Kernel =>
  (plan.mix ? new Kernel(plan[direction]!, channels * samples, 4 * FORWARD_COLUMNS) : new Kernel(plan[direction]!, plan.tile[direction]));

function emitForward(plan: Plan, part: ForwardPlan, samples: Samples): { text: string; scratch: number } {
  const kernel = kernelOf(plan, "forward", samples);
  const { mix } = plan;
  const { scratch } = kernel;
  const outputs = part.buffers.filter(({ direction }) => direction === "out");
  const state = (name: string): string => `state.${name}`;

  const step = (u: number): string[] => {
    const { lines, results } = kernel.emit(part.step, "v", u, (role, name) =>
      role === "state" ? scratch.load(state(name), u) : role === "invariant" ? kernel.invariant(name, u) : name === mix?.input ? scratch.load(name, u) : kernel.rowLoad(name, u));
    const stores = outputs.filter(({ time }) => time === "varying").flatMap(({ name, format }) => {
      const value = name.startsWith("trace.") ? results[state(name.slice("trace.".length))] : results[name];
      return format === "f32" ? [kernel.rowStore(name, value, u)] : storeSpike(kernel.locals, scratch, name, row(name), format, value, u);
    });
    return [...lines, ...stores, ...plan.states.map((name) => scratch.store(state(name), results[state(name)], u))];
  };

  const checkpoints = outputs.filter(({ time }) => time === "checkpoint").map(({ name }) => name);
  const checkpointRow = `(i32.mul (i32.sub (i32.div_u (local.get $t) (i32.const ${plan.checkpointEvery})) (i32.const 1)) (local.get $stride))`;
  const saveCheckpoints = checkpoints.length === 0 ? [] : [
    `(if (i32.and (i32.ne (local.get $t) (i32.const 0)) (i32.eqz (i32.rem_u (local.get $t) (i32.const ${plan.checkpointEvery})))) (then`,
    ...indent(kernel.each((u) => checkpoints.map((name) =>
      offsetStore(add(`(local.get ${pointer(name)})`, checkpointRow, "(local.get $first)", "(local.get $i)"), 16 * u, scratch.load(state(name.slice("checkpoint.".length)), u))))),
    `))`,
  ];
  const tile = [
    ...kernel.tilePrologue(),
    ...kernel.each((u) => plan.states.map((name) =>
      scratch.store(state(name), plan.initialState ? kernel.neuronLoad(`state.${name}`, u) : splat(Math.fround(plan.neuron.state[name])), u))),
    ...up("$t", "(i32.const 0)", "(local.get $steps)", [
      `(if (i32.eqz (i32.rem_u (local.get $t) (i32.const ${MET_STEPS}))) (then`,
      ...indent([
        `(local.set $t1 (i32.add (local.get $t) (i32.const ${MET_STEPS})))`,
        `(if (i32.gt_s (local.get $t1) (local.get $steps)) (then (local.set $t1 (local.get $steps))))`,
        ...kernel.meet(varyingOf(part), "(local.get $t)", "(local.get $t1)"),
      ]),
      `))`,
      ...saveCheckpoints,
      ...(mix ? mixForward(kernel, plan, mix) : []),
      ...kernel.rows(varyingOf(part), "(local.get $t)"),
      ...kernel.each(step),
    ]),
    ...kernel.each((u) => outputs.filter(({ name }) => name.startsWith("final.")).map(({ name }) =>
      kernel.neuronStore(name, scratch.load(state(name.slice("final.".length)), u), u))),
  ];
  return kernel.function("forward", `${plan.neuron.name}, all steps forward`, tile);
}

function emitBackward(plan: Plan, part: BackwardPlan, samples: Samples): { text: string; scratch: number } {
  const kernel = kernelOf(plan, "backward", samples);
  const { scratch } = kernel;
  const { states, recomputed, mix } = plan;
  /** One slot of the trajectory holds the states before one step. */
  const slot = recomputed.length * scratch.row;
  const has = (name: string): boolean => part.buffers.some((buffer) => buffer.name === name);
  const sums = Object.keys(part.reverse.results).filter((name) => name.startsWith("sum."));
  const { levels, total } = levelsOf(plan);
  const gradients = part.buffers.filter(({ direction }) => direction === "out");

  const here = "(local.get $v)";
  const offset = (name: string, u: number, slotsAhead = 0): number => recomputed.indexOf(name) * scratch.row + slotsAhead * slot + 16 * u;
  const leaf = (u: number) => (role: string, name: string): string =>
    role === "state" ? offsetLoad(here, offset(name, u))
      : role === "invariant" ? kernel.invariant(name, u)
      : role === "adjoint" ? scratch.load(`adjoint.${name}`, u)
      : role === "seed" ? kernel.rowLoad(`d.${name}`, u) : kernel.rowLoad(name, u);

  const point = `(local.set $v (i32.add (local.get $trajectory) (local.get $i)))`;
  const moveTrajectory = (t: string): string => {
    const base = scratch.offset("trajectory", plan.chunk * slot);
    return `(local.set $trajectory (i32.add (i32.add (local.get $scratch) (i32.const ${base})) (i32.mul (i32.sub ${t} (local.get $t0)) (i32.const ${slot}))))`;
  };

  const start = (u: number): string[] => recomputed.map((name) => {
    const first = plan.initialState ? kernel.neuronLoad(`state.${name}`, u) : splat(Math.fround(plan.neuron.state[name]));
    if (plan.checkpointEvery === null) return offsetStore(here, offset(name, u), first);
    const saved = offsetLoad(add(`(local.get ${pointer(`checkpoint.${name}`)})`, "(i32.mul (i32.sub (local.get $chunk) (i32.const 1)) (local.get $stride))", "(local.get $first)", "(local.get $i)"), 16 * u);
    return offsetStore(here, offset(name, u), `(if (result v128) (local.get $chunk) (then ${saved}) (else ${first}))`);
  });
  const advance = (u: number): string[] => {
    const { lines, results } = kernel.emit(part.advance, "a", u, leaf(u));
    return [...lines, ...recomputed.map((name) => offsetStore(here, offset(name, u, 1), results[`state.${name}`]))];
  };
  const reverse = (u: number): string[] => {
    const { lines, results } = kernel.emit(part.reverse, "r", u, leaf(u));
    return [
      ...lines,
      ...gradients.filter(({ time }) => time === "varying").map(({ name }) => kernel.rowStore(name, results[name], u)),
      ...states.map((name) => scratch.store(`adjoint.${name}`, results[`adjoint.${name}`], u)),
      ...sums.map((name) => scratch.store(name, `(f32x4.add ${scratch.load(name, u)} ${results[name]})`, u)),
    ];
  };
  const finish = (u: number): string[] => {
    const { lines, results } = kernel.emit(part.epilogue, "e", u, (role, name) =>
      role === "accumulated" ? scratch.load(atLevel(`sum.${name}`, total), u) : role === "adjoint" ? scratch.load(`adjoint.${name}`, u) : kernel.invariant(name, u));
    return [...lines, ...gradients.filter(({ time }) => time !== "varying").map(({ name }) => kernel.neuronStore(name, results[name], u))];
  };

  const carry = sums.length === 0 || !inPieces(plan) ? [] : carryLines(
    (from, to) => kernel.each((u) => sums.flatMap((name) => [
      scratch.store(atLevel(name, to), `(f32x4.add ${scratch.load(atLevel(name, to), u)} ${scratch.load(atLevel(name, from), u)})`, u),
      scratch.store(atLevel(name, from), splat(0), u),
    ])),
    (every, lines) => [`(if (i32.eqz (i32.rem_u (local.get $chunk) (i32.const ${every}))) (then`, ...indent(lines), `))`],
  );

  const recompute = [
    moveTrajectory("(local.get $t0)"),
    ...kernel.each((u) => [...(u === 0 ? [point] : []), ...start(u)]),
    ...up("$t", "(local.get $t0)", "(i32.sub (local.get $t1) (i32.const 1))", [
      ...kernel.rows(varyingOf(part).filter(({ name }) => leavesOf(part.advance, "input").includes(name)), "(local.get $t)"),
      ...kernel.each((u) => [...(u === 0 ? [point] : []), ...advance(u)]),
      `(local.set $trajectory (i32.add (local.get $trajectory) (i32.const ${slot})))`,
    ]),
  ];
  const chunk = [
    ...kernel.meet(varyingOf(part), "(local.get $t0)", "(local.get $t1)"),
    ...(recomputed.length === 0 ? [] : recompute),
    ...down("$t", "(i32.sub (local.get $t1) (i32.const 1))", "(local.get $t0)", [
      ...(recomputed.length === 0 ? [] : [moveTrajectory("(local.get $t)")]),
      ...kernel.rows(varyingOf(part), "(local.get $t)"),
      ...kernel.each((u) => [...(u === 0 && recomputed.length > 0 ? [point] : []), ...reverse(u)]),
      ...(mix ? mixBackward(kernel, mix, samples) : []),
    ]),
    ...carry,
  ];
  const chunks = !inPieces(plan)
    ? [`(local.set $t0 (i32.const 0))`, `(local.set $t1 (local.get $steps))`, ...chunk]
    : down("$chunk", `(i32.div_u (i32.sub (local.get $steps) (i32.const 1)) (i32.const ${plan.chunk}))`, "(i32.const 0)", [
      `(local.set $t0 (i32.mul (local.get $chunk) (i32.const ${plan.chunk})))`,
      `(local.set $t1 (i32.add (local.get $t0) (i32.const ${plan.chunk})))`,
      `(if (i32.gt_s (local.get $t1) (local.get $steps)) (then (local.set $t1 (local.get $steps))))`,
      ...chunk,
    ]);
  const tile = [
    ...kernel.tilePrologue(),
    ...kernel.each((u) => [
      ...states.map((name) => scratch.store(`adjoint.${name}`, has(`d.final.${name}`) ? kernel.neuronLoad(`d.final.${name}`, u) : splat(0), u)),
      ...sums.flatMap((name) => levels.map((level) => scratch.store(atLevel(name, level), splat(0), u))),
    ]),
    ...chunks,
    ...kernel.each(finish),
  ];
  const piece = recomputed.length === 0 ? "" : `; the trajectory is recomputed ${inPieces(plan) ? `${plan.chunk} steps at a time` : "whole"}`;
  return kernel.function("backward", `${plan.neuron.name}, all steps backward${piece}`, tile);
}
