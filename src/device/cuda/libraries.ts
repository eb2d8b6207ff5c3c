import { DeviceError } from "../../errors.ts";
import { inNode, nodeModule } from "../../runtime.ts";

const { homedir } = nodeModule("node:os");

/** Of the package koffi, what is used here: its own types are not there where it is not installed. */
export interface Koffi {
  load(path: string): LibraryHandle;
  address(memory: ArrayBuffer): bigint;
  view(address: bigint, bytes: number): ArrayBuffer;
  decode: { string(address: bigint): string };
  /** Types of parameters that are passed by value. */
  struct(members: Readonly<Record<string, unknown>>): unknown;
  array(of: string, length: number): unknown;
}

export interface LibraryHandle {
  func<F>(definition: string): F;
  func<F>(name: string, result: string, parameters: readonly unknown[]): F;
}

/** What is passed to a function of a library: handles and addresses are uint64, what a pointer points at is an array here. */
export type Argument = number | bigint | string | ArrayBufferView | readonly string[];
export type Bound<Name extends string> = Readonly<Record<Name, (...args: Argument[]) => number>>;

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

/** A library that takes the place of all of NVIDIA's on a machine without a GPU, for this package's own tests; null in all other cases. */
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
 * The functions of a library that return a status, by their names and parameters.
 * @throws DeviceError if the library lacks one.
 */
export function bind<Name extends string>(library: LibraryHandle, prototypes: Readonly<Record<Name, string>>): Bound<Name> {
  return Object.fromEntries(Object.entries(prototypes).map(([name, parameters]) => {
    try {
      return [name, library.func(`int ${name}(${parameters})`)];
    } catch (cause) {
      throw new DeviceError(`it has no ${name}: it is too old`, { cause });
    }
  })) as never;
}

function loadFirst(koffi: Koffi, paths: readonly string[]): { library: LibraryHandle | null; tried: string[] } {
  const tried: string[] = [];
  for (const path of paths) {
    try {
      return { library: koffi.load(path), tried };
    } catch (error) {
      tried.push(`  ${path}: ${(error as Error).message}`);
    }
  }
  return { library: null, tried };
}
