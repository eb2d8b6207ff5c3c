import { expect, it } from "vitest";
import { driverConstants } from "../../../../src/device/cuda/constants.ts";
import { cublasLtConstants, cublasLtFunctions, heuristicResult } from "../../../../src/device/cuda/cublasLt.ts";
import { cudnnConstants, cudnnFunctions } from "../../../../src/device/cuda/cudnnBackend.ts";
import { entryPoints } from "../../../../src/device/cuda/driver.ts";
import { nvrtcConstants, nvrtcFunctions } from "../../../../src/device/cuda/nvrtc.ts";
import * as headers from "./headers.ts";
import { describeWithWheels } from "./wheels.ts";

const { missing, prototypes, types, values } = headers;
const compile = (assertions: readonly string[]): string[] => headers.compile(["nvrtc.h", "cublasLt.h", "cudnn_graph.h", "cudnn_cnn.h"], assertions);

const functions: Readonly<Record<string, string>> = { ...entryPoints, ...nvrtcFunctions, ...cublasLtFunctions, ...cudnnFunctions };
const constants: Readonly<Record<string, number>> = { ...driverConstants, ...nvrtcConstants, ...cublasLtConstants, ...cudnnConstants };

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

describeWithWheels("NVIDIA's headers", () => {
  it.skipIf(missing)("agree with the prototypes", () => {
    const assertions = prototypes(functions);
    expect(assertions.length).toBeGreaterThan(70);
    expect(compile([...assertions, ...types(others)])).toEqual([]);
  });

  it.skipIf(missing)("agree with the constants", () => {
    expect(compile(values(constants))).toEqual([]);
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
