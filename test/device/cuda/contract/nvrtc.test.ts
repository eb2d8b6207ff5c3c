import { expect, it } from "vitest";
import { cudaModule } from "../../../../src/codegen/cuda/emit.ts";
import { densePrelude } from "../../../../src/device/cuda/dense/kernel.ts";
import { denseKernels } from "../../../../src/device/cuda/dense/math.ts";
import { Nvrtc } from "../../../../src/device/cuda/nvrtc.ts";
import { shapeOf } from "../../../../src/device/cuda/shape.ts";
import { plan } from "../../../../src/fusion/plan.ts";
import { DeviceError } from "../../../../src/errors.ts";
import { conformanceCases } from "../../../conformance/cases.ts";
import { sample } from "../../../sample.ts";
import { describeWithWheels, withoutDevice } from "./wheels.ts";

const architectures = ["sm_75", "sm_80", "sm_90", "sm_100", "sm_120"];
const example = 'extern "C" __global__ void k(float* x) { x[threadIdx.x] = expf(x[threadIdx.x]); }';
const text = (image: Uint8Array): string => Buffer.from(image).toString("latin1");

/** Each kernel for one architecture, another one with another seed: all for all take a quarter of an hour, and SPIKEFOLD_TEST_ARCHITECTURES=all takes it. */
function shareOf<K>(all: readonly K[], architecture: string): readonly K[] {
  if (process.env.SPIKEFOLD_TEST_ARCHITECTURES === "all") return all;
  const turn = Number(process.env.SPIKEFOLD_TEST_SEED ?? 0) + architectures.indexOf(architecture);
  return all.filter((_, i) => (i + turn) % architectures.length === 0);
}

/** What a launch of each case compiles, and what one of many neurons does. */
function* kernels(): Iterable<{ group: string; name: string; source: string }> {
  const seen = new Set<string>();
  for (const { group, request, size, channels } of conformanceCases({ elements: ["bf16", "f16"], lengths: [33, 100] })) {
    const plans = plan(request);
    for (const direction of plans.backward ? (["forward", "backward"] as const) : (["forward"] as const)) {
      for (const population of [size, 2 ** 20]) {
        const samples = plans.mix ? { size: Math.ceil(population / channels) * channels, channels } : { size: population, channels: population };
        const source = cudaModule(plans, shapeOf(plans, direction, samples.size, plans.steps, 132, samples.channels), [direction]);
        if (!seen.has(source)) yield { group, name: `${request.neuron.name}.${direction}`, source };
        seen.add(source);
      }
    }
  }
}

describeWithWheels("NVRTC of NVIDIA's wheel", () => {
  const driver = withoutDevice();
  let found: Nvrtc | undefined;
  const nvrtc = () => (found ??= new Nvrtc(driver));

  it("is found in the active environment and compiles, though the wheel has no path to its builtins", () => {
    expect(nvrtc().path).toContain(driver.where.env.VIRTUAL_ENV);
    expect(nvrtc().version).toMatch(/^13\.\d+$/);
    expect(text(nvrtc().compile("k", example, { architecture: "sm_90", fmad: false }).subarray(0, 4))).toBe("\x7fELF");
  });

  it("gives PTX of the newest architecture that it knows for one that it does not", () => {
    const ptx = text(nvrtc().compile("k", example, { architecture: "sm_990", fmad: false }));
    expect(ptx).toMatch(/\.version [\d.]+\s+\.target sm_12\d\b/);
    expect(ptx.at(-1)).toBe("\0");
    expect(text(nvrtc().compile("k", example, { architecture: "sm_87", fmad: false }).subarray(0, 4))).toBe("\x7fELF");
  });

  it("says what to install for an architecture that it no longer knows", () => {
    const compile = () => nvrtc().compile("k", example, { architecture: "sm_60", fmad: false });
    expect(compile).toThrow(DeviceError);
    expect(compile).toThrow(/NVRTC 13\.\d+ no longer compiles for this device, sm_60.*pip install nvidia-cuda-nvrtc-cu12/);
  });

  it("says what is wrong with a source", () => {
    expect(() => nvrtc().compile("bad", "__device__ int x = ;", { architecture: "sm_90", fmad: false })).toThrow(/the kernel bad does not compile .*sm_90.*\n.*bad\.cu\(1\): error: expected an expression/);
  });

  it.each(sample(architectures, 1))("compiles the kernels of dense math for %s", (architecture) => {
    const mine = shareOf(denseKernels(), architecture);
    const image = text(nvrtc().compile("dense", [densePrelude, ...mine.map(({ source }) => source)].join("\n"), { architecture, fmad: false }));
    expect(mine.filter(({ name }) => !image.includes(`.text.${name}`))).toEqual([]);
  }, 240_000);

  it.each(sample(architectures, 2))("compiles the kernels of the conformance suite for %s", (architecture) => {
    const all = [...kernels()];
    expect(all.length).toBeGreaterThan(150);
    const refused = sample(shareOf(all, architecture), 6).flatMap(({ group, name, source }) => {
      try {
        return text(nvrtc().compile(name, source, { architecture, fmad: false }).subarray(0, 4)) === "\x7fELF" ? [] : [`${group}: ${name}: no device code`];
      } catch (error) {
        return [`${group}: ${(error as Error).message}`];
      }
    });
    expect(refused).toEqual([]);
  }, 900_000);
});
