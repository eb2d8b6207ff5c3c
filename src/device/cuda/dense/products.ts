import type { Device, Precision, Tensor } from "../../device.ts";
import type { StoredTensor } from "../../tensor.ts";
import type { MatmulProblem } from "../cublasLt.ts";
import { castTo } from "./elementwise.ts";
import type { Element } from "./kernel.ts";
import { sumRows } from "./rows.ts";
import type { Work } from "./work.ts";

/** What factors of products and convolutions are rounded to. */
export interface Factors {
  type: Element;
  /** Whether f32s are read with 10 bits of fraction. */
  tf32: boolean;
}

export const factorsOf = (precision: Precision): Factors => ({ type: precision === "bfloat16" ? "bf16" : "f32", tf32: precision === "tf32" });

/** The address of a tensor's elements as factors: themselves, or a copy for the time of the work. */
export function factor(work: Work, tensor: Tensor, type: Element): number {
  const { at, type: own } = work.activation(tensor);
  if (own === type) return at;
  const copy = work.scratch(tensor.shape, type);
  castTo(work, { at, type: own }, { at: copy, type }, tensor.size);
  return copy;
}

/**
 * A new tensor of `type` that `write` fills: it is given the address and type to write to, which are another's for the time of the work
 * where the libraries do not write that type.
 */
export function written(work: Work, shape: readonly number[], type: Element, writable: readonly Element[], write: (at: number, type: Element) => void): StoredTensor<Device> {
  const result = work.output(shape, type);
  const to = { at: work.ptr(result, type), type };
  if (writable.includes(type)) {
    write(to.at, type);
    return result;
  }
  const from = { at: work.scratch(shape, writable[0]), type: writable[0] };
  write(from.at, from.type);
  castTo(work, from, to, result.size);
  return result;
}

interface Operands {
  a: number;
  b: number;
  d: number;
  bias?: number;
}

function multiply(work: Work, { type, tf32 }: Factors, problem: Omit<MatmulProblem, "type" | "tf32">, operands: Operands): void {
  const { cublasLt } = work.libraries;
  const plan = cublasLt.plan({ ...problem, type, tf32 });
  cublasLt.run(plan, operands, work.workspace(plan.workspaceBytes), work.context.stream);
}

/** The types that a product of such factors can be written as. */
const writable = ({ type }: Factors): readonly Element[] => (type === "f32" ? ["f32"] : ["bf16", "f32"]);

/** y [rows, columns] = x [rows, depth] · w [depth, columns] + bias, of the shape given and the type of x. */
export function productOf(work: Work, factors: Factors, x: Tensor, w: Tensor, bias: Tensor | undefined, [rows, depth, columns]: readonly number[], shape: readonly number[]): Tensor {
  const { type } = work.activation(x);
  const [a, b] = [factor(work, x, factors.type), factor(work, w, factors.type)];
  return written(work, shape, type, writable(factors), (d, output) => multiply(
    work, factors, { m: rows, n: columns, k: depth, output, epilogue: bias && "bias" }, { a, b, d, bias: bias && factor(work, bias, output) },
  ));
}

/** Gradients of such a product, of the shapes and (dx) the type of x and w. */
export function productGradients(
  work: Work, factors: Factors, x: Tensor, w: Tensor, dy: Tensor, need: { input: boolean; bias: boolean }, [rows, depth, columns]: readonly number[],
): { dx?: Tensor; dw: Tensor; db?: Tensor } {
  const { type } = work.activation(x);
  const [input, slope] = [factor(work, x, factors.type), factor(work, dy, factors.type)];
  const dw = work.output(w.shape);
  multiply(work, factors, { m: depth, n: columns, k: rows, transposeA: true, output: "f32" }, { a: input, b: slope, d: work.ptr(dw) });
  const dx = need.input ? written(work, x.shape, type, writable(factors), (d, output) => multiply(
    work, factors, { m: rows, n: depth, k: columns, transposeB: true, output }, { a: slope, b: factor(work, w, factors.type), d },
  )) : undefined;
  return { dx, dw, db: need.bias ? biasGradient(work, dy, columns) : undefined };
}

/** The sum of dy over all axes but the last. */
export function biasGradient(work: Work, dy: Tensor, columns: number): Tensor {
  const db = work.output([columns]);
  sumRows(work, work.activation(dy), undefined, work.ptr(db), dy.size / columns, columns);
  return db;
}
