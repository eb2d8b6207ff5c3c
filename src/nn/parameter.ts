import type { Tensor } from "../device/device.ts";
import { type BuildContext, type Buffer, joinPath, type Parameter } from "./layer.ts";
import type { Shape } from "./variable.ts";

/** A parameter uniform in ±bound, drawn from the stream that its name forks. */
export function uniformParameter({ device, random, path }: BuildContext, name: string, shape: Shape, bound: number, decay: boolean): Parameter {
  const data = new Float32Array(shape.reduce((product, length) => product * length, 1));
  const fullName = joinPath(path, name);
  random.fork(fullName).uniformInto(data, -bound, bound);
  return { name: fullName, value: device.tensor(data, shape), gradient: null, decay };
}

/** A parameter that starts with one value everywhere; weight decay does not apply. */
export const constantParameter = (context: BuildContext, name: string, length: number, value: number): Parameter => ({
  ...constantBuffer(context, name, length, value), gradient: null, decay: false,
});

export const constantBuffer = ({ device, path }: BuildContext, name: string, length: number, value: number): Buffer => ({
  name: joinPath(path, name), value: device.tensor(new Float32Array(length).fill(value), [length]),
});

/** Adds to a parameter's gradient; the tensor is taken over. */
export function accumulate(parameter: Parameter, gradient: Tensor): void {
  if (!parameter.gradient) {
    parameter.gradient = gradient;
    return;
  }
  gradient.device.dense.addInto(parameter.gradient, gradient, 1);
  gradient.dispose();
}

/** Frees the gradients, so that the next backward pass starts from none. */
export function clearGradients(parameters: readonly Parameter[]): void {
  for (const parameter of parameters) {
    parameter.gradient?.dispose();
    parameter.gradient = null;
  }
}
