import { leavesOf, select } from "../../fusion/block.ts";
import type { BackwardPlan, BufferSpec, ForwardPlan, Plan } from "../../fusion/plan.ts";
import { emitBlock, type EmittedBlock, mathOf, splat } from "./block.ts";
import { mathLibrary } from "./math.ts";
import { add, down, each, indent, offsetLoad, offsetStore, Scratch, shifted, storeSpike, up } from "./text.ts";

/**
 * WebAssembly text of the two kernels. A kernel walks tiles of neurons through time: the states of a tile lie in a scratch area
 * that stays in the first-level cache, and each time step reads and writes one contiguous run of every buffer. (A walk of single
 * vectors over T would touch a new page at every step.) Lanes never mix, and no operation is fused, so results equal the
 * interpreter's but for the last bits of exp, tanh and the like.
 *
 * Exports `forward` and `backward` (scratch, begin, end, steps, size, channels, ...buffers): neurons begin ≤ n < end of `size` ≥ 4; begin is a
 * multiple of 4. A remainder of fewer than four neurons is done as the last four, overlapping what is done already.
 */
export interface WasmSource {
  text: string;
  /** Bytes of scratch that a thread needs. */
  scratch: number;
}

export function emitWasm(plan: Plan): WasmSource {
  const forward = emitForward(plan, plan.forward);
  const backward = plan.backward ? emitBackward(plan, plan.backward) : null;
  const blocks = [plan.forward.prologue, plan.forward.step];
  if (plan.backward) blocks.push(plan.backward.prologue, plan.backward.advance, plan.backward.reverse, plan.backward.epilogue);
  const text = [
    `(module ;; ${plan.neuron.name}`,
    `  (import "env" "memory" (memory 0 65536 shared))`,
    mathLibrary(blocks.flatMap(mathOf)),
    forward.text,
    backward?.text ?? "",
    `)`,
  ].filter(Boolean).join("\n");
  return { text, scratch: Math.max(forward.scratch, backward?.scratch ?? 0) };
}

const pointer = (name: string): string => `$p.${name}`;
const row = (name: string): string => `$row.${name}`;

/** What both kernels share: layer-wide invariants in locals, the others in scratch, once per tile. */
class Kernel {
  readonly plan: Plan;
  readonly part: ForwardPlan | BackwardPlan;
  readonly scratch: Scratch;
  readonly locals = new Set<string>();

  constructor(plan: Plan, part: ForwardPlan | BackwardPlan) {
    this.plan = plan;
    this.part = part;
    this.scratch = new Scratch(plan.tile * 4);
  }

  /** Emits a block and declares its locals. */
  block(block: EmittedBlock): EmittedBlock {
    block.locals.forEach((name) => this.locals.add(name));
    return block;
  }

  invariant(name: string): string {
    const { extent } = this.part.invariants.find((invariant) => invariant.name === name)!;
    return extent === "layer" ? `(local.get $${name})` : this.scratch.load(name);
  }

  /** Layer-wide invariants, before the tile loop. */
  layerPrologue(): string[] {
    const names = this.part.invariants.filter(({ extent }) => extent === "layer").map(({ name }) => name);
    names.forEach((name) => this.locals.add(`$${name}`));
    const { lines, results } = this.block(emitBlock(select(this.part.prologue, names), "l", (_, name) => `(v128.load32_splat (local.get ${pointer(name)}))`));
    return [...lines, ...names.map((name) => `(local.set $${name} ${results[name]})`)];
  }

  /** Invariants per channel and per neuron, into scratch. */
  tilePrologue(): string[] {
    const names = this.part.invariants.filter(({ extent }) => extent !== "layer").map(({ name }) => name);
    if (names.length === 0) return [];
    const block = select(this.part.prologue, names);
    const spec = (name: string): BufferSpec => this.part.buffers.find((buffer) => buffer.name === name)!;
    const channelLeaves = [...leavesOf(block, "input"), ...leavesOf(block, "param")].filter((name) => spec(name).extent === "channel");
    const expand = channelLeaves.length === 0 ? [] : each("$i", "4", [
      `(local.set $c (i32.shl (i32.rem_u (i32.add (local.get $n) (i32.shr_u (local.get $i) (i32.const 2))) (local.get $channels)) (i32.const 2)))`,
      ...channelLeaves.map((name) => `(i32.store ${this.scratch.at(`channel.${name}`)} (i32.load ${add(`(local.get ${pointer(name)})`, "(local.get $c)")}))`),
    ]);
    const { lines, results } = this.block(emitBlock(block, "t", (role, name) => {
      if (role === "seed") return this.neuronLoad(`d.${name}`);
      const { extent } = spec(name);
      return extent === "layer" ? `(v128.load32_splat (local.get ${pointer(name)}))` : extent === "channel" ? this.scratch.load(`channel.${name}`) : this.neuronLoad(name);
    }));
    return [...expand, ...each("$i", "16", [...lines, ...names.map((name) => this.scratch.store(name, results[name]))])];
  }

