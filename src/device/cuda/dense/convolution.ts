import { DeviceError } from "../../../errors.ts";
import type { DenseMath } from "../../device.ts";
import type { DenseLauncher } from "./work.ts";

export function convolutionMath({ context }: DenseLauncher): Pick<DenseMath, "conv2d" | "conv2dBackward"> {
  const refuse = (): never => { throw new DeviceError(`${context.device.name}: convolutions are not built for cuda yet.`); };
  return { conv2d: refuse, conv2dBackward: refuse };
}
