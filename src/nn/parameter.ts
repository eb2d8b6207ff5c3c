import { checkArgument, checkOptions, flag, integer, kind, listOf, notNegative, text } from "../check.ts";
import type { Random } from "../data/random.ts";
import { type Tensor, tensorKind } from "../device/device.ts";
import { elements } from "./axes.ts";
import { type BuildContext, type Buffer, contextKinds, joinPath, type Parameter, parameterKind } from "./layer.ts";
import { type Shape, shapeKind } from "./variable.ts";

/** A neuron's parameter may be infinite: a threshold that is never reached. */
const number = kind("a number", (x) => typeof x === "number" && !Number.isNaN(x));

/** A parameter uniform in ±bound, drawn from the stream that its name forks. */
export function uniformParameter(context: BuildContext, name: string, shape: Shape, bound: number, decay: boolean): Parameter {
  checkArgument("uniformParameter", "bound", bound, notNegative);
  return drawnParameter("uniformParameter", context, name, shape, decay, (random, data) => random.uniformInto(data, -bound, bound));
}

/** A parameter normally distributed with mean 0 and that standard deviation, drawn from the stream that its name forks. */
export function normalParameter(context: BuildContext, name: string, shape: Shape, deviation: number, decay: boolean): Parameter {
  checkArgument("normalParameter", "deviation", deviation, notNegative);
  return drawnParameter("normalParameter", context, name, shape, decay, (random, data) => random.normalInto(data, 0, deviation));
}

function drawnParameter(what: string, context: BuildContext, name: string, shape: Shape, decay: boolean, draw: (random: Random, data: Float32Array) => void): Parameter {
  checkOptions(`${what}: context`, context, contextKinds);
  checkArgument(what, "name", name, text);
  checkArgument(what, "shape", shape, shapeKind);
  checkArgument(what, "decay", decay, flag);
  const { device, random, path } = context;
  const data = new Float32Array(elements(shape));
  const fullName = joinPath(path, name);
  draw(random.fork(fullName), data);
  return { name: fullName, value: device.tensor(data, shape), gradient: null, decay };
}

/** A parameter [length] that starts with one value everywhere; weight decay does not apply. */
export const constantParameter = (context: BuildContext, name: string, length: number, value: number): Parameter => ({
  ...constantBuffer(context, name, length, value), gradient: null, decay: false,
});

/** A buffer [length] that starts with one value everywhere. */
export function constantBuffer(context: BuildContext, name: string, length: number, value: number): Buffer {
  checkOptions("constantBuffer: context", context, contextKinds);
  checkArgument("constantBuffer", "name", name, text);
  checkArgument("constantBuffer", "length", length, integer(1));
  checkArgument("constantBuffer", "value", value, number);
  const { device, path } = context;
  return { name: joinPath(path, name), value: device.tensor(new Float32Array(length).fill(value), [length]) };
}

/** Adds to a parameter's gradient; the tensor is taken over. */
export function accumulate(parameter: Parameter, gradient: Tensor): void {
  checkArgument("accumulateGradient", "parameter", parameter, parameterKind);
  checkArgument("accumulateGradient", "gradient", gradient, tensorKind);
  if (!parameter.gradient) {
    parameter.gradient = gradient;
    return;
  }
  gradient.device.dense.addInto(parameter.gradient, gradient, 1);
  gradient.dispose();
}

/** Frees the gradients, so that the next backward pass starts from none. */
export function clearGradients(parameters: readonly Parameter[]): void {
  checkArgument("clearGradients", "parameters", parameters, listOf(parameterKind));
  for (const parameter of parameters) {
    parameter.gradient?.dispose();
    parameter.gradient = null;
  }
}
