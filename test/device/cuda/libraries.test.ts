import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Koffi, loadDriver, loadKoffi, loadNvrtc, nvrtcPaths, standInPath, type Surroundings } from "../../../src/device/cuda/libraries.ts";
import { DeviceError } from "../../../src/errors.ts";

vi.mock("koffi", () => { throw new Error("Cannot find package 'koffi'"); });

let root: string;
let where: Surroundings;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "spikefold-"));
  where = { env: {}, home: join(root, "home/me"), root };
});
afterEach(() => rmSync(root, { recursive: true }));

function place(...paths: string[]): string[] {
  return paths.map((path) => {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, "");
    return file;
  });
}

/** A loader to which only these libraries exist. */
const loaderOf = (...present: string[]): Koffi => ({
  load(path: string) {
    if (present.includes(path)) return { path };
    throw new Error("cannot open shared object file");
  },
}) as never;

describe("the search for NVRTC", () => {
  it("asks the loader first, and takes the newest major first", () => {
    expect(nvrtcPaths([13, 12], where)).toEqual(["libnvrtc.so.13", "libnvrtc.so.12"]);
  });

  it.each([
    "usr/local/cuda/lib64/libnvrtc.so.12",
    "usr/local/cuda-12.8/targets/x86_64-linux/lib/libnvrtc.so.12",
    "home/me/.local/lib/python3.12/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12",
    "usr/lib/python3/dist-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12",
    "usr/local/lib/python3.10/dist-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12",
    "usr/local/lib/python3.10/site-packages/nvidia/cu13/lib/libnvrtc.so.13",
  ])("finds %s", (path) => {
    const [file] = place(path);
    expect(nvrtcPaths([13, 12], where)).toContain(file);
  });

  it.each([
    ["CUDA_HOME", "lib64/libnvrtc.so.13"], ["CUDA_PATH", "lib64/libnvrtc.so.13"], ["CONDA_PREFIX", "lib/libnvrtc.so.13"],
    ["VIRTUAL_ENV", "lib/python3.11/site-packages/nvidia/cu13/lib/libnvrtc.so.13"],
  ])("finds what %s names", (variable, path) => {
    const [file] = place(`given/${path}`);
    expect(nvrtcPaths([13, 12], where)).not.toContain(file);
    expect(nvrtcPaths([13, 12], { ...where, env: { [variable]: join(root, "given") } })).toContain(file);
  });

  it("prefers newer toolkits and newer Pythons", () => {
    const [old, recent] = place("usr/local/cuda-12.9/lib64/libnvrtc.so.12", "usr/local/cuda-12.10/lib64/libnvrtc.so.12");
    const found = nvrtcPaths([12], where);
    expect(found.indexOf(recent)).toBeLessThan(found.indexOf(old));
  });

  it("takes no major that is newer than the driver", () => {
    const [twelve, thirteen] = place("usr/local/cuda-12.9/lib64/libnvrtc.so.12", "usr/local/cuda-13.0/lib64/libnvrtc.so.13");
    expect(loadNvrtc(loaderOf(twelve, thirteen), 13, where)).toEqual({ path: thirteen });
    expect(loadNvrtc(loaderOf(twelve, thirteen), 12, where)).toEqual({ path: twelve });
    expect(() => loadNvrtc(loaderOf(thirteen), 12, where)).toThrow(/driver is for CUDA 12, too old for .*cuda-13\.0.*Update.*pip install nvidia-cuda-nvrtc-cu12/);
  });

  it("says what was tried and what to install", () => {
    const [broken] = place("usr/local/cuda/lib64/libnvrtc.so.13");
    const search = () => loadNvrtc(loaderOf(), 13, where);
    expect(search).toThrow(DeviceError);
    expect(search).toThrow(/pip install nvidia-cuda-nvrtc,.*CUDA_HOME.*LD_LIBRARY_PATH.*Tried:\n {2}libnvrtc\.so\.13: cannot open/);
    expect(search).toThrow(`${broken}: cannot open shared object file`);
  });
});

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
