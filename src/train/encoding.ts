import { func, kind, show } from "../check.ts";
import type { Encoded, Encoder } from "../data/encode.ts";
import type { Random } from "../data/random.ts";
import { isSpikeEncoder } from "../data/spikeEncoder.ts";
import type { Tensor } from "../device/device.ts";
import { OptionError } from "../errors.ts";
import type { Model } from "../nn/model.ts";
import { describeFault } from "./finite.ts";

/** Makes the encoder of one batch; `constant`, `poissonRate` and `latency` are such makers. */
export type EncoderMaker = (options: { steps: number; random: Random }) => Encoder;

export const encoderKind = kind("an encoder: encode.constant, encode.poissonRate, or a function of { steps, random } that returns one", func.accepts);

/** Encodes a batch of images as `encodeInput` does and uploads it. */
export function encodeBatch(model: Model, encoder: EncoderMaker, random: Random, inputs: Float32Array, size: number): Tensor {
  const { data, shape } = encodeInput(model, encoder, random, inputs, size);
  return model.device.tensor(data, shape);
}

/**
 * Encodes a batch of images in the shape that the model takes, [T, B, ...] or [1, B, ...].
 * @throws OptionError, naming the encoder, if it returns other than finite values of that shape.
 */
export function encodeInput({ inputShape, steps }: Model, encoder: EncoderMaker, random: Random, inputs: Float32Array, size: number): Encoded {
  const encode: unknown = encoder({ steps, random });
  const fail = (problem: string): never => {
    throw new OptionError(`encoder ${encoder.name || "without a name"} ${problem}`);
  };
  if (typeof encode !== "function") return fail(`returned ${show(encode)}: expected a function of (data, shape) that returns { data, shape }`);
  const { data, shape } = Object((encode as Encoder)(inputs, [size, ...inputShape])) as Partial<Encoded>;
  const expected = [size, ...inputShape].join(", ");
  const fits = Array.isArray(shape) && (shape[0] === steps || shape[0] === 1) && shape.slice(1).join(", ") === expected;
  if (!fits) return fail(`gave an input of shape ${show(shape)}: expected [${steps}, ${expected}], or [1, ${expected}] that holds at all steps`);
  if (!(data instanceof Float32Array) || data.length !== shape.reduce((product, length) => product * length, 1)) return fail(`gave data ${show(data)}: expected a Float32Array of shape [${shape.join(", ")}]`);
  // The loader's inputs are finite.
  const fault = data === inputs || isSpikeEncoder(encode as Encoder) ? undefined : describeFault("its input", data, shape);
  return fault === undefined ? { data, shape } : fail(`gave what is not finite: ${fault}`);
}
