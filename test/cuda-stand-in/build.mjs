import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join } from "node:path";

const native = fileURLToPath(new URL("native", import.meta.url));
const cache = fileURLToPath(new URL("../../node_modules/.cache/spikefold", import.meta.url));

const flags = ["-O2", "-std=c++17", "-Wall", "-Wextra", "-fPIC", "-shared", "-fvisibility=hidden", "-U_FORTIFY_SOURCE"];

/** Where a cuda device is to keep what it compiles on the stand-in (XDG_CACHE_HOME): checked and unchecked kernels apart. */
export const kernelCache = () => join(cache, process.env.STAND_IN_CHECKS === "off" ? "unchecked-kernels" : "kernels");

/**
 * Path of the stand-in library, built at first use and kept by the hash of its sources; null where there is no g++ or the machine is not Linux on
 * x86-64. Safe to call from several processes at once.
 * @returns {string | null}
 */
export function standIn() {
  const compiler = process.env.STAND_IN_CXX ?? "g++";
  const version = versionOf(compiler);
  if (process.platform !== "linux" || process.arch !== "x64" || version === null) return null;
  const files = readdirSync(native).sort();
  const hash = createHash("sha256").update(JSON.stringify([version, flags]));
  for (const file of files) hash.update(file).update(readFileSync(join(native, file)));
  const library = join(cache, `cuda-stand-in-${hash.digest("hex").slice(0, 16)}.so`);
  if (existsSync(library)) return library;
  mkdirSync(cache, { recursive: true });
  const building = `${library}.${process.pid}`;
  try {
    execFileSync(compiler, [...flags, `-Wa,-I${native}`, ...files.filter((file) => file.endsWith(".cpp")).map((file) => join(native, file)), "-ldl", "-pthread", "-o", building], { stdio: ["ignore", "inherit", "inherit"] });
    renameSync(building, library);
  } finally {
    rmSync(building, { force: true });
  }
  return library;
}

/** @param {string} compiler */
function versionOf(compiler) {
  try {
    return execFileSync(compiler, ["--version"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).split("\n")[0];
  } catch {
    return null;
  }
}
