import { shortestDecimal } from "./decimal.ts";
import type { Neuron } from "./define.ts";
import { type Expr, leaf } from "./expr.ts";
import { operandsOf, postOrder } from "./walk.ts";

export interface StepText {
  /** Parameters whose values are constants of the step; those that are not named are learnt. */
  fixed?: Readonly<Record<string, number>>;
  /** Whether surrogate derivatives and `detach`, which matter in training alone, are told. Default: true. */
  training?: boolean;
}

/** What a neuron computes in a step, one line for each operation, and its first states. Neurons with the same lines compute the same. */
export function describeStep({ state, next }: Neuron, { fixed = {}, training = true }: StepText = {}): string[] {
  const lines = Object.entries(state).map(([name, value]) => `${name} = ${value} at first`);
  const texts = new Map<Expr, string>();

  const define = (text: string): string => {
    lines.push(`%${lines.length} = ${text}`);
    return `%${lines.length - 1}`;
  };
  const textOf = ({ node }: Expr, operands: readonly string[]): string => {
    switch (node.kind) {
      case "constant": return numberText(node.value);
      case "leaf": return node.role === "param" && Object.hasOwn(fixed, node.name) ? numberText(Math.fround(fixed[node.name])) : `${node.role} ${node.name}`;
      case "operation": return define(`${node.op}(${operands.join(", ")})`);
      case "detach": return training ? define(`detach(${operands[0]})`) : operands[0];
      case "spike": {
        const surrogate = training ? `, with the derivative ${visit(node.surrogate.derivative(leaf("input", "u")))}` : "";
        return define(`spike(${operands[0]} ${node.strict ? ">" : "≥"} 0)${surrogate}`);
      }
    }
  };
  const visit = (root: Expr): string => {
    for (const x of postOrder([root], (each) => (texts.has(each) ? [] : operandsOf(each)))) if (!texts.has(x)) texts.set(x, textOf(x, operandsOf(x).map((operand) => texts.get(operand)!)));
    return texts.get(root)!;
  };
  for (const [name, x] of Object.entries(next)) lines.push(`${name} = ${visit(x)}`);
  return lines;
}

const numberText = (value: number): string => (Object.is(value, -0) ? "-0" : shortestDecimal(value));
