export { devices, openDevice } from "./open.ts";
export type { DeviceOptions } from "./open.ts";
export type {
  Allocation, CaptureOptions, DType, DenseMath, Device, DeviceListing, FusedKernel, Graph, Launch, Precision, Tensor, TimeShare, TypedArray, Window2d, Workspace,
} from "./device.ts";
export { gradient, simulate } from "./simulate.ts";
export type { NeuronGradient } from "./simulate.ts";
export type { ParameterValue, RunOptions, SimulateOptions, Simulation } from "./run.ts";
