#pragma once
#include "convolution.h"
#include "libraries.h"

/** The part of cuDNN's backend API that convolutions need. Numbers are those of cudnn_graph.h, statuses those that cuDNN 9.24 was seen to give. */
#define CUDNN_STATUSES(X) \
  X(CUDNN_STATUS_SUCCESS, 0) \
  X(CUDNN_STATUS_NOT_INITIALIZED, 1001) \
  X(CUDNN_STATUS_BAD_PARAM, 2000) \
  X(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, 2002) \
  X(CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER, 2003) \
  X(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, 2004) \
  X(CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE, 2010) \
  X(CUDNN_STATUS_NOT_SUPPORTED, 3000) \
  X(CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN, 3001) \
  X(CUDNN_STATUS_NOT_SUPPORTED_SHAPE, 3002) \
  X(CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE, 3003) \
  X(CUDNN_STATUS_NOT_SUPPORTED_LAYOUT, 3004) \
  X(CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED, 4003) \
  X(CUDNN_STATUS_EXECUTION_FAILED, 5000)

enum cudnnStatus_t : int {
#define X(name, code) name = code,
  CUDNN_STATUSES(X)
#undef X
};

enum DescriptorType {
  CONVOLUTION = 1, ENGINE = 2, ENGINECFG = 3, ENGINEHEUR = 4, EXECUTION_PLAN = 5, OPERATION_FORWARD = 10, OPERATION_BWD_FILTER = 11, OPERATION_BWD_DATA = 12,
  OPERATIONGRAPH = 15, VARIANT_PACK = 16, TENSOR = 17,
};

enum AttributeType {
  TYPE_HANDLE = 0, TYPE_DATA_TYPE = 1, TYPE_BOOLEAN = 2, TYPE_INT64 = 3, TYPE_FLOAT = 4, TYPE_DOUBLE = 5, TYPE_VOID_PTR = 6, TYPE_CONVOLUTION_MODE = 7, TYPE_HEUR_MODE = 8,
  TYPE_NUMERICAL_NOTE = 11, TYPE_BACKEND_DESCRIPTOR = 15, TYPE_BEHAVIOR_NOTE = 19, TYPE_INT32 = 23,
};

enum AttributeName {
  CONVOLUTION_COMP_TYPE = 100, CONVOLUTION_CONV_MODE = 101, CONVOLUTION_DILATIONS = 102, CONVOLUTION_FILTER_STRIDES = 103, CONVOLUTION_POST_PADDINGS = 104,
  CONVOLUTION_PRE_PADDINGS = 105, CONVOLUTION_SPATIAL_DIMS = 106,
  ENGINEHEUR_MODE = 200, ENGINEHEUR_OPERATION_GRAPH = 201, ENGINEHEUR_RESULTS = 202, ENGINEHEUR_SM_COUNT_TARGET = 203,
  ENGINECFG_ENGINE = 300, ENGINECFG_WORKSPACE_SIZE = 303,
  EXECUTION_PLAN_HANDLE = 400, EXECUTION_PLAN_ENGINE_CONFIG = 401, EXECUTION_PLAN_WORKSPACE_SIZE = 402,
  FORWARD_ALPHA = 700, FORWARD_BETA = 701, FORWARD_CONV_DESC = 702, FORWARD_W = 703, FORWARD_X = 704, FORWARD_Y = 705,
  BWD_DATA_ALPHA = 706, BWD_DATA_BETA = 707, BWD_DATA_CONV_DESC = 708, BWD_DATA_W = 709, BWD_DATA_DX = 710, BWD_DATA_DY = 711,
  BWD_FILTER_ALPHA = 712, BWD_FILTER_BETA = 713, BWD_FILTER_CONV_DESC = 714, BWD_FILTER_DW = 715, BWD_FILTER_X = 716, BWD_FILTER_DY = 717,
  OPERATIONGRAPH_HANDLE = 800, OPERATIONGRAPH_OPS = 801, OPERATIONGRAPH_ENGINE_GLOBAL_COUNT = 802,
  TENSOR_BYTE_ALIGNMENT = 900, TENSOR_DATA_TYPE = 901, TENSOR_DIMENSIONS = 902, TENSOR_STRIDES = 903, TENSOR_VECTOR_COUNT = 904, TENSOR_UNIQUE_ID = 906, TENSOR_IS_VIRTUAL = 907,
  VARIANT_PACK_UNIQUE_IDS = 1000, VARIANT_PACK_DATA_POINTERS = 1001, VARIANT_PACK_WORKSPACE = 1003,
  ENGINE_OPERATION_GRAPH = 1300, ENGINE_GLOBAL_INDEX = 1301, ENGINE_NUMERICAL_NOTE = 1303, ENGINE_BEHAVIOR_NOTE = 1305, ENGINE_SM_COUNT_TARGET = 1306,
};

