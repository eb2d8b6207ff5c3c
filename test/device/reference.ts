import { expect } from "vitest";
import type { Tensor } from "../../src/device/device.ts";

let state = 1;
/** Uniform in [0, 1), the same sequence in every run. */
const uniform = (): number => (state = (state * 48271) % 2147483647) / 2147483647;

/** Values of both signs, of the order of 1. */
export const normal = (length: number): Float32Array => Float32Array.from({ length }, () => uniform() + uniform() + uniform() - 1.5);

/** Ones with probability `rate`, else zeros. */
export const spikes = (rate: number) => (length: number): Float32Array => Float32Array.from({ length }, () => (uniform() < rate ? 1 : 0));

/** Values like `normal`'s with probability `rate`, else zeros. */
export const sparse = (rate: number) => (length: number): Float32Array => spikes(rate)(length).map((spike) => spike && uniform() - 0.5);

export const size = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1);

export const values = async (tensor: Tensor): Promise<number[]> => Array.from(await tensor.device.read(tensor));

/** Equal to a reference in f64 within `tolerance` of its largest magnitude. */
export async function expectClose(tensor: Tensor | undefined, expected: Float64Array, shape: readonly number[], tolerance = 4e-6): Promise<void> {
  const actual = await values(tensor!);
  expect(tensor!.shape).toEqual(shape);
  const scale = expected.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1);
  const worst = actual.reduce((error, value, i) => Math.max(error, Math.abs(value - expected[i])), 0);
  expect(worst / scale).toBeLessThan(tolerance);
}
