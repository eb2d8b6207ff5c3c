import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { standIn } from "./build.ts";
import { address, ILLEGAL_ADDRESS, LAUNCH_FAILED, MISALIGNED_ADDRESS, ok, results, Testbed } from "./testbed.ts";

const library = standIn();
const f32 = (...values: number[]) => Float32Array.from(values);
const i32 = (value: number) => Int32Array.of(value);

const saxpy = `extern "C" __global__ void saxpy(float* __restrict__ y, const float* __restrict__ x, const float a, const int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] += a * x[i];
}`;

describe.skipIf(library === null)("the stand-in for CUDA", () => {
  let bed: Testbed;
  beforeEach(() => { bed = new Testbed(library!); });
  afterEach(() => bed.cuda.reset());

  it("compiles and launches a kernel", () => {
    const kernel = bed.kernel(bed.module(saxpy), "saxpy");
    const x = Float32Array.from({ length: 1000 }, (_, i) => i);
    const at = [bed.upload(new Float32Array(1000).fill(1)), bed.upload(x)];
    ok(kernel(8, 128, [...at.map(address), f32(0.5), i32(1000)]));
    expect(bed.download(at[0], new Float32Array(1000))).toEqual(x.map((value) => 1 + 0.5 * value));
    expect(bed.cuda.launches()).toBe(1);
  });
});
