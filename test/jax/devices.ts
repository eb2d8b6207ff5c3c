import { numpy as np } from "@jax-js/jax";
import { expect } from "vitest";
import type { JaxDevice } from "../../src/jax/index.ts";
import { hasWebgpu, needsWebgpu } from "../webgpu.ts";

/** jax-js's devices that run fused kernels, for `describe.skipIf`: name of the tests, device, whether it is there. */
export const jaxDevices: { device: JaxDevice; present: boolean; titled: (name: string) => string }[] = [
  { device: "wasm", present: true, titled: (name) => `${name} on wasm` },
  { device: "webgpu", present: hasWebgpu, titled: (name) => needsWebgpu(`${name} on webgpu`) },
];

/** The contents, which are then gone. */
export const read = async (array: np.Array): Promise<Float32Array> => (await array.data()) as Float32Array;

/** Within `tolerance` of the largest expected value. */
export function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-4): void {
  expect(actual.length).toBe(expected.length);
  const scale = Math.max(1e-6, ...Array.from(expected, Math.abs));
  for (let i = 0; i < expected.length; i++) expect(Math.abs(actual[i] - expected[i])).toBeLessThanOrEqual(tolerance * scale);
}
