export { devices, openDevice } from "./open.ts";
export type { DeviceOptions } from "./open.ts";
export type {
  DType, DenseMath, Device, DeviceListing, FusedKernel, Launch, Precision, Tensor, TimeShare, TypedArray, Window2d,
} from "./device.ts";
export { gradient, simulate } from "./simulate.ts";
export type { NeuronGradient } from "./simulate.ts";
export type { ParameterValue, RunOptions, SimulateOptions, Simulation } from "./run.ts";
