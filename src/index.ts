/// <reference lib="esnext.disposable" preserve="true" />
export * from "./errors.ts";
export * from "./neuron/index.ts";
export { plan } from "./fusion/plan.ts";
export type { Plan, PlanRequest, SpikeFormat } from "./fusion/plan.ts";
export { describePlan } from "./fusion/print.ts";
export { emitCuda, emitWasm, emitWgsl } from "./codegen/emit.ts";
export type { EmitCudaOptions, EmitWgslOptions, KernelSources } from "./codegen/emit.ts";
export * from "./device/index.ts";
export * from "./nn/index.ts";
export * as encode from "./data/encode.ts";
export { BatchLoader, checkDataset, loadFashionMnist, loadMnist, parseIdx, parseImages, Random } from "./data/index.ts";
export type { Augmentation, Batch, BatchLoaderOptions, ByteDataset, Encoder, ImageArray, ImageDataset, LabelArray, MnistOptions, Normalization, RandomState } from "./data/index.ts";
export * from "./train/index.ts";