enum { DATA_FLOAT = 0, DATA_BFLOAT16 = 9, CROSS_CORRELATION = 1 };
enum { HEUR_INSTANT = 0, HEUR_B = 1, HEUR_FALLBACK = 2, HEUR_A = 3 };
enum { NOTE_TENSOR_CORE = 0, NOTE_NONDETERMINISTIC = 4 };

struct Descriptor;

/** Values of one attribute: numbers of whatever type as the nearest of these. Descriptors are copied when they are set, as by cuDNN. */
struct Values {
  std::vector<std::int64_t> integers;
  std::vector<double> reals;
  std::vector<std::shared_ptr<const Descriptor>> descriptors;
};

struct Descriptor {
  DescriptorType type;
  bool finalized = false;
  std::map<int, Values> values = {};

  bool has(int attribute) const { return values.count(attribute) > 0; }
  std::int64_t integer(int attribute) const { return values.at(attribute).integers.at(0); }
  const std::vector<std::int64_t>& integers(int attribute) const { return values.at(attribute).integers; }
  double real(int attribute) const { return values.at(attribute).reals.at(0); }
  const Descriptor& child(int attribute) const { return *values.at(attribute).descriptors.at(0); }
};

extern Table<Descriptor> cudnnDescriptors;

/** Keeps the reason for cudnnGetLastErrorString and standInLastFault. */
cudnnStatus_t refuseCudnn(cudnnStatus_t status, const std::string& why);
inline cudnnStatus_t bad(const std::string& why) { return refuseCudnn(CUDNN_STATUS_BAD_PARAM, why); }
/** Whether all attributes are there that a descriptor of this type needs; those that have defaults are filled in. */
cudnnStatus_t complete(Descriptor& descriptor);
const char* nameOf(DescriptorType type);

/** What a graph of one operation computes. */
struct Operation {
  Direction direction;
  Convolution convolution;
  std::int64_t computeType, mode;
  float alpha, beta;
  std::array<std::int64_t, 3> ids, alignments;
  const Tensor4& tensor(std::size_t n) const { return n == 0 ? convolution.x : n == 1 ? convolution.w : convolution.y; }
  std::size_t written() const { return direction == Direction::forward ? 2 : direction == Direction::data ? 0 : 1; }
  Element input() const { return tensor(written() == 0 ? 1 : 0).element; }
};

/** Of a finalized operation graph. */
Operation operationOf(const Descriptor& graph);
/** Whether an engine rounds float32 inputs as tensor cores read them. */
bool readsTf32(const Descriptor& engine);

bool isCudnnHandle(Handle handle);
/** Checks what a descriptor says as a whole; of engines, heuristics and plans, works out the results. */
cudnnStatus_t finalize(Descriptor& descriptor);
cudnnStatus_t finalizeEngine(Descriptor& engine);
cudnnStatus_t finalizeConfiguration(Descriptor& configuration);
cudnnStatus_t finalizeHeuristics(Descriptor& heuristics);
cudnnStatus_t finalizePlan(Descriptor& plan);
/** Engines for any graph, whether or not they take it. */
constexpr std::int64_t engineCount = 3;
