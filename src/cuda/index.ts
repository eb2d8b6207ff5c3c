/// <reference lib="esnext.disposable" preserve="true" />
/**
 * The cuda device itself, and graphs of launches.
 * @module spikefold/cuda
 */
export { CudaDevice } from "../device/cuda/device.ts";
export type { CudaOptions } from "../device/cuda/device.ts";
export { captureGraph, type Graph } from "../device/cuda/graph.ts";