  /** Loads the current vector of a buffer with one value per neuron for all time. */
  neuronLoad(name: string): string {
    return `(v128.load ${add(`(local.get ${pointer(name)})`, "(local.get $first)", "(local.get $i)")})`;
  }

  neuronStore(name: string, value: string): string {
    return `(v128.store ${add(`(local.get ${pointer(name)})`, "(local.get $first)", "(local.get $i)")} ${value})`;
  }

  /** Moves row pointers of time-varying buffers to step `t` of the current tile. */
  rows(buffers: readonly BufferSpec[], t: string): string[] {
    return buffers.map(({ name, format }) => {
      this.locals.add(row(name));
      const step = format === "bits" ? `(i32.shr_u ${t} (i32.const 5))` : t;
      return `(local.set ${row(name)} (i32.add (local.get ${pointer(name)}) ${shifted(format, `(i32.shl (i32.add (i32.mul ${step} (local.get $size)) (local.get $n)) (i32.const 2))`)}))`;
    });
  }

  rowLoad(name: string): string {
    this.locals.add(row(name));
    return `(v128.load (i32.add (local.get ${row(name)}) (local.get $i)))`;
  }

  rowStore(name: string, value: string): string {
    this.locals.add(row(name));
    return `(v128.store (i32.add (local.get ${row(name)}) (local.get $i)) ${value})`;
  }

  /** The whole function around the code of one tile. */
  function(name: string, comment: string, tile: readonly string[]): { text: string; scratch: number } {
    const prologue = this.layerPrologue();
    const body = [
      ...prologue,
      `(local.set $n (local.get $begin))`,
      `(block $done (loop $tiles`,
      ...indent([
        `(br_if $done (i32.ge_s (local.get $n) (local.get $end)))`,
        `(local.set $count (i32.sub (local.get $end) (local.get $n)))`,
        `(if (i32.gt_s (local.get $count) (i32.const ${this.plan.tile})) (then (local.set $count (i32.const ${this.plan.tile}))))`,
        `(local.set $next (i32.add (local.get $n) (i32.and (local.get $count) (i32.const -4))))`,
        `(if (i32.lt_s (local.get $count) (i32.const 4)) (then ;; the remainder: the last four neurons`,
        `  (local.set $next (local.get $end))`,
        `  (local.set $n (i32.sub (local.get $size) (i32.const 4)))`,
        `  (local.set $count (i32.const 4))))`,
        `(local.set $bytes (i32.shl (i32.and (local.get $count) (i32.const -4)) (i32.const 2)))`,
        `(local.set $first (i32.shl (local.get $n) (i32.const 2)))`,
        ...tile,
        `(local.set $n (local.get $next))`,
        `(br $tiles)`,
      ]),
      `))`,
    ];
    const integers = ["$n", "$count", "$next", "$bytes", "$first", "$i", "$s", "$c", "$t", "$stride", "$trajectory", "$v", "$chunk", "$t0", "$t1"];
    const locals = [...this.locals].map((local) => `(local ${local} ${local.startsWith("$row.") ? "i32" : "v128"})`);
    const buffers = this.part.buffers.map(({ name: buffer }) => `(param ${pointer(buffer)} i32)`);
    const text = [
      `;; ${comment}`,
      `(func (export "${name}") (param $scratch i32) (param $begin i32) (param $end i32) (param $steps i32) (param $size i32) (param $channels i32)`,
      `  ${buffers.join(" ")}`,
      ...indent(integers.map((integer) => `(local ${integer} i32)`)),
      ...indent(locals),
      ...indent(body),
      `)`,
    ];
    return { text: indent(text).join("\n"), scratch: this.scratch.bytes };
  }
}

