import { checkArgument, checkOptions, func, type Kind, notNegative, positive, text } from "../check.ts";
import { NeuronError } from "../errors.ts";
import { findCondition } from "./conditions.ts";
import { abs, constant, type Expr, exp, leaf, less, maximum, sigmoid as sigmoidOf, square, type Surrogate, toExpr, typeOf, where } from "./expr.ts";
import { howToChoose, traced } from "./tracing.ts";

export type { Surrogate } from "./expr.ts";

/** A surrogate whose options are numbers, positive unless `kinds` says otherwise; its derivative is traced once, so that a constant of it that f32 cannot hold is refused here. */
function withOptions<T extends Record<string, number>>(name: string, given: Partial<T>, defaults: T, derivative: (u: Expr, options: T) => Expr, kinds: Partial<Record<keyof T, Kind>> = {}): Surrogate {
  checkOptions<Record<string, number>>(`surrogate.${name}`, given as T, { ...Object.fromEntries(Object.keys(defaults).map((option) => [option, positive])), ...kinds }, NeuronError);
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

/** Derivative α/(1 + |u|)². SpikingJelly's `SuperSpike`; Norse's "super" is `fastSigmoid({ slope: 100 })`. Zenke & Ganguli 2018. Default: alpha 1. */
export const superSpike = (options: { alpha?: number } = {}): Surrogate => withOptions("superSpike", options, { alpha: 1 },
  (u, { alpha }) => constant(alpha).div(square(abs(u).add(1))));

/** u/(1/α + |u|): derivative 1/(2α·(1/α + |u|)²). SpikingJelly's `SoftSign`. Default: alpha 2. */
export const softSign = (options: { alpha?: number } = {}): Surrogate => withOptions("softSign", options, { alpha: 2 },
  (u, { alpha }) => constant(1).div(square(abs(u).add(1 / alpha)).mul(2 * alpha)));

/** Derivative (α/2)·e^(−α|u|). SpikingJelly's `PiecewiseExp`; Neftci et al. 2019. Default: alpha 1. */
export const piecewiseExp = (options: { alpha?: number } = {}): Surrogate => withOptions("piecewiseExp", options, { alpha: 1 },
  (u, { alpha }) => exp(abs(u).mul(-alpha)).mul(alpha / 2));

/** Derivative 1/(2w) where |u| < w, else c. SpikingJelly's `PiecewiseLeakyReLU`; Yin et al. 2017, Huh & Sejnowski 2018. Default: w 1, c 0.01, which may be 0. */
export const piecewiseLeakyRelu = (options: { w?: number; c?: number } = {}): Surrogate => withOptions("piecewiseLeakyRelu", options, { w: 1, c: 0.01 },
  (u, { w, c }) => where(less(abs(u), w), 1 / (2 * w), c), { c: notNegative });

/** Derivative 1. snnTorch's `straight_through_estimator`, SpikingJelly's `DeterministicPass`; Bengio et al. 2013. */
export const straightThrough = (options: Record<never, never> = {}): Surrogate => withOptions("straightThrough", options, {}, () => constant(1));

/** Derivative slope·e^(−beta·|u − 1|), highest at u = 1. snnTorch's `spike_rate_escape`; Gerstner & Kistler 2002. Default: beta 1, slope 25. */
export const spikeRateEscape = (options: { beta?: number; slope?: number } = {}): Surrogate => withOptions("spikeRateEscape", options, { beta: 1, slope: 25 },
  (u, { beta, slope }) => exp(abs(u.sub(1)).mul(-beta)).mul(slope));

/** Derivative α·σ(αu)·(1 − σ(αu)) where u < 0, else β/(u + 1). SpikingJelly's `S2NN`; Suetake et al. 2022. Default: alpha 4, beta 1. */
export const s2nn = (options: { alpha?: number; beta?: number } = {}): Surrogate => withOptions("s2nn", options, { alpha: 4, beta: 1 }, (u, { alpha, beta }) => {
  const s = sigmoidOf(u.mul(alpha));
  return where(less(u, 0), constant(1).sub(s).mul(s).mul(alpha), constant(beta).div(u.add(1)));
});

/**
 * A Gaussian with negative flanks: derivative gamma·((1 + height)·N(u; 0, sigma) − height·N(u; sigma, scale·sigma) − height·N(u; −sigma, scale·sigma)), N being the
 * normal density. Yin, Corradi & Bohté, Nature Machine Intelligence 2021. Default, theirs: sigma 0.5, height 0.15, scale 6, gamma 0.5; height may be 0.
 */
export const multiGaussian = (options: { sigma?: number; height?: number; scale?: number; gamma?: number } = {}): Surrogate =>
  withOptions("multiGaussian", options, { sigma: 0.5, height: 0.15, scale: 6, gamma: 0.5 }, (u, { sigma, height, scale, gamma }) => {
    const normal = (x: Expr, deviation: number): Expr => exp(square(x).mul(-1 / (2 * deviation * deviation))).div(deviation * Math.sqrt(2 * Math.PI));
    const flanks = normal(u.sub(sigma), scale * sigma).add(normal(u.add(sigma), scale * sigma));
    return normal(u, sigma).mul(1 + height).sub(flanks.mul(height)).mul(gamma);
  }, { height: notNegative });

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
