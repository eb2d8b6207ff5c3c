#pragma once
#include "libraries.h"

/** The part of cuBLASLt that matrix products need. Numbers are those of cublasLt.h, statuses those that cuBLASLt 13.1 was seen to give. */
#define CUBLAS_STATUSES(X) \
  X(CUBLAS_STATUS_SUCCESS, 0, "success") \
  X(CUBLAS_STATUS_NOT_INITIALIZED, 1, "the library was not initialized") \
  X(CUBLAS_STATUS_INVALID_VALUE, 7, "an unsupported value or parameter was passed to the function") \
  X(CUBLAS_STATUS_EXECUTION_FAILED, 13, "the function failed to launch on the GPU") \
  X(CUBLAS_STATUS_NOT_SUPPORTED, 15, "the requested functionality is not supported")

enum cublasStatus_t : int {
#define X(name, code, text) name = code,
  CUBLAS_STATUSES(X)
#undef X
};

enum { COMPUTE_32F = 68, COMPUTE_32F_FAST_TF32 = 77, R_32F = 0, R_16BF = 14 };
enum { EPILOGUE_DEFAULT = 1, EPILOGUE_BIAS = 4, EPILOGUE_BGRADA = 256, EPILOGUE_BGRADB = 512 };

enum class Kind { layout, matmul, preference };
enum { LAYOUT_TYPE, LAYOUT_ORDER, LAYOUT_ROWS, LAYOUT_COLS, LAYOUT_LD, LAYOUT_BATCH_COUNT, LAYOUT_BATCH_OFFSET, LAYOUT_PLANE_OFFSET, LAYOUT_BATCH_MODE };
enum {
  DESC_COMPUTE_TYPE = 0, DESC_SCALE_TYPE = 1, DESC_POINTER_MODE = 2, DESC_TRANSA = 3, DESC_TRANSB = 4, DESC_TRANSC = 5, DESC_FILL_MODE = 6, DESC_EPILOGUE = 7,
  DESC_BIAS_POINTER = 8, DESC_SM_COUNT_TARGET = 15, DESC_BIAS_DATA_TYPE = 26,
};
enum { PREF_SEARCH_MODE = 0, PREF_MAX_WORKSPACE_BYTES = 1, PREF_REDUCTION_SCHEME_MASK = 3, PREF_MIN_ALIGNMENT_A = 5, PREF_MAX_WAVES_COUNT = 9, PREF_IMPL_MASK = 12 };
constexpr std::uint64_t fullFill = 2, noBiasType = 0xffffffff;
/** Reductions of a sum's pieces that round each to the type of D first: in place, and in workspace. */
constexpr std::uint64_t REDUCTION_INPLACE = 1, REDUCTION_OUTPUT_TYPE = 4;

struct LtDescriptor {
  Kind kind;
  std::map<int, std::uint64_t> values;
  explicit LtDescriptor(Kind kind);
  std::uint64_t operator[](int attribute) const { return values.at(attribute); }
};

/** A descriptor that is not destroyed and of this kind, or null. */
std::shared_ptr<LtDescriptor> descriptorOf(Handle handle, Kind kind);
/** The descriptors that were not destroyed, one line each. */
std::string unreturnedLtDescriptors();
void forgetLtDescriptors();

/** These keep the reason for standInLastFault. */
inline cublasStatus_t invalid(const std::string& why) { return refuse(CUBLAS_STATUS_INVALID_VALUE, "cuBLASLt: " + why); }
inline cublasStatus_t unsupported(const std::string& why) { return refuse(CUBLAS_STATUS_NOT_SUPPORTED, "cuBLASLt: " + why); }