const varyingOf = (part: ForwardPlan | BackwardPlan): BufferSpec[] => part.buffers.filter(({ time }) => time === "varying");

function emitForward(plan: Plan, part: ForwardPlan): { text: string; scratch: number } {
  const kernel = new Kernel(plan, part);
  const { scratch } = kernel;
  const outputs = part.buffers.filter(({ direction }) => direction === "out");
  const state = (name: string): string => `state.${name}`;
  const step = kernel.block(emitBlock(part.step, "v", (role, name) =>
    role === "state" ? scratch.load(state(name)) : role === "invariant" ? kernel.invariant(name) : kernel.rowLoad(name)));

  const stores = outputs.filter(({ time }) => time === "varying").flatMap(({ name, format }) => {
    const value = name.startsWith("trace.") ? step.results[`state.${name.slice(6)}`] : step.results[name];
    return format === "f32" ? [kernel.rowStore(name, value)] : storeSpike(kernel, scratch, name, row(name), format, value);
  });
  const checkpoints = outputs.filter(({ time }) => time === "checkpoint").map(({ name }) => name);
  const checkpointRow = `(i32.mul (i32.sub (i32.div_u (local.get $t) (i32.const ${plan.checkpointEvery})) (i32.const 1)) (local.get $stride))`;
  const saveCheckpoints = checkpoints.length === 0 ? [] : [
    `(if (i32.and (i32.ne (local.get $t) (i32.const 0)) (i32.eqz (i32.rem_u (local.get $t) (i32.const ${plan.checkpointEvery})))) (then`,
    ...indent(each("$i", "16", checkpoints.map((name) =>
      `(v128.store ${add(`(local.get ${pointer(name)})`, checkpointRow, "(local.get $first)", "(local.get $i)")} ${scratch.load(state(name.slice(11)))})`))),
    `))`,
  ];
  const tile = [
    ...kernel.tilePrologue(),
    ...each("$i", "16", plan.states.map((name) =>
      scratch.store(state(name), plan.initialState ? kernel.neuronLoad(`state.${name}`) : splat(Math.fround(plan.neuron.state[name]))))),
    `(local.set $stride (i32.shl (local.get $size) (i32.const 2)))`,
    ...up("$t", "(i32.const 0)", "(local.get $steps)", [
      ...saveCheckpoints,
      ...kernel.rows(varyingOf(part), "(local.get $t)"),
      ...each("$i", "16", [...step.lines, ...stores, ...plan.states.map((name) => scratch.store(state(name), step.results[state(name)]))]),
    ]),
    ...each("$i", "16", outputs.filter(({ name }) => name.startsWith("final.")).map(({ name }) => kernel.neuronStore(name, scratch.load(state(name.slice(6)))))),
  ];
  return kernel.function("forward", `${plan.neuron.name}, all steps forward`, tile);
}

