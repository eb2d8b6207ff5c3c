import { checkArgument, oneOf } from "../../check.ts";
import { DeviceError } from "../../errors.ts";
import { type DenseMath, type Device, PRECISIONS, type Precision, type Tensor } from "../device.ts";
import { requireBits, requireElements } from "./shapes.ts";

const precisionKind = oneOf(...PRECISIONS);
const castKind = oneOf("f32", "bf16");

/** @throws OptionError for what is no precision. */
export const checkPrecision = (device: Device, precision: Precision): void => checkArgument(`${device.name}: denseFor`, "precision", precision, precisionKind);

/** @throws DeviceError for any precision but float32. */
export function requireFloat32(device: Device, precision: Precision): void {
  checkPrecision(device, precision);
  if (precision !== "float32") throw new DeviceError(`${device.name} computes in float32 only, ${precision} was asked for; tf32 and bfloat16 are precisions of the device "cuda".`);
}

/** @throws OptionError for what no tensor can be cast to. */
export function checkCast(x: Tensor, dtype: "f32" | "bf16"): void {
  requireElements("cast", "x", x);
  checkArgument("cast", "dtype", dtype, castKind);
}

/** @throws ShapeError unless `bits` are those of a tensor of that shape, OptionError for another type. */
export function checkUnpack(bits: Tensor, shape: readonly number[], dtype: "f32" | "bf16"): void {
  requireBits("unpackSpikes", bits, shape);
  checkArgument("unpackSpikes", "dtype", dtype, castKind);
}

/** @throws DeviceError, on a device that has f32 only, for another type; else as `checkUnpack` does. */
export function requireUnpack(device: Device, bits: Tensor, shape: readonly number[], dtype: "f32" | "bf16"): void {
  checkUnpack(bits, shape, dtype);
  if (dtype !== "f32") throw new DeviceError(`${device.name} computes in float32 only, spikes of ${dtype} were asked for; bfloat16 is a precision of the device "cuda".`);
}

/** Of a device that has f32 only. */
export const float32Cast = (device: Device): Pick<DenseMath, "cast"> => ({
  cast(x, dtype) {
    checkCast(x, dtype);
    if (dtype !== "f32") throw new DeviceError(`${device.name} computes in float32 only, a cast to ${dtype} was asked for; bfloat16 is a precision of the device "cuda".`);
    const copy = device.empty(x.shape);
    device.copy(x, copy);
    return copy;
  },
});
