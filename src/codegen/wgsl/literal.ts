import { shortestDecimal } from "../../neuron/decimal.ts";

/** f32 values of a thread's neurons. */
export type Vector = "f32" | "vec2f" | "vec4f";

/** Functions of `math.ts` that stand for numbers. */
export type ConstantFunction = "nan" | "infinity" | "negativeZero";

/** The function that yields a number which WGSL refuses in constant expressions, or does not keep there. */
const constantFunction = (value: number): ConstantFunction | undefined =>
  Number.isNaN(value) ? "nan" : !Number.isFinite(value) ? "infinity" : Object.is(value, -0) ? "negativeZero" : undefined;

/** The shortest text that is this f32 and no other. */
export function literal(value: number): string {
  const function_ = constantFunction(value);
  if (function_) return `${value === -Infinity ? "-" : ""}${function_}()`;
  const text = shortestDecimal(value);
  return `${/[.e]/.test(text) ? text : `${text}.0`}f`;
}

/** The same number for all neurons of a thread. */
export const splat = (vector: Vector, value: number): string => (vector === "f32" ? literal(value) : `${vector}(${literal(value)})`);

/** The functions of `math.ts` that a number needs. */
export const functionsOfConstant = (value: number): ConstantFunction[] => [constantFunction(value) ?? []].flat();
