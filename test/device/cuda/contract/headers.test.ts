import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { driverConstants } from "../../../../src/device/cuda/constants.ts";
import { cublasLtConstants, cublasLtFunctions, heuristicResult } from "../../../../src/device/cuda/cublasLt.ts";
import { cudnnConstants, cudnnFunctions } from "../../../../src/device/cuda/cudnnBackend.ts";
import { entryPoints } from "../../../../src/device/cuda/driver.ts";
import { nvrtcConstants, nvrtcFunctions } from "../../../../src/device/cuda/nvrtc.ts";
import { describeWithWheels, folders, packages } from "./wheels.ts";

const missing = spawnSync("g++", ["--version"]).status !== 0;

/** How a parameter is passed; a handle or an address is a pointer or an unsigned integer of 64 bits. */
const kinds: Readonly<Record<string, string>> = {
  uint8_t: "U8", uint32_t: "U32", int: "I32", int64_t: "I64", size_t: "SIZE", uint64_t: "WORD", "void *": "POINTER", "const char *": "POINTER", "const char **": "POINTER",
};

const functions: Readonly<Record<string, string>> = { ...entryPoints, ...nvrtcFunctions, ...cublasLtFunctions, ...cudnnFunctions };
const constants: Readonly<Record<string, number>> = { ...driverConstants, ...nvrtcConstants, ...cublasLtConstants, ...cudnnConstants };

const kindsOf = (parameters: string): string[] => (parameters === "" ? [] : parameters.split(", ").map((parameter) => kinds[parameter.replace(/\w+$/, "").trim()] ?? `unknown(${parameter})`));

/** The functions whose results are no status, as they are bound one by one. */
const others = {
  nvrtcGetErrorString: "const char* (*)(nvrtcResult)",
  cublasLtGetStatusName: "const char* (*)(cublasStatus_t)",
  cublasLtGetVersion: "size_t (*)()",
  cudnnGetErrorString: "const char* (*)(cudnnStatus_t)",
  cudnnGetLastErrorString: "void (*)(char*, size_t)",
  cudnnGetVersion: "size_t (*)()",
  cudnnGetCudartVersion: "size_t (*)()",
};

const preamble = `
// cublas_api.h needs these by name only, and their headers need more than the wheels hold.
#define __CUDA_FP16_H__
#define __CUDA_BF16_H__
struct __half;
struct __nv_bfloat16;
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <cuda.h>
#include <nvrtc.h>
#include <cublasLt.h>
#include <cudnn_graph.h>
#include <cudnn_cnn.h>
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
function compile(assertions: readonly string[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), "spikefold-headers-"));
  try {
    // This one header is in no wheel that the libraries need: it defines what only NVIDIA's compiler knows.
    mkdirSync(join(folder, "crt"));
    const words = ["CUDARTAPI", "CUDARTAPI_CDECL", "__host__", "__device__", "__device_builtin__", "__cudart_builtin__", "__device_builtin_texture_type__", "__device_builtin_surface_type__", "__align__(n)", "__builtin_align__(n)"];
    writeFileSync(join(folder, "crt/host_defines.h"), ["#define __forceinline__ inline", ...words.map((word) => `#define ${word}`)].join("\n"));
    writeFileSync(join(folder, "contract.cpp"), [preamble, ...assertions, ""].join("\n"));
    execFileSync("g++", ["-std=c++17", "-fsyntax-only", "-w", `-I${folder}`, ...folders.include.map((each) => `-I${join(packages!, each)}`), join(folder, "contract.cpp")], { encoding: "utf8", stdio: "pipe" });
    return [];
  } catch (error) {
    return ((error as { stderr: string }).stderr ?? String(error)).split("\n").filter((line) => line.includes("error:"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describeWithWheels("NVIDIA's headers", () => {
  it.skipIf(missing)("agree with the prototypes", () => {
    const assertions = Object.entries(functions).map(([name, parameters]) => `FUNCTION(${[name, ...kindsOf(parameters)].join(", ")})`);
    expect(assertions.length).toBeGreaterThan(70);
    expect(compile([...assertions, ...Object.entries(others).map(([name, type]) => `static_assert(std::is_same_v<decltype(&${name}), ${type}>, "${name}");`)])).toEqual([]);
  });

  it.skipIf(missing)("agree with the constants", () => {
    expect(compile(Object.entries(constants).map(([name, value]) => `static_assert(static_cast<long long>(${name}) == ${value}, "${name}");`))).toEqual([]);
  });

  it.skipIf(missing)("agree with the layouts", () => {
    const { bytes, algorithmBytes, workspaceSize, state } = heuristicResult;
    expect(compile([
      `static_assert(sizeof(cublasLtMatmulHeuristicResult_t) == ${bytes} && offsetof(cublasLtMatmulHeuristicResult_t, algo) == 0);`,
      `static_assert(sizeof(cublasLtMatmulAlgo_t) == ${algorithmBytes});`,
      `static_assert(offsetof(cublasLtMatmulHeuristicResult_t, workspaceSize) == ${workspaceSize} && sizeof(size_t) == 8);`,
      `static_assert(offsetof(cublasLtMatmulHeuristicResult_t, state) == ${state} && sizeof(cublasStatus_t) == 4);`,
      "static_assert(sizeof(CUdeviceptr) == 8 && sizeof(CUdevice) == 4 && sizeof(cudnnDataType_t) == 4 && sizeof(cudnnBackendHeurMode_t) == 4 && sizeof(cudnnBackendNumericalNote_t) == 4);",
      // Results are read from a word of 8 bytes that was zero.
      ...Object.entries(entryPoints).filter(([, parameters]) => parameters.startsWith("void *")).map(([name]) => `static_assert(sizeOf<First<decltype(&${name})>::type>() <= 8, "${name}");`),
    ])).toEqual([]);
  });

  it.skipIf(missing)("would not agree with others", () => {
    expect(compile([
      "FUNCTION(cuInit, U8)", "FUNCTION(cuMemAlloc_v2, POINTER)", "FUNCTION(cublasLtMatrixLayoutCreate, POINTER, I32, WORD, WORD, U32)",
      'static_assert(CUDNN_ATTR_TENSOR_STRIDES == 902, "CUDNN_ATTR_TENSOR_STRIDES");', "static_assert(sizeof(cublasLtMatmulHeuristicResult_t) == 88);",
    ])).toHaveLength(6);
  });
});
