import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { folders, packages } from "./wheels.ts";

/** Whether there is no compiler for assertions. */
export const missing = spawnSync("g++", ["--version"]).status !== 0;

/** How a parameter is passed; a handle or an address is a pointer or an unsigned integer of 64 bits. */
const kinds: Readonly<Record<string, string>> = {
  uint8_t: "U8", uint32_t: "U32", int: "I32", int64_t: "I64", size_t: "SIZE", uint64_t: "WORD", "void *": "POINTER", "const char *": "POINTER", "const char **": "POINTER",
};

const kindsOf = (parameters: string): string[] => (parameters === "" ? [] : parameters.split(", ").map((parameter) => kinds[parameter.replace(/\w+$/, "").trim()] ?? `unknown(${parameter})`));


/** Assertions that functions have the parameters that they are called with here. */
export const prototypes = (functions: Readonly<Record<string, string>>): string[] => Object.entries(functions).map(([name, parameters]) => `FUNCTION(${[name, ...kindsOf(parameters)].join(", ")})`);

/** Assertions that functions are of the very types. */
export const types = (functions: Readonly<Record<string, string>>): string[] => Object.entries(functions).map(([name, type]) => `static_assert(std::is_same_v<decltype(&${name}), ${type}>, "${name}");`);

/** Assertions that constants have the values that they have here. */
export const values = (constants: Readonly<Record<string, number>>): string[] => Object.entries(constants).map(([name, value]) => `static_assert(static_cast<long long>(${name}) == ${value}, "${name}");`);

const before = `
// cublas_api.h and nccl.h need these by name only, and their headers need more than the wheels hold.
#define __CUDA_FP16_H__
#define __CUDA_BF16_H__
#define __CUDA_FP8_H__
#define __CUDA_RUNTIME_H__
struct __half;
struct __nv_bfloat16;
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <cuda.h>
#include <cuda_runtime_api.h>
`;

const after = `
enum Kind { U8, U32, I32, I64, SIZE, WORD, POINTER };
template <class T> constexpr bool fits(Kind kind) {
  using U = std::remove_cv_t<T>;
  if constexpr (std::is_pointer_v<U>) return kind == POINTER || kind == WORD;
  else if constexpr (std::is_enum_v<U>) return sizeof(U) == 4 && (kind == U32 || kind == I32);
  else if constexpr (!std::is_integral_v<U>) return false;
  else if constexpr (sizeof(U) == 1) return kind == U8;
  else if constexpr (sizeof(U) == 4) return std::is_signed_v<U> ? kind == I32 : kind == U32;
  else return std::is_signed_v<U> ? kind == I64 : kind == SIZE || kind == WORD;
}
template <class F, Kind... kinds> struct Prototype;
template <class R, class... A, Kind... kinds> struct Prototype<R (*)(A...), kinds...> {
  static constexpr bool count = sizeof...(A) == sizeof...(kinds);
  static constexpr bool result = sizeof(R) == 4 && (std::is_enum_v<R> || std::is_integral_v<R>);
  static constexpr bool types = [] { if constexpr (count) return (fits<A>(kinds) && ...); else return false; }();
};
template <class F> struct First;
template <class R, class A, class... B> struct First<R (*)(A, B...)> { using type = std::remove_pointer_t<A>; };
template <class T> constexpr std::size_t sizeOf() { if constexpr (std::is_void_v<T>) return 0; else return sizeof(T); }
#define FUNCTION(f, ...) \\
  static_assert(Prototype<decltype(&f), ##__VA_ARGS__>::count, #f ": number of parameters"); \\
  static_assert(Prototype<decltype(&f), ##__VA_ARGS__>::types, #f ": types of parameters"); \\
  static_assert(Prototype<decltype(&f), ##__VA_ARGS__>::result, #f ": result");
`;

/** What the C++ compiler says of the assertions against NVIDIA's headers, one line each. */
export function compile(headers: readonly string[], assertions: readonly string[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), "spikefold-headers-"));
  try {
    // This one header is in no wheel that the libraries need: it defines what only NVIDIA's compiler knows.
    mkdirSync(join(folder, "crt"));
    const words = ["CUDARTAPI", "CUDARTAPI_CDECL", "__host__", "__device__", "__device_builtin__", "__cudart_builtin__", "__device_builtin_texture_type__", "__device_builtin_surface_type__", "__align__(n)", "__builtin_align__(n)"];
    writeFileSync(join(folder, "crt/host_defines.h"), ["#define __forceinline__ inline", ...words.map((word) => `#define ${word}`)].join("\n"));
    writeFileSync(join(folder, "contract.cpp"), [before, ...headers.map((header) => `#include <${header}>`), after, ...assertions, ""].join("\n"));
    execFileSync("g++", ["-std=c++17", "-fsyntax-only", "-w", `-I${folder}`, ...folders.include.map((each) => `-I${join(packages!, each)}`), join(folder, "contract.cpp")], { encoding: "utf8", stdio: "pipe" });
    return [];
  } catch (error) {
    return ((error as { stderr: string }).stderr ?? String(error)).split("\n").filter((line) => line.includes("error:"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
