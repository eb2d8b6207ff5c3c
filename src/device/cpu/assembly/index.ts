export * from "./memory";
export { multiply } from "./gemm";
export { packPanels } from "./packing";
export { countNonzeros } from "./entries";
export { multiplySparse, multiplySparseTransposed } from "./sparse";
export { affine, channelPartials, mergeMoments, mergeSums, momentPartials } from "./channels";
export { addScaled, multiplyInPlace, repeatLeading, squarePartials, sumLeading, sumPartials } from "./elementwise";
export { crossEntropyRows, squaredErrors } from "./losses";
export { avgPool, avgPoolBackward, maxPool, maxPoolBackward } from "./pooling";
