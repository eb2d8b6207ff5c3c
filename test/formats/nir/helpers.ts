import { Tape, type Model } from "../../../src/nn/index.ts";

/** Values [T][B][C, ...rest] of samples as NIR has them → [T, B, ...rest, C] as ours. */
export function channelsLast(values: Float32Array, [channels, ...rest]: readonly number[]): Float32Array {
  const places = rest.reduce((a, b) => a * b, 1);
  const size = channels * places;
  return values.map((_, at) => {
    const [sample, j] = [Math.floor(at / size), at % size];
    return values[sample * size + (j % channels) * places + Math.floor(j / channels)];
  });
}

/** What a model puts out: [T, B, ...], or [B, ...]. */
export async function run(model: Model, steps: number, batch: number, input: Float32Array): Promise<Float32Array> {
  using x = model.device.tensor(input, [steps, batch, ...model.inputShape]);
  using tape = new Tape(model.device, { steps, training: false });
  const { value } = model.forward(tape, tape.input(x));
  return Float32Array.from(await model.device.read(value));
}
