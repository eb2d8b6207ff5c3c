export * from "./flips.ts";
export * from "./noise.ts";
export * from "./space.ts";
export * from "./time.ts";
export { compose, namedTransform } from "./transform.ts";
