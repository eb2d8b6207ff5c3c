export { devices, openDevice } from "./open.ts";
export type { DeviceListing, DeviceOptions } from "./open.ts";
export type {
  DType, DenseMath, Device, FusedKernel, Launch, Precision, Tensor, TimeShare, TypedArray, Window2d,
} from "./device.ts";
export { gradient, simulate } from "./simulate.ts";
export type { NeuronGradient, ParameterValue, RunOptions, SimulateOptions, Simulation } from "./simulate.ts";
