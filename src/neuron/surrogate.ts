import { checkArgument, checkOptions, func, positive, text } from "../check.ts";
import { NeuronError } from "../errors.ts";
import { findCondition } from "./conditions.ts";
import { abs, constant, type Expr, exp, leaf, less, maximum, sigmoid as sigmoidOf, square, type Surrogate, toExpr, typeOf, where } from "./expr.ts";
import { howToChoose, traced } from "./tracing.ts";

export type { Surrogate } from "./expr.ts";

/** A surrogate whose options are positive numbers; its derivative is traced once, so that a constant of it that f32 cannot hold is refused here. */
function withOptions<T extends Record<string, number>>(name: string, given: Partial<T>, defaults: T, derivative: (u: Expr, options: T) => Expr): Surrogate {
  checkOptions<Record<string, number>>(`surrogate.${name}`, given as T, Object.fromEntries(Object.keys(defaults).map((option) => [option, positive])), NeuronError);
  const options = Object.fromEntries(Object.entries(defaults).map(([option, value]) => [option, given[option] ?? value])) as T;
  try {
    derivative(leaf("input", "u"), options);
  } catch (error) {
    throw new NeuronError(`surrogate.${name}(${JSON.stringify(options)}): ${(error as Error).message}`, { cause: error });
  }
  return { name, options, derivative: (u) => derivative(toExpr(u), options) };
}

/** σ(αu): derivative α·σ(αu)·(1 − σ(αu)). SpikingJelly's `Sigmoid` (its α is 4) and snnTorch's `sigmoid` (slope 25). Default: alpha 4. */
export const sigmoid = (options: { alpha?: number } = {}): Surrogate => withOptions("sigmoid", options, { alpha: 4 }, (u, { alpha }) => {
  const s = sigmoidOf(u.mul(alpha));
  return constant(1).sub(s).mul(s).mul(alpha);
});

/** arctan: derivative (α/2) / (1 + (πuα/2)²). SpikingJelly's `ATan` and snnTorch's `atan` (both α = 2). Fang et al., ICCV 2021. Default: alpha 2. */
export const atan = (options: { alpha?: number } = {}): Surrogate => withOptions("atan", options, { alpha: 2 },
  (u, { alpha }) => constant(alpha / 2).div(square(u.mul((Math.PI / 2) * alpha)).add(1)));

/** Fast sigmoid: derivative 1 / (1 + slope·|u|)². snnTorch's `fast_sigmoid`; Zenke & Ganguli 2018 (SuperSpike). Default: slope 25. */
export const fastSigmoid = (options: { slope?: number } = {}): Surrogate => withOptions("fastSigmoid", options, { slope: 25 },
  (u, { slope }) => constant(1).div(square(abs(u).mul(slope).add(1))));

/** A box of area 1: 1/width where |u| < width/2. Wu et al. 2018 (STBP). Default: width 1. */
export const rectangular = (options: { width?: number } = {}): Surrogate => withOptions("rectangular", options, { width: 1 },
  (u, { width }) => where(less(abs(u), width / 2), 1 / width, 0));

/** A triangle of height 1 (times `scale`) and half-width 1/slope: scale · max(0, 1 − slope·|u|). Bellec et al. 2018 use scale 0.3. Default: slope 1, scale 1. */
export const triangular = (options: { slope?: number; scale?: number } = {}): Surrogate => withOptions("triangular", options, { slope: 1, scale: 1 },
  (u, { slope, scale }) => maximum(constant(1).sub(abs(u).mul(slope)), 0).mul(scale));

/** Derivative α − α²|u| where |u| < 1/α, else 0. SpikingJelly's `PiecewiseQuadratic`; Neftci et al. 2019. Default: alpha 1. */
export const piecewiseQuadratic = (options: { alpha?: number } = {}): Surrogate => withOptions("piecewiseQuadratic", options, { alpha: 1 },
  (u, { alpha }) => maximum(constant(alpha).sub(abs(u).mul(alpha * alpha)), 0));

/** ½·erfc(−αu): derivative (α/√π)·e^(−α²u²). SpikingJelly's `Erf` (α = 2). Default: alpha 2. */
export const erf = (options: { alpha?: number } = {}): Surrogate => withOptions("erf", options, { alpha: 2 },
  (u, { alpha }) => exp(square(u).mul(-alpha * alpha)).mul(alpha / Math.sqrt(Math.PI)));

/**
 * Any derivative dS/du, written in the expression language: `surrogate.custom((u) => u.abs().mul(-2).exp())`. It is traced once, here; it must be pure.
 * @throws NeuronError for a derivative that is no expression or number, or that branches on an expression
 */
export function custom(derivative: (u: Expr) => Expr, name = "custom"): Surrogate {
  checkArgument("surrogate.custom", "derivative", derivative, func, NeuronError);
  checkArgument("surrogate.custom", "name", name, text, NeuronError);
  const what = `the derivative of surrogate ${name}`;
  const trace = (u: Expr): Expr => {
    const result = toExpr(derivative(u));
    if (typeOf(result) === "b") throw new NeuronError(`${what} is a comparison; use where(condition, 1, 0)`);
    return result;
  };
  traced(what, () => trace(leaf("input", "u")));
  const condition = findCondition(String(derivative), "expressions");
  if (condition) throw new NeuronError(`${what} uses an expression as a condition: ${condition}. ${howToChoose}`);
  return { name, options: {}, derivative: trace };
}
