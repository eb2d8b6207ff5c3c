/// <reference lib="esnext.disposable" preserve="true" />
/// <reference lib="esnext.float16" preserve="true" />
/**
 * Neurons in programs of jax-js: lifted to its functions, or fused on its arrays.
 * @module spikefold/jax
 */
export { fusedJax } from "../device/jax/fused.ts";
export type { FusedGradient, FusedJax, FusedJaxOptions, FusedRun, FusedRunOptions, Pullback } from "../device/jax/fused.ts";
export { liftStep, toJax, type ToJaxOptions, type Value, type Values } from "../device/jax/lift.ts";
export type { JaxDevice } from "../device/jax/stepwise.ts";

declare global {
  // jax-js's declarations speak of these, which TypeScript does not know without @webgpu/types. With it, they are its own.
  interface GPUDevice {}
  interface GPUBuffer {}
}
