export { devices, openDevice } from "./open.ts";
export type { DeviceListing, DeviceOptions } from "./open.ts";
export type {
  DType, DenseMath, Device, FusedKernel, Launch, Tensor, TimeShare, TypedArray, Window2d,
} from "./device.ts";
