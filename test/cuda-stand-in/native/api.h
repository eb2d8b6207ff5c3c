#pragma once
#include <cstddef>
#include <cstdint>

/** The part of CUDA's C API that the stand-in offers. Numbers are those of cuda.h and nvrtc.h. */
#define API extern "C" __attribute__((visibility("default")))

#define CUDA_ERRORS(X) \
  X(CUDA_SUCCESS, 0, "no error") \
  X(CUDA_ERROR_INVALID_VALUE, 1, "invalid argument") \
  X(CUDA_ERROR_OUT_OF_MEMORY, 2, "out of memory") \
  X(CUDA_ERROR_NOT_INITIALIZED, 3, "initialization error") \
  X(CUDA_ERROR_NO_DEVICE, 100, "no CUDA-capable device is detected") \
  X(CUDA_ERROR_INVALID_DEVICE, 101, "invalid device ordinal") \
  X(CUDA_ERROR_INVALID_IMAGE, 200, "device kernel image is invalid") \
  X(CUDA_ERROR_INVALID_CONTEXT, 201, "invalid device context") \
  X(CUDA_ERROR_NO_BINARY_FOR_GPU, 209, "no kernel image is available for execution on the device") \
  X(CUDA_ERROR_INVALID_HANDLE, 400, "invalid resource handle") \
  X(CUDA_ERROR_NOT_FOUND, 500, "named symbol not found") \
  X(CUDA_ERROR_NOT_READY, 600, "device not ready") \
  X(CUDA_ERROR_ILLEGAL_ADDRESS, 700, "an illegal memory access was encountered") \
  X(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, 701, "too many resources requested for launch") \
  X(CUDA_ERROR_MISALIGNED_ADDRESS, 716, "misaligned address") \
  X(CUDA_ERROR_LAUNCH_FAILED, 719, "unspecified launch failure") \
  X(CUDA_ERROR_NOT_SUPPORTED, 801, "operation not supported") \
  X(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, 900, "operation not permitted when stream is capturing") \
  X(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, 901, "operation failed due to a previous error during capture") \
  X(CUDA_ERROR_STREAM_CAPTURE_MERGE, 902, "operation would have resulted in a merge of separate capture sequences") \
  X(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, 903, "capture was not ended in the same stream as it began") \
  X(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, 904, "capturing stream has unjoined work") \
  X(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, 905, "dependency created on uncaptured work in another stream") \
  X(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, 906, "operation would make the legacy stream depend on a capturing blocking stream") \
  X(CUDA_ERROR_CAPTURED_EVENT, 907, "operation not permitted on an event last recorded in a capturing stream")

enum CUresult : int {
#define X(name, code, text) name = code,
  CUDA_ERRORS(X)
#undef X
};

#define NVRTC_ERRORS(X) \
  X(NVRTC_SUCCESS, 0) \
  X(NVRTC_ERROR_OUT_OF_MEMORY, 1) \
  X(NVRTC_ERROR_PROGRAM_CREATION_FAILURE, 2) \
  X(NVRTC_ERROR_INVALID_INPUT, 3) \
  X(NVRTC_ERROR_INVALID_PROGRAM, 4) \
  X(NVRTC_ERROR_INVALID_OPTION, 5) \
  X(NVRTC_ERROR_COMPILATION, 6) \
  X(NVRTC_ERROR_BUILTIN_OPERATION_FAILURE, 7) \
  X(NVRTC_ERROR_INTERNAL_ERROR, 11)

enum nvrtcResult : int {
#define X(name, code) name = code,
  NVRTC_ERRORS(X)
#undef X
};

using CUdevice = int;
using CUdeviceptr = std::uint64_t;
/** Contexts, streams, modules and the rest: numbers that are never used twice, so that a stale one is told from a live one. */
using Handle = std::uintptr_t;
