import { either, notNegative, oneOf } from "../check.ts";
import { elements } from "./axes.ts";
import type { BuildContext, Parameter } from "./layer.ts";
import { constantParameter, normalParameter, uniformParameter } from "./parameter.ts";
import type { Shape } from "./variable.ts";

/**
 * How weights start. "uniform": in ±1/√fan-in, biases too, as PyTorch's layers do. Otherwise biases start at 0 and weights are normal: with the standard
 * deviation given as a number, or √(2/fan), where the fan is all inputs of an output ("kaimingFanIn") or all outputs of an input ("kaimingFanOut"): He et al., ICCV 2015.
 */
export type Init = "uniform" | "kaimingFanIn" | "kaimingFanOut" | number;

export const initKind = either(oneOf("uniform", "kaimingFanIn", "kaimingFanOut"), notNegative);

/** The weight [..., inputs, outputs] and, if wanted, the bias [outputs] of a layer. */
export function initialParameters(context: BuildContext, shape: Shape, hasBias: boolean, init: Init = "uniform"): Parameter[] {
  const [inputs, outputs] = shape.slice(-2);
  const fanIn = elements(shape) / outputs;
  const fanOut = elements(shape) / inputs;
  if (init === "uniform") {
    const bound = 1 / Math.sqrt(fanIn);
    const weight = uniformParameter(context, "weight", shape, bound, true);
    return hasBias ? [weight, uniformParameter(context, "bias", [outputs], bound, false)] : [weight];
  }
  const deviation = typeof init === "number" ? init : Math.sqrt(2 / (init === "kaimingFanIn" ? fanIn : fanOut));
  const weight = normalParameter(context, "weight", shape, deviation, true);
  return hasBias ? [weight, constantParameter(context, "bias", outputs, 0)] : [weight];
}
