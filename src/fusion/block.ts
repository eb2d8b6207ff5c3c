import { Expr, type LeafRole } from "../neuron/expr.ts";
import { operations, type OperationName } from "../neuron/ops.ts";
import { operandsOf, postOrder } from "../neuron/walk.ts";

/** One value of straight-line code; operands are indices of earlier values. */
export type Value =
  | { kind: "constant"; value: number }
  | { kind: "leaf"; role: LeafRole; name: string }
  | { kind: "operation"; op: OperationName; args: readonly number[] };

/** Straight-line code in SSA form: every value computed once, nothing unused. */
export interface Block {
  values: readonly Value[];
  /** What the code is for: named results, as indices of values. */
  results: Readonly<Record<string, number>>;
}

/** Turns expressions into a block: shared subexpressions once, spikes as selections, `detach` gone. */
export function lower(roots: Readonly<Record<string, Expr>>): Block {
  const values: Value[] = [];
  const numbers = new Map<string, number>();
  const done = new Map<Expr, number>();

  const emit = (value: Value): number => {
    const key = keyOf(value);
    let n = numbers.get(key);
    if (n === undefined) numbers.set(key, (n = values.push(value) - 1));
    return n;
  };
  const literal = (value: number): number => emit({ kind: "constant", value });
  const operation = (op: OperationName, ...args: number[]): number => rewrite(op, args) ?? emit({ kind: "operation", op, args });

  /** A value that is either 0 or something, by a condition: where(c, a, b) with a = 0 or b = 0. */
  const selection = (n: number): { condition: number; a: number; b: number } | undefined => {
    const value = values[n];
    return value.kind === "operation" && value.op === "where" ? { condition: value.args[0], a: value.args[1], b: value.args[2] } : undefined;
  };
  const isLiteral = (n: number, expected: number): boolean => {
    const value = values[n];
    return value.kind === "constant" && value.value === expected;
  };

  /** Arithmetic with a spike is a selection: s·x = where(c, x, 0), (1 − s)·x = where(c, 0, x), and the sum of such a pair is one selection. */
  const rewrite = (op: OperationName, [x, y]: number[]): number | undefined => {
    const a = selection(x);
    const b = y === undefined ? undefined : selection(y);
    // a + (−b) = a − b, exactly.
    if (op === "add") {
      for (const [negated, other] of [[y, x], [x, y]]) {
        const value = values[negated];
        if (value.kind === "operation" && value.op === "neg") return operation("sub", other, value.args[0]);
      }
    }
    if (op === "mul") {
      for (const [s, other] of [[a, y], [b, x]] as const) {
        if (!s) continue;
        if (isLiteral(s.a, 1) && isLiteral(s.b, 0)) return operation("where", s.condition, other, literal(0));
        if (isLiteral(s.a, 0) && isLiteral(s.b, 1)) return operation("where", s.condition, literal(0), other);
      }
    }
    if (op === "sub" && b && isLiteral(x, 1) && isLiteral(b.a, 1) && isLiteral(b.b, 0)) return operation("where", b.condition, literal(0), literal(1));
    if ((op === "greaterEqual" || op === "greater") && isLiteral(y, 0)) {
      // The sign of a − b is exact in f32 (subnormals are kept), so the difference need not be computed to compare it. Two equal
      // infinities, whose difference is NaN, count as equal.
      const difference = values[x];
      if (difference.kind === "operation" && difference.op === "sub") return operation(op, ...difference.args);
    }
    if (op === "add" && a && b && a.condition === b.condition) {
      if (isLiteral(a.b, 0) && isLiteral(b.a, 0)) return operation("where", a.condition, a.a, b.b);
      if (isLiteral(a.a, 0) && isLiteral(b.b, 0)) return operation("where", a.condition, b.a, a.b);
    }
    return undefined;
  };

  const numberOf = (x: Expr): number => done.get(x)!;
  const lowerNode = ({ node }: Expr): number => {
    switch (node.kind) {
      case "constant": return literal(node.value);
      case "leaf": return emit({ kind: "leaf", role: node.role, name: node.name });
      case "detach": return numberOf(node.x);
      case "spike": return operation("where", operation(node.strict ? "greater" : "greaterEqual", numberOf(node.u), literal(0)), literal(1), literal(0));
      case "operation": return operation(node.op, ...node.args.map(numberOf));
    }
  };
  for (const x of postOrder(Object.values(roots))) done.set(x, lowerNode(x));
  const results = Object.fromEntries(Object.entries(roots).map(([name, root]) => [name, numberOf(root)]));
  return prune(values, results);
}

const commutative = new Set<OperationName>(["add", "mul", "equal", "notEqual", "logicalAnd", "logicalOr"]);

export function keyOf(value: Value): string {
  switch (value.kind) {
    case "constant": return `#${Object.is(value.value, -0) ? "-0" : value.value}`;
    case "leaf": return `${value.role}:${value.name}`;
    case "operation": return `${value.op}(${commutative.has(value.op) ? [...value.args].sort((a, b) => a - b) : value.args})`;
  }
}

/** The part of a block that some of its results need. */
export const select = (block: Block, names: readonly string[]): Block =>
  prune(block.values, Object.fromEntries(names.map((name) => [name, block.results[name]])));

/** Drops what no result needs (the rewriting leaves such values behind) and renumbers. */
function prune(values: readonly Value[], results: Record<string, number>): Block {
  const live = new Set<number>(Object.values(results));
  for (let n = values.length - 1; n >= 0; n--) {
    const value = values[n];
    if (live.has(n) && value.kind === "operation") value.args.forEach((arg) => live.add(arg));
  }
  const renumbered = new Map([...live].sort((a, b) => a - b).map((n, i) => [n, i]));
  const rename = (n: number): number => renumbered.get(n)!;
  return {
    values: [...renumbered.keys()].map((n) => {
      const value = values[n];
      return value.kind === "operation" ? { ...value, args: value.args.map(rename) } : value;
    }),
    results: Object.fromEntries(Object.entries(results).map(([name, n]) => [name, rename(n)])),
  };
}

/** Whether value n is a truth value rather than a number. */
export function isTruth(block: Block, n: number): boolean {
  const value = block.values[n];
  return value.kind === "operation" && operations[value.op].result === "b";
}

/** Names of the leaves of a role that the block reads. */
export const leavesOf = (block: Block, role: LeafRole): string[] =>
  block.values.flatMap((value) => (value.kind === "leaf" && value.role === role ? [value.name] : []));

/** Rebuilds an expression with some nodes replaced; unchanged parts stay shared. `memo` holds what is replaced already. */
export function substitute(root: Expr, replacement: (x: Expr) => Expr | undefined, memo: Map<Expr, Expr>): Expr {
  const below = (x: Expr): readonly Expr[] => {
    if (memo.has(x)) return [];
    const replaced = replacement(x);
    if (replaced) memo.set(x, replaced);
    return replaced ? [] : operandsOf(x);
  };
  for (const x of postOrder([root], below)) if (!memo.has(x)) memo.set(x, rebuild(x, operandsOf(x).map((operand) => memo.get(operand)!)));
  return memo.get(root)!;
}

function rebuild(x: Expr, operands: readonly Expr[]): Expr {
  if (operandsOf(x).every((operand, i) => operand === operands[i])) return x;
  switch (x.node.kind) {
    case "operation": return new Expr({ ...x.node, args: operands });
    case "spike": return new Expr({ ...x.node, u: operands[0] });
    case "detach": return new Expr({ ...x.node, x: operands[0] });
    default: return x;
  }
}