function emitBackward(plan: Plan, part: BackwardPlan): { text: string; scratch: number } {
  const kernel = new Kernel(plan, part);
  const { scratch } = kernel;
  const { states } = plan;
  const slot = states.length * scratch.row;
  const has = (name: string): boolean => part.buffers.some((buffer) => buffer.name === name);
  const sums = Object.keys(part.reverse.results).filter((name) => name.startsWith("sum."));
  const gradients = part.buffers.filter(({ direction }) => direction === "out");

  /** State number s of the trajectory slot that $v points to; `ahead` slots later. */
  const trajectory = (s: number, ahead = 0): number => s * scratch.row + ahead * slot;
  const leaf = (role: string, name: string): string =>
    role === "state" ? offsetLoad("$v", trajectory(states.indexOf(name)))
      : role === "invariant" ? kernel.invariant(name)
      : role === "adjoint" ? scratch.load(`adjoint.${name}`)
      : role === "seed" ? kernel.rowLoad(`d.${name}`) : kernel.rowLoad(name);

  const advance = kernel.block(emitBlock(part.advance, "a", leaf));
  const reverse = kernel.block(emitBlock(part.reverse, "r", leaf));
  const epilogue = kernel.block(emitBlock(part.epilogue, "e", (role, name) =>
    role === "accumulated" ? scratch.load(`sum.${name}`) : role === "adjoint" ? scratch.load(`adjoint.${name}`) : kernel.invariant(name)));

  const point = `(local.set $v (i32.add (local.get $trajectory) (local.get $i)))`;
  const inputRows = varyingOf(part).filter(({ name }) => leavesOf(part.advance, "input").includes(name));
  const start = states.map((name, s) => {
    const first = plan.initialState ? kernel.neuronLoad(`state.${name}`) : splat(Math.fround(plan.neuron.state[name]));
    if (plan.checkpointEvery === null) return offsetStore("$v", trajectory(s), first);
    const saved = `(v128.load ${add(`(local.get ${pointer(`checkpoint.${name}`)})`, "(i32.mul (i32.sub (local.get $chunk) (i32.const 1)) (local.get $stride))", "(local.get $first)", "(local.get $i)")})`;
    return offsetStore("$v", trajectory(s), `(if (result v128) (local.get $chunk) (then ${saved}) (else ${first}))`);
  });
  const moveTrajectory = (t: string): string =>
    `(local.set $trajectory (i32.add (i32.add (local.get $scratch) (i32.const ${scratch.offset("trajectory", plan.chunk * slot)})) (i32.mul (i32.sub ${t} (local.get $t0)) (i32.const ${slot}))))`;

  const chunk = [
    moveTrajectory("(local.get $t0)"),
    ...each("$i", "16", [point, ...start]),
    ...up("$t", "(local.get $t0)", "(i32.sub (local.get $t1) (i32.const 1))", [
      ...kernel.rows(inputRows, "(local.get $t)"),
      ...each("$i", "16", [point, ...advance.lines, ...states.map((name, s) => offsetStore("$v", trajectory(s, 1), advance.results[`state.${name}`]))]),
      `(local.set $trajectory (i32.add (local.get $trajectory) (i32.const ${slot})))`,
    ]),
    ...down("$t", "(i32.sub (local.get $t1) (i32.const 1))", "(local.get $t0)", [
      moveTrajectory("(local.get $t)"),
      ...kernel.rows(varyingOf(part), "(local.get $t)"),
      ...each("$i", "16", [
        point,
        ...reverse.lines,
        ...gradients.filter(({ time }) => time === "varying").map(({ name }) => kernel.rowStore(name, reverse.results[name])),
        ...states.map((name) => scratch.store(`adjoint.${name}`, reverse.results[`adjoint.${name}`])),
        ...sums.map((name) => scratch.store(name, `(f32x4.add ${scratch.load(name)} ${reverse.results[name]})`)),
      ]),
    ]),
  ];
  const chunks = plan.checkpointEvery === null
    ? [`(local.set $t0 (i32.const 0))`, `(local.set $t1 (local.get $steps))`, ...chunk]
    : down("$chunk", `(i32.div_u (i32.sub (local.get $steps) (i32.const 1)) (i32.const ${plan.chunk}))`, "(i32.const 0)", [
      `(local.set $t0 (i32.mul (local.get $chunk) (i32.const ${plan.chunk})))`,
      `(local.set $t1 (i32.add (local.get $t0) (i32.const ${plan.chunk})))`,
      `(if (i32.gt_s (local.get $t1) (local.get $steps)) (then (local.set $t1 (local.get $steps))))`,
      ...chunk,
    ]);
  const tile = [
    ...kernel.tilePrologue(),
    `(local.set $stride (i32.shl (local.get $size) (i32.const 2)))`,
    ...each("$i", "16", [
      ...states.map((name) => scratch.store(`adjoint.${name}`, has(`d.final.${name}`) ? kernel.neuronLoad(`d.final.${name}`) : splat(0))),
      ...sums.map((name) => scratch.store(name, splat(0))),
    ]),
    ...chunks,
    ...each("$i", "16", [...epilogue.lines, ...gradients.filter(({ time }) => time !== "varying").map(({ name }) => kernel.neuronStore(name, epilogue.results[name]))]),
  ];
  return kernel.function("backward", `${plan.neuron.name}, all steps backward; the trajectory is recomputed ${plan.checkpointEvery ?? "whole"}${plan.checkpointEvery === null ? "" : " steps at a time"}`, tile);
}
