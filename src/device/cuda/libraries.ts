import { DeviceError } from "../../errors.ts";
import { inNode, nodeModule } from "../../runtime.ts";

const { readdirSync, statSync } = nodeModule("node:fs");
const { homedir } = nodeModule("node:os");
const { join } = nodeModule("node:path");

/** Of the package koffi, what is used here: its own types are not there where it is not installed. */
export interface Koffi {
  load(path: string): LibraryHandle;
  address(memory: ArrayBuffer): bigint;
  view(address: bigint, bytes: number): ArrayBuffer;
  decode: { string(address: bigint): string };
}

export interface LibraryHandle {
  func<F>(definition: string): F;
}

/** Majors of CUDA that are known to work, the newest first. */
export const CUDA_MAJORS: readonly number[] = [13, 12];

const DRIVER_PATHS = ["libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1"];

/** What to search in; another root and environment are for tests. */
export interface Surroundings {
  env: Readonly<Record<string, string | undefined>>;
  home: string;
  /** Put before the absolute paths of the system. */
  root: string;
}

export const surroundings = (): Surroundings => ({ env: process.env, home: homedir(), root: "" });

/** A library that takes the place of both on a machine without a GPU, for this package's own tests; null in all other cases. */
export const standInPath = ({ env }: Surroundings): string | null => (env.SPIKEFOLD_TEST === "1" && env.SPIKEFOLD_CUDA_STAND_IN ? env.SPIKEFOLD_CUDA_STAND_IN : null);

/** @throws DeviceError if the package koffi is not installed. */
export async function loadKoffi(): Promise<Koffi> {
  if (!inNode) throw new DeviceError("a cuda device can be had in Node only; a page has the devices \"webgpu\" and \"cpu\"");
  // Not to be bundled: it is native code.
  const name = "koffi";
  try {
    return ((await import(/* webpackIgnore: true */ /* @vite-ignore */ name)) as { default: Koffi }).default;
  } catch (cause) {
    throw new DeviceError("a cuda device needs the package koffi, which calls NVIDIA's libraries: npm install koffi", { cause });
  }
}

/** @throws DeviceError if the machine has no NVIDIA driver. */
export function loadDriver(koffi: Koffi, where: Surroundings): LibraryHandle {
  const standIn = standInPath(where);
  const paths = standIn === null ? DRIVER_PATHS : [standIn];
  const { library, tried } = loadFirst(koffi, paths);
  if (!library) {
    throw new DeviceError(`cuda: there is no NVIDIA driver here. Install NVIDIA's driver for Linux, and start containers with their GPUs (--gpus all). Tried:\n${tried.join("\n")}`);
  }
  return library;
}

/**
 * NVRTC of the newest major that the driver runs the code of.
 * @throws DeviceError if there is none, or only of majors that are too new for the driver.
 */
export function loadNvrtc(koffi: Koffi, driverMajor: number, where: Surroundings): LibraryHandle {
  const standIn = standInPath(where);
  const usable = CUDA_MAJORS.filter((major) => major <= driverMajor);
  const { library, tried } = loadFirst(koffi, standIn === null ? nvrtcPaths(usable, where) : [standIn]);
  if (library) return library;
  const wheel = driverMajor >= 13 ? "nvidia-cuda-nvrtc" : "nvidia-cuda-nvrtc-cu12";
  const tooNew = loadFirst(koffi, nvrtcPaths(CUDA_MAJORS.filter((major) => major > driverMajor), where));
  if (tooNew.path) {
    throw new DeviceError(`cuda: the driver is for CUDA ${driverMajor}, too old for the only NVRTC found, ${tooNew.path}. Update NVIDIA's driver, or install an older NVRTC: pip install ${wheel}`);
  }
  throw new DeviceError(
    `cuda: NVRTC, NVIDIA's run-time compiler, was not found (${usable.map((major) => `libnvrtc.so.${major}`).join(" or ")}). Install it with pip install ${wheel}, or with NVIDIA's CUDA toolkit; ` +
    `elsewhere than in their usual places, name the toolkit's folder in CUDA_HOME or the library's in LD_LIBRARY_PATH. Tried:\n${tried.join("\n")}`,
  );
}

/** Where NVRTC may be: on the loader's path, in a CUDA toolkit, in a Python wheel or a conda environment. Bare names are the loader's to find. */
export function nvrtcPaths(majors: readonly number[], where: Surroundings): string[] {
  const { env, home, root } = where;
  const given = (name: string): string[] => (env[name] ? [env[name]] : []);
  const toolkits = [
    ...given("CUDA_HOME"), ...given("CUDA_PATH"), `${root}/usr/local/cuda`,
    ...entries(`${root}/usr/local`).filter((name) => name.startsWith("cuda-")).sort(newestFirst).map((name) => `${root}/usr/local/${name}`),
    ...given("CONDA_PREFIX"),
  ];
  const pythons = [...given("VIRTUAL_ENV"), ...given("CONDA_PREFIX"), join(home, ".local"), `${root}/usr/local`, `${root}/usr`]
    .flatMap((prefix) => entries(join(prefix, "lib")).filter((name) => /^python3(\.\d+)?$/.test(name)).sort(newestFirst).map((name) => join(prefix, "lib", name)));
  const folders = [
    ...toolkits.flatMap((toolkit) => [join(toolkit, "lib64"), join(toolkit, "lib"), join(toolkit, "targets/x86_64-linux/lib"), join(toolkit, "targets/sbsa-linux/lib")]),
    ...pythons.flatMap((python) => ["site-packages", "dist-packages"].flatMap((packages) => [join(python, packages, "nvidia/cu13/lib"), join(python, packages, "nvidia/cuda_nvrtc/lib")])),
  ];
  return majors.flatMap((major) => {
    const name = `libnvrtc.so.${major}`;
    return [name, ...folders.map((folder) => join(folder, name)).filter((path) => statSync(path, { throwIfNoEntry: false }))];
  });
}

const newestFirst = (a: string, b: string): number => b.localeCompare(a, "en", { numeric: true });

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

interface Loaded { library: LibraryHandle | null; path: string | null; tried: string[] }

function loadFirst(koffi: Koffi, paths: readonly string[]): Loaded {
  const tried: string[] = [];
  for (const path of paths) {
    try {
      return { library: koffi.load(path), path, tried };
    } catch (error) {
      tried.push(`  ${path}: ${(error as Error).message}`);
    }
  }
  return { library: null, path: null, tried };
}
