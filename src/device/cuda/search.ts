import { DeviceError } from "../../errors.ts";
import { nodeModule } from "../../runtime.ts";
import { CUDA_MAJORS, type Koffi, type LibraryHandle, standInPath, type Surroundings } from "./libraries.ts";

const { readdirSync, statSync } = nodeModule("node:fs");
const { dirname, join } = nodeModule("node:path");

/** One of NVIDIA's libraries above the driver. */
export interface Library {
  /** For people. */
  readonly name: string;
  /** Its file for a major of CUDA. */
  file(major: number): string;
  /** Its folder in a Python wheel, below site-packages, for majors before 13; wheels of 13 and later share nvidia/cu13. */
  readonly wheelFolder: string;
  /** The wheel to install for a major of CUDA. */
  wheel(major: number): string;
  /** Files next to the library that it opens by their bare names, which the loader knows once they are loaded. */
  readonly siblings?: RegExp;
}

export interface Candidate {
  readonly path: string;
  readonly library: LibraryHandle;
}

const wheelOf = (name: string) => (major: number): string => (major >= 13 ? name : `${name}-cu${major}`);

export const libraries = {
  nvrtc: { name: "NVRTC, NVIDIA's run-time compiler,", file: (major) => `libnvrtc.so.${major}`, wheelFolder: "cuda_nvrtc", wheel: wheelOf("nvidia-cuda-nvrtc"), siblings: /^libnvrtc-builtins\.so/ },
  cublasLt: { name: "cuBLASLt, for matrix products,", file: (major) => `libcublasLt.so.${major}`, wheelFolder: "cublas", wheel: wheelOf("nvidia-cublas") },
  cudnn: { name: "cuDNN 9, for convolutions,", file: () => "libcudnn.so.9", wheelFolder: "cudnn", wheel: (major) => `nvidia-cudnn-cu${major}` },
  nccl: { name: "NCCL, for several GPUs,", file: () => "libnccl.so.2", wheelFolder: "nccl", wheel: (major) => `nvidia-nccl-cu${major}` },
} as const satisfies Record<string, Library>;

/**
 * Where a library may be, the likeliest to be meant first: the toolkit named by CUDA_HOME or CUDA_PATH, the active virtual environment and conda
 * environment, the loader's own path (a bare name), installed toolkits, and the wheels of the user's and the system's Pythons.
 */
export function searchPaths(library: Library, majors: readonly number[], where: Surroundings): string[] {
  const { env, home, root } = where;
  const given = (...names: string[]): string[] => names.flatMap((name) => env[name] || []);
  const installed = [`${root}/usr/local/cuda`, ...entries(`${root}/usr/local`).filter((name) => name.startsWith("cuda-")).sort(newestFirst).map((name) => `${root}/usr/local/${name}`)];
  const environments = given("VIRTUAL_ENV", "CONDA_PREFIX");
  const names = [...new Set(majors.map((major) => library.file(major)))];
  const inFolders = (folders: readonly string[]): string[] =>
    folders.flatMap((folder) => names.map((name) => join(folder, name))).filter((path) => statSync(path, { throwIfNoEntry: false }));
  return [...new Set([
    ...inFolders(given("CUDA_HOME", "CUDA_PATH").flatMap(toolkitFolders)),
    ...inFolders(environments.flatMap((prefix) => [...wheelFolders(prefix, library), ...toolkitFolders(prefix)])),
    ...names,
    ...inFolders(installed.flatMap(toolkitFolders)),
    ...inFolders([join(home, ".local"), `${root}/usr/local`, `${root}/usr`].flatMap((prefix) => wheelFolders(prefix, library))),
  ])];
}

/**
 * The first of a library's files that loads and that `open` makes something of: one that throws a DeviceError, as it cannot work, does not end the search.
 * @throws DeviceError that names the package to install and what was tried.
 */
export function openLibrary<T>(library: Library, koffi: Koffi, driverMajor: number, where: Surroundings, open: (candidate: Candidate) => T): T {
  const standIn = standInPath(where);
  const usable = CUDA_MAJORS.filter((major) => major <= driverMajor);
  const tried: string[] = [];
  for (const path of standIn === null ? searchPaths(library, usable, where) : [standIn]) {
    try {
      return open({ path, library: load(library, koffi, path) });
    } catch (error) {
      if (!(error instanceof LoadError || error instanceof DeviceError)) throw error;
      tried.push(`  ${path}: ${error.message}`);
    }
  }
  throw new DeviceError(`${missing(library, koffi, driverMajor, where)} Tried:\n${tried.join("\n")}`);
}

/** A library that the loader refuses. */
class LoadError extends Error {}

function load({ siblings }: Library, koffi: Koffi, path: string): LibraryHandle {
  try {
    if (siblings && path.includes("/")) for (const name of entries(dirname(path)).filter((each) => siblings.test(each))) koffi.load(join(dirname(path), name));
    return koffi.load(path);
  } catch (error) {
    throw new LoadError((error as Error).message, { cause: error });
  }
}

function missing(library: Library, koffi: Koffi, driverMajor: number, where: Surroundings): string {
  const wheel = library.wheel(Math.min(driverMajor, CUDA_MAJORS[0]));
  const newer = CUDA_MAJORS.filter((major) => major > driverMajor);
  const tooNew = searchPaths(library, newer, where).find((path) => loads(koffi, path));
  if (tooNew) return `cuda: the driver is for CUDA ${driverMajor}, too old for the only ${library.name.split(",")[0]} found, ${tooNew}. Update NVIDIA's driver, or install an older one: pip install ${wheel}.`;
  const files = [...new Set(CUDA_MAJORS.filter((major) => major <= driverMajor).map((major) => library.file(major)))];
  return `cuda: ${library.name} was not found in working order (${files.join(" or ")}). Install it with pip install ${wheel} and run in that environment; ` +
    "elsewhere than in the usual places, name the toolkit's folder in CUDA_HOME or the library's in LD_LIBRARY_PATH.";
}

function loads(koffi: Koffi, path: string): boolean {
  try {
    return Boolean(koffi.load(path));
  } catch {
    return false;
  }
}

const toolkitFolders = (toolkit: string): string[] => ["lib64", "lib", "targets/x86_64-linux/lib", "targets/sbsa-linux/lib"].map((folder) => join(toolkit, folder));

function wheelFolders(prefix: string, { wheelFolder }: Library): string[] {
  return entries(join(prefix, "lib")).filter((name) => /^python3(\.\d+)?$/.test(name)).sort(newestFirst)
    .flatMap((python) => ["site-packages", "dist-packages"].flatMap((packages) => ["cu13", wheelFolder].map((folder) => join(prefix, "lib", python, packages, "nvidia", folder, "lib"))));
}

const newestFirst = (a: string, b: string): number => b.localeCompare(a, "en", { numeric: true });

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
