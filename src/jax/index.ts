export { liftStep, toJax, type Values } from "./lift.ts";
