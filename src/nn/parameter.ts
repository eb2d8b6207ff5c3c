import { checkArgument, checkOptions, flag, integer, kind, listOf, notNegative, text } from "../check.ts";
import { type Tensor, tensorKind } from "../device/device.ts";
import { type BuildContext, type Buffer, contextKinds, joinPath, type Parameter, parameterKind } from "./layer.ts";
import { type Shape, shapeKind } from "./variable.ts";

/** A neuron's parameter may be infinite: a threshold that is never reached. */
const number = kind("a number", (x) => typeof x === "number" && !Number.isNaN(x));

/** A parameter uniform in ±bound, drawn from the stream that its name forks. */
export function uniformParameter(context: BuildContext, name: string, shape: Shape, bound: number, decay: boolean): Parameter {
  checkOptions("uniformParameter: context", context, contextKinds);
  checkArgument("uniformParameter", "name", name, text);
  checkArgument("uniformParameter", "shape", shape, shapeKind);
  checkArgument("uniformParameter", "bound", bound, notNegative);
  checkArgument("uniformParameter", "decay", decay, flag);
  const { device, random, path } = context;
  const data = new Float32Array(shape.reduce((product, length) => product * length, 1));
  const fullName = joinPath(path, name);
  random.fork(fullName).uniformInto(data, -bound, bound);
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
