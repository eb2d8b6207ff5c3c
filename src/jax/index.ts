export { liftStep, toJax, type Values } from "../device/jax/lift.ts";
