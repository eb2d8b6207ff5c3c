import type { Expr } from "../../neuron/expr.ts";
import type { OperationName } from "../../neuron/ops.ts";
import { postOrder } from "../../neuron/walk.ts";
import type { Graph } from "./graph.ts";

type Emit = (graph: Graph, args: readonly string[]) => string;
const operator = (name: string): Emit => (graph, args) => graph.node(name, args);

/** Each operation of neurons in those of ONNX. */
const OPERATORS: Readonly<Record<OperationName, Emit>> = {
  add: operator("Add"), sub: operator("Sub"), mul: operator("Mul"), div: operator("Div"), minimum: operator("Min"), maximum: operator("Max"), neg: operator("Neg"), abs: operator("Abs"),
  floor: operator("Floor"), sqrt: operator("Sqrt"), exp: operator("Exp"), log: operator("Log"), tanh: operator("Tanh"), sigmoid: operator("Sigmoid"), sin: operator("Sin"), cos: operator("Cos"),
  atan: operator("Atan"), erf: operator("Erf"), greater: operator("Greater"), greaterEqual: operator("GreaterOrEqual"), less: operator("Less"), lessEqual: operator("LessOrEqual"), equal: operator("Equal"),
  logicalAnd: operator("And"), logicalOr: operator("Or"), logicalNot: operator("Not"), where: operator("Where"),
  notEqual: (graph, args) => graph.node("Not", [graph.node("Equal", args)]),
  expm1: (graph, args) => graph.node("Sub", [graph.node("Exp", args), graph.constant(1)]),
  log1p: (graph, args) => graph.node("Log", [graph.node("Add", [...args, graph.constant(1)])]),
};

const FLOAT = 1;

/** The names of expressions' values, where `leaf` says those of states, inputs and parameters. A spike is 0 or 1. */
export function emitExpressions(graph: Graph, roots: readonly Expr[], leaf: (role: string, name: string) => string): string[] {
  const names = new Map<Expr, string>();
  const emit = ({ node }: Expr): string => {
    switch (node.kind) {
      case "constant": return graph.constant(node.value);
      case "leaf": return leaf(node.role, node.name);
      case "detach": return names.get(node.x)!;
      case "spike": return graph.node("Cast", [graph.node(node.strict ? "Greater" : "GreaterOrEqual", [names.get(node.u)!, graph.constant(0)])], { to: FLOAT });
      case "operation": return OPERATORS[node.op](graph, node.args.map((arg) => names.get(arg)!));
    }
  };
  for (const x of postOrder(roots)) names.set(x, emit(x));
  return roots.map((root) => names.get(root)!);
}
