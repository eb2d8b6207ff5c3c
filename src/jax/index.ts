export { fusedJax } from "../device/jax/fused.ts";
export type { FusedGradient, FusedJax, FusedJaxOptions, FusedRun, FusedRunOptions, Pullback } from "../device/jax/fused.ts";
export { liftStep, toJax, type Value, type Values } from "../device/jax/lift.ts";
export type { JaxDevice } from "../device/jax/stepwise.ts";
