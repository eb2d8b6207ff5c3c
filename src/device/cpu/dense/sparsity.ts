import type { Tensor } from "../../device.ts";
import type { CpuContext } from "../context.ts";

/** Values that are looked at to estimate a share of nonzeros: so many samples of so many adjoining values. */
const SAMPLES = 64;
const SAMPLE_LENGTH = 4096;

/**
 * The share of nonzeros in `x`: exact up to 262 144 values, else of evenly spaced samples.
 * The choice of an algorithm by it depends on the contents of `x` alone.
 */
export function nonzeroShare(device: CpuContext, x: Tensor, operation: string): number {
  const length = Math.min(SAMPLE_LENGTH, x.size);
  const samples = Math.min(SAMPLES, Math.floor(x.size / length));
  const step = samples === 1 ? 0 : Math.floor((x.size - length) / (samples - 1));
  using counts = device.empty([samples], "i32");
  device.pool.run(device.denseModule, "countNonzeros", samples, 8, [device.ptr(x, operation, "f32"), step * 4, length, device.ptr(counts, operation)]);
  let total = 0;
  for (const count of device.view(counts, operation)) total += count;
  return total / (samples * length);
}
