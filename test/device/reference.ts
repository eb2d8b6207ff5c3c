import type { Tensor } from "../../src/device/device.ts";

let state = 1;
/** Uniform in [0, 1), the same sequence in every run. */
const uniform = (): number => (state = (state * 48271) % 2147483647) / 2147483647;

/** Values of both signs, of the order of 1. */
export const normal = (length: number): Float32Array => Float32Array.from({ length }, () => uniform() + uniform() + uniform() - 1.5);

/** Ones with probability `rate`, else zeros. */
export const spikes = (rate: number) => (length: number): Float32Array => Float32Array.from({ length }, () => (uniform() < rate ? 1 : 0));

export const size = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1);

export const values = async (tensor: Tensor): Promise<number[]> => Array.from(await tensor.device.read(tensor));
