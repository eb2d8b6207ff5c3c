import type { Block } from "../../fusion/block.ts";
import type { LeafRole } from "../../neuron/expr.ts";
import type { OperationName } from "../../neuron/ops.ts";
import { inlineMath, mathFunctions, type MathName } from "./math.ts";

type Emit = (a: string, b: string, c: string) => string;
const instruction = (name: string): Emit => (...args) => `(${name} ${args.filter((arg) => arg !== undefined).join(" ")})`;

/** Operations on four f32 lanes; truth values are lane masks. */
const instructions: Record<Exclude<OperationName, "where" | MathName>, Emit> = {
  add: instruction("f32x4.add"), sub: instruction("f32x4.sub"), mul: instruction("f32x4.mul"), div: instruction("f32x4.div"),
  minimum: instruction("f32x4.min"), maximum: instruction("f32x4.max"),
  neg: instruction("f32x4.neg"), abs: instruction("f32x4.abs"), floor: instruction("f32x4.floor"), sqrt: instruction("f32x4.sqrt"),
  greater: instruction("f32x4.gt"), greaterEqual: instruction("f32x4.ge"), less: instruction("f32x4.lt"), lessEqual: instruction("f32x4.le"),
  equal: instruction("f32x4.eq"), notEqual: instruction("f32x4.ne"),
  logicalAnd: instruction("v128.and"), logicalOr: instruction("v128.or"), logicalNot: instruction("v128.not"),
};

const isMath = (op: OperationName): op is MathName => op in mathFunctions;

/** The math functions that the code of a block calls: those that its inlined ones use. */
export const mathOf = (block: Block): MathName[] =>
  block.values.flatMap((value) => (value.kind === "operation" && isMath(value.op) ? [...(mathFunctions[value.op].uses ?? [])] : []));

/** A v128 of four equal f32 lanes. */
export const splat = (value: number): string => `(v128.const f32x4 ${Array(4).fill(literal(value)).join(" ")})`;

function literal(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  return Object.is(value, -0) ? "-0" : String(value);
}

/** WAT of straight-line code: `lines` to run in order, then each result as an expression. */
export interface EmittedBlock {
  locals: string[];
  lines: string[];
  results: Record<string, string>;
}

/** Engines allow a function 50 000 locals: values of blocks longer than this share theirs, where they are not needed at once. */
const OWN_LOCALS = 4096;

/** Which of the shared locals holds each value that is not a constant. */
function sharedLocals({ values, results }: Block): number[] {
  const lastUse = values.map(() => 0);
  values.forEach((value, n) => { if (value.kind === "operation") for (const arg of value.args) lastUse[arg] = n; });
  for (const n of Object.values(results)) lastUse[n] = Infinity;
  const locals: number[] = [];
  const free: number[] = [];
  let count = 0;
  values.forEach((value, n) => {
    // An operand is read before the result is set.
    if (value.kind === "operation") for (const arg of new Set(value.args)) if (lastUse[arg] === n && values[arg].kind !== "constant") free.push(locals[arg]);
    locals.push(value.kind === "constant" ? -1 : free.pop() ?? count++);
  });
  return locals;
}

/** Emits a block; `prefix` keeps its locals apart from other blocks', `leaf` yields the WAT that loads a leaf. */
export function emitBlock(block: Block, prefix: string, leaf: (role: LeafRole, name: string) => string): EmittedBlock {
  const locals: string[] = [];
  const lines: string[] = [];
  const get: string[] = [];
  const shared = block.values.length > OWN_LOCALS ? sharedLocals(block) : null;
  const isZero = (n: number): boolean => {
    const value = block.values[n];
    return value.kind === "constant" && Object.is(value.value, 0);
  };
  block.values.forEach((value, n) => {
    if (value.kind === "constant") {
      get.push(splat(value.value));
      return;
    }
    const name = `$${prefix}${shared ? shared[n] : n}`;
    const comment = value.kind === "leaf" ? `  ;; ${value.role} ${value.name}` : "";
    const text = value.kind === "leaf" ? leaf(value.role, value.name) : emitOperation(value.op, value.args);
    locals.push(name);
    lines.push(`(local.set ${name} ${text})${comment}`);
    get.push(`(local.get ${name})`);
  });

  function emitOperation(op: OperationName, args: readonly number[]): string {
    const [a, b, c] = args.map((n) => get[n]);
    if (isMath(op)) {
      const inline = inlineMath(op, a, `${prefix}${shared ? "" : locals.length}`);
      locals.push(...inline.locals);
      lines.push(...inline.lines);
      return inline.result;
    }
    if (op !== "where") return instructions[op](a, b, c);
    if (isZero(args[2])) return `(v128.and ${b} ${a})`;
    if (isZero(args[1])) return `(v128.andnot ${c} ${a})`;
    return `(v128.bitselect ${b} ${c} ${a})`;
  }
  return { locals, lines, results: Object.fromEntries(Object.entries(block.results).map(([name, n]) => [name, get[n]])) };
}
