import { firstNotFinite, positionOf } from "../data/finite.ts";
import type { Tensor } from "../device/device.ts";
import type { Parameter } from "../nn/layer.ts";
import { leaves, type Model } from "../nn/model.ts";
import { TrainingError } from "./error.ts";

/** "0.weight[3, 41] is NaN", or undefined if all values are finite. */
export function describeFault(name: string, data: Float32Array, shape: readonly number[]): string | undefined {
  const at = firstNotFinite(data);
  return at < 0 ? undefined : `${name}[${positionOf(at, shape).join(", ")}] is ${data[at]}`;
}

/** Looks through tensors by name, in their order. */
async function findFault(tensors: Iterable<readonly [string, Tensor]>): Promise<string | undefined> {
  for (const [name, tensor] of tensors) {
    const fault = describeFault(name, (await tensor.device.read(tensor)) as Float32Array, tensor.shape);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/**
 * Σ of the squares of all weights: finite, unless a weight is not or is beyond about 1e19. It is computed on the device after each update and read
 * with the loss; only where it is not finite are the weights themselves looked at.
 */
export const sumOfWeights = (parameters: readonly Parameter[]): Tensor => parameters[0].value.device.dense.sumOfSquares(...parameters.map(({ value }) => value));

/**
 * @param when what the error begins with: "evaluate"
 * @throws TrainingError naming the first of the tensors with a value that is not finite.
 */
export async function requireFinite(tensors: Readonly<Record<string, Tensor>>, when: string): Promise<void> {
  const all = Object.values(tensors);
  if (all.length === 0) return;
  const { device } = all[0];
  using squares = device.dense.sumOfSquares(...all);
  if (Number.isFinite((await device.read(squares))[0])) return;
  const fault = await findFault(Object.entries(tensors));
  if (fault !== undefined) throw new TrainingError(`${when}: ${fault}: expected finite values. ${DIVERGED}`);
}

export const DIVERGED = "Where training diverges, a smaller learning rate, a warm-up or clipNorm: 1 usually helps.";

/**
 * Says why the weights are no longer finite after an update, from its gradients, which must still be there. NaN spreads on its way back through the
 * network: the last layer that has it is the nearest to its origin.
 */
export async function explainWeights(model: Model, update: number): Promise<TrainingError> {
  const parameters = model.parameters();
  const named = ({ name }: Parameter, of = "") => `${of}${name} of ${layerOf(model, name)}`;
  const gradients = parameters.toReversed().flatMap((parameter) => (parameter.gradient ? [[named(parameter, "the gradient of "), parameter.gradient] as const] : []));
  const ofGradient = await findFault(gradients);
  if (ofGradient !== undefined) {
    return new TrainingError(
      `update ${update}: ${ofGradient}. A function of a neuron or a loss that has no derivative somewhere does that (sqrt or log at 0, a division by 0: ` +
        `add a small number inside, sqrt(x.mul(x).add(1e-6))), and so does training that diverges: a smaller learning rate, a warm-up or clipNorm: 1 usually helps. The last checkpoint is intact.`,
    );
  }
  const ofWeight = await findFault(parameters.map((parameter) => [named(parameter), parameter.value] as const));
  return new TrainingError(`update ${update}: ${ofWeight ?? "weights are beyond 1e19"}, from gradients that are finite: the learning rate is too large for them. ${DIVERGED} The last checkpoint is intact.`);
}

const layerOf = (model: Model, parameter: string): string =>
  leaves(model.body).find((layer) => layer.parameters().some(({ name }) => name === parameter))?.name ?? "the model";
