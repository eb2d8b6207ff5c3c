import { describe, expect, it, vi } from "vitest";
import { type Koffi, loadDriver, loadKoffi, standInPath, type Surroundings } from "../../../src/device/cuda/libraries.ts";
import { DeviceError } from "../../../src/errors.ts";

vi.mock("koffi", () => { throw new Error("Cannot find package 'koffi'"); });

const where: Surroundings = { env: {}, home: "/home/me", root: "" };

/** A loader to which only these libraries exist. */
const loaderOf = (...present: string[]): Koffi => ({
  load(path: string) {
    if (present.includes(path)) return { path };
    throw new Error("cannot open shared object file");
  },
}) as never;

it("says that koffi is to be installed where it is not", async () => {
  await expect(loadKoffi()).rejects.toThrow(DeviceError);
  await expect(loadKoffi()).rejects.toThrow(/needs the package koffi.*npm install koffi/);
});

describe("the driver", () => {
  it("is an error where there is none", () => {
    expect(() => loadDriver(loaderOf(), where)).toThrow(/no NVIDIA driver here.*--gpus all.*\n {2}libcuda\.so\.1/);
  });

  it("is found where Windows keeps it for Linux", () => {
    expect(loadDriver(loaderOf("/usr/lib/wsl/lib/libcuda.so.1"), where)).toEqual({ path: "/usr/lib/wsl/lib/libcuda.so.1" });
  });
});

describe("the stand-in", () => {
  it("is out of reach unless both variables are set", () => {
    expect(standInPath({ ...where, env: { SPIKEFOLD_CUDA_STAND_IN: "/lib.so" } })).toBeNull();
    expect(standInPath({ ...where, env: { SPIKEFOLD_TEST: "1" } })).toBeNull();
    expect(standInPath({ ...where, env: { SPIKEFOLD_TEST: "0", SPIKEFOLD_CUDA_STAND_IN: "/lib.so" } })).toBeNull();
    expect(standInPath({ ...where, env: { SPIKEFOLD_TEST: "1", SPIKEFOLD_CUDA_STAND_IN: "/lib.so" } })).toBe("/lib.so");
    expect(() => loadDriver(loaderOf("/lib.so"), { ...where, env: { SPIKEFOLD_CUDA_STAND_IN: "/lib.so" } })).toThrow(DeviceError);
  });
});
