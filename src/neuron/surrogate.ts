import { NeuronError } from "../errors.ts";
import { known } from "./options.ts";
import { abs, constant, type Expr, exp, less, maximum, sigmoid as sigmoidOf, square, where } from "./expr.ts";

/** The derivative that stands in for that of the spike's step function. */
export interface Surrogate {
  readonly name: string;
  readonly options: Readonly<Record<string, number>>;
  /** dS/du as an expression of u = membrane − threshold. */
  derivative(u: Expr): Expr;
}

const positive = (surrogate: string, options: Record<string, number>): Record<string, number> => {
  for (const [name, value] of Object.entries(options)) {
    if (!(value > 0 && Number.isFinite(value))) throw new NeuronError(`surrogate.${surrogate}: ${name} must be a positive number, got ${value}`);
  }
  return options;
};

/** σ(αu): derivative α·σ(αu)·(1 − σ(αu)). SpikingJelly's `Sigmoid` (its α is 4) and snnTorch's `sigmoid` (slope 25). */
export function sigmoid(options: { alpha?: number } = {}): Surrogate {
  known("surrogate.sigmoid", options, ["alpha"]);
  const { alpha = 4 } = options;
  return {
    name: "sigmoid", options: positive("sigmoid", { alpha }),
    derivative(u) {
      const s = sigmoidOf(u.mul(alpha));
      return constant(1).sub(s).mul(s).mul(alpha);
    },
  };
}

/** arctan: derivative (α/2) / (1 + (πuα/2)²). SpikingJelly's `ATan` and snnTorch's `atan` (both α = 2). Fang et al., ICCV 2021. */
export function atan(options: { alpha?: number } = {}): Surrogate {
  known("surrogate.atan", options, ["alpha"]);
  const { alpha = 2 } = options;
  return {
    name: "atan", options: positive("atan", { alpha }),
    derivative: (u) => constant(alpha / 2).div(square(u.mul((Math.PI / 2) * alpha)).add(1)),
  };
}

/** Fast sigmoid: derivative 1 / (1 + slope·|u|)². snnTorch's `fast_sigmoid`; Zenke & Ganguli 2018 (SuperSpike). */
export function fastSigmoid(options: { slope?: number } = {}): Surrogate {
  known("surrogate.fastSigmoid", options, ["slope"]);
  const { slope = 25 } = options;
  return {
    name: "fastSigmoid", options: positive("fastSigmoid", { slope }),
    derivative: (u) => constant(1).div(square(abs(u).mul(slope).add(1))),
  };
}

/** A box of area 1: 1/width where |u| < width/2. Wu et al. 2018 (STBP). */
export function rectangular(options: { width?: number } = {}): Surrogate {
  known("surrogate.rectangular", options, ["width"]);
  const { width = 1 } = options;
  return {
    name: "rectangular", options: positive("rectangular", { width }),
    derivative: (u) => where(less(abs(u), width / 2), 1 / width, 0),
  };
}

/** A triangle of height 1 (times `scale`) and half-width 1/slope: scale · max(0, 1 − slope·|u|). Bellec et al. 2018 use scale 0.3. */
export function triangular(options: { slope?: number; scale?: number } = {}): Surrogate {
  known("surrogate.triangular", options, ["slope", "scale"]);
  const { slope = 1, scale = 1 } = options;
  return {
    name: "triangular", options: positive("triangular", { slope, scale }),
    derivative: (u) => maximum(constant(1).sub(abs(u).mul(slope)), 0).mul(scale),
  };
}

/** Derivative α − α²|u| where |u| < 1/α, else 0. SpikingJelly's `PiecewiseQuadratic`; Neftci et al. 2019. */
export function piecewiseQuadratic(options: { alpha?: number } = {}): Surrogate {
  known("surrogate.piecewiseQuadratic", options, ["alpha"]);
  const { alpha = 1 } = options;
  return {
    name: "piecewiseQuadratic", options: positive("piecewiseQuadratic", { alpha }),
    derivative: (u) => maximum(constant(alpha).sub(abs(u).mul(alpha * alpha)), 0),
  };
}

/** ½·erfc(−αu): derivative (α/√π)·e^(−α²u²). SpikingJelly's `Erf` (α = 2). */
export function erf(options: { alpha?: number } = {}): Surrogate {
  known("surrogate.erf", options, ["alpha"]);
  const { alpha = 2 } = options;
  return {
    name: "erf", options: positive("erf", { alpha }),
    derivative: (u) => exp(square(u).mul(-alpha * alpha)).mul(alpha / Math.sqrt(Math.PI)),
  };
}

/** Any derivative, written in the expression language. */
export const custom = (derivative: (u: Expr) => Expr, name = "custom"): Surrogate => ({ name, options: {}, derivative });
