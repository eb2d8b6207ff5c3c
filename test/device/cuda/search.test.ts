import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Koffi, Surroundings } from "../../../src/device/cuda/libraries.ts";
import { type Candidate, libraries, openLibrary, searchPaths } from "../../../src/device/cuda/search.ts";
import { DeviceError } from "../../../src/errors.ts";

const { cublasLt, cudnn, nvrtc } = libraries;

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

/** A loader to which only these libraries exist, and what it loaded. */
function loaderOf(...present: string[]): Koffi & { loaded: string[] } {
  const loaded: string[] = [];
  return {
    loaded,
    load(path: string) {
      if (!present.includes(path)) throw new Error("cannot open shared object file");
      loaded.push(path);
      return { path };
    },
  } as never;
}

const pathOf = ({ path }: Candidate): string => path;

describe("the search for NVIDIA's libraries", () => {
  it("asks the loader, for the newest major first", () => {
    expect(searchPaths(nvrtc, [13, 12], where)).toEqual(["libnvrtc.so.13", "libnvrtc.so.12"]);
    expect(searchPaths(cublasLt, [13, 12], where)).toEqual(["libcublasLt.so.13", "libcublasLt.so.12"]);
    expect(searchPaths(cudnn, [13, 12], where)).toEqual(["libcudnn.so.9"]);
  });

  it.each([
    [nvrtc, "usr/local/cuda/lib64/libnvrtc.so.12"],
    [nvrtc, "usr/local/cuda-12.8/targets/x86_64-linux/lib/libnvrtc.so.12"],
    [nvrtc, "home/me/.local/lib/python3.12/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12"],
    [nvrtc, "usr/lib/python3/dist-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12"],
    [nvrtc, "usr/local/lib/python3.10/dist-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12"],
    [nvrtc, "usr/local/lib/python3.10/site-packages/nvidia/cu13/lib/libnvrtc.so.13"],
    [cublasLt, "usr/local/lib/python3.10/site-packages/nvidia/cublas/lib/libcublasLt.so.12"],
    [cublasLt, "usr/local/lib/python3.10/site-packages/nvidia/cu13/lib/libcublasLt.so.13"],
    [cudnn, "usr/local/lib/python3.10/site-packages/nvidia/cudnn/lib/libcudnn.so.9"],
    [cudnn, "usr/local/cuda/lib64/libcudnn.so.9"],
  ])("finds %j at %s", (library, path) => {
    const [file] = place(path);
    expect(searchPaths(library, [13, 12], where)).toContain(file);
  });

  it("takes what is named before what is active, that before what the loader knows, and that before what is merely installed", () => {
    const files = place(
      "home/toolkit/lib64/libnvrtc.so.12", "venv/lib/python3.11/site-packages/nvidia/cu13/lib/libnvrtc.so.13", "conda/lib/libnvrtc.so.12",
      "usr/local/cuda/lib64/libnvrtc.so.13", "home/me/.local/lib/python3.12/site-packages/nvidia/cu13/lib/libnvrtc.so.13",
    );
    const env = { CUDA_HOME: join(root, "home/toolkit"), VIRTUAL_ENV: join(root, "venv"), CONDA_PREFIX: join(root, "conda") };
    const found = searchPaths(nvrtc, [13, 12], { ...where, env });
    expect(found).toEqual([...files.slice(0, 3), "libnvrtc.so.13", "libnvrtc.so.12", ...files.slice(3)]);
  });

  it.each(["CUDA_HOME", "CUDA_PATH", "CONDA_PREFIX"])("finds what %s names", (variable) => {
    const [file] = place("given/lib/libnvrtc.so.13");
    expect(searchPaths(nvrtc, [13, 12], where)).not.toContain(file);
    expect(searchPaths(nvrtc, [13, 12], { ...where, env: { [variable]: join(root, "given") } })[0]).toBe(file);
  });

  it("prefers newer toolkits and newer Pythons", () => {
    const [old, recent] = place("usr/local/cuda-12.9/lib64/libnvrtc.so.12", "usr/local/cuda-12.10/lib64/libnvrtc.so.12");
    const found = searchPaths(nvrtc, [12], where);
    expect(found.indexOf(recent)).toBeLessThan(found.indexOf(old));
  });

  it("takes no major that is newer than the driver", () => {
    const [twelve, thirteen] = place("usr/local/cuda-12.9/lib64/libnvrtc.so.12", "usr/local/cuda-13.0/lib64/libnvrtc.so.13");
    expect(openLibrary(nvrtc, loaderOf(twelve, thirteen), 13, where, pathOf)).toBe(thirteen);
    expect(openLibrary(nvrtc, loaderOf(twelve, thirteen), 12, where, pathOf)).toBe(twelve);
    expect(() => openLibrary(nvrtc, loaderOf(thirteen), 12, where, pathOf)).toThrow(/driver is for CUDA 12, too old for the only NVRTC found, .*cuda-13\.0.*Update.*pip install nvidia-cuda-nvrtc-cu12/);
  });

  it("goes on after a library that loads but cannot work", () => {
    const [broken, good] = place("usr/local/cuda-13.1/lib64/libnvrtc.so.13", "usr/local/cuda-13.0/lib64/libnvrtc.so.13");
    const refused: string[] = [];
    const found = openLibrary(nvrtc, loaderOf(broken, good), 13, where, ({ path }) => {
      if (path === broken) {
        refused.push(path);
        throw new DeviceError("it does not compile");
      }
      return path;
    });
    expect(refused).toEqual([broken]);
    expect(found).toBe(good);
    expect(() => openLibrary(nvrtc, loaderOf(broken), 13, where, () => { throw new DeviceError("it does not compile"); })).toThrow(`  ${broken}: it does not compile`);
    expect(() => openLibrary(nvrtc, loaderOf(broken), 13, where, () => { throw new TypeError("a mistake of ours"); })).toThrow(TypeError);
  });

  it("loads libnvrtc-builtins from the same folder first, which NVRTC opens by its bare name", () => {
    const [library, builtins] = place("venv/nvidia/lib/libnvrtc.so.13", "venv/nvidia/lib/libnvrtc-builtins.so.13.0", "venv/nvidia/lib/libnvrtc-builtins.alt.so.13.0");
    const loader = loaderOf(library, builtins);
    openLibrary(nvrtc, loader, 13, { ...where, env: { CUDA_HOME: join(root, "venv/nvidia") } }, pathOf);
    expect(loader.loaded).toEqual([builtins, library]);
  });

  it.each([
    [nvrtc, 13, /NVRTC.*pip install nvidia-cuda-nvrtc and/], [nvrtc, 12, /pip install nvidia-cuda-nvrtc-cu12/],
    [cublasLt, 13, /cuBLASLt.*pip install nvidia-cublas and/], [cublasLt, 12, /pip install nvidia-cublas-cu12/],
    [cudnn, 13, /cuDNN 9.*pip install nvidia-cudnn-cu13/], [cudnn, 12, /pip install nvidia-cudnn-cu12/], [cudnn, 14, /pip install nvidia-cudnn-cu13/],
  ])("says what was tried for %j and what to install, for CUDA %i", (library, major, message) => {
    const [broken] = place(`usr/local/cuda/lib64/${library.file(12)}`);
    const search = () => openLibrary(library, loaderOf(), major, where, pathOf);
    expect(search).toThrow(DeviceError);
    expect(search).toThrow(message);
    expect(search).toThrow(/CUDA_HOME.*LD_LIBRARY_PATH.*Tried:\n {2}/);
    expect(search).toThrow(`${broken}: cannot open shared object file`);
  });

  it("is over at once where the stand-in takes the place of all", () => {
    const standIn = { ...where, env: { SPIKEFOLD_TEST: "1", SPIKEFOLD_CUDA_STAND_IN: "/stand-in.so", CUDA_HOME: join(root, "given") } };
    place("given/lib64/libcudnn.so.9");
    for (const library of [nvrtc, cublasLt, cudnn]) expect(openLibrary(library, loaderOf("/stand-in.so"), 13, standIn, pathOf)).toBe("/stand-in.so");
  });
});
