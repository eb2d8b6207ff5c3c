// cuDNN's handles, the rules for whole descriptors, engines and plans.
#include "cudnn.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "convolution.h"

namespace {

struct CudnnHandle { Context* context; Handle stream; };
Table<CudnnHandle> handles;
std::string lastError;

/** The attributes of an operation that mean the same for each. */
struct OperationNames { Direction direction; int convolution, x, w, y, alpha, beta; };
OperationNames namesOf(DescriptorType type) {
  switch (type) {
    case OPERATION_BWD_DATA: return {Direction::data, BWD_DATA_CONV_DESC, BWD_DATA_DX, BWD_DATA_W, BWD_DATA_DY, BWD_DATA_ALPHA, BWD_DATA_BETA};
    case OPERATION_BWD_FILTER: return {Direction::filter, BWD_FILTER_CONV_DESC, BWD_FILTER_X, BWD_FILTER_DW, BWD_FILTER_DY, BWD_FILTER_ALPHA, BWD_FILTER_BETA};
    default: return {Direction::forward, FORWARD_CONV_DESC, FORWARD_X, FORWARD_W, FORWARD_Y, FORWARD_ALPHA, FORWARD_BETA};
  }
}

Tensor4 tensorOf(const Descriptor& tensor) {
  Tensor4 result{tensor.integer(TENSOR_DATA_TYPE) == DATA_FLOAT ? Element::f32 : Element::bf16, {}, {}};
  for (std::size_t i = 0; i < 4; ++i) {
    result.size[i] = static_cast<std::size_t>(tensor.integers(TENSOR_DIMENSIONS)[i]);
    result.stride[i] = static_cast<std::size_t>(tensor.integers(TENSOR_STRIDES)[i]);
  }
  return result;
}

/** What a graph of one operation computes. */
struct Operation {
  Direction direction;
  Convolution convolution;
  float alpha, beta;
  std::array<std::int64_t, 3> ids, alignments;
  const Tensor4& tensor(std::size_t n) const { return n == 0 ? convolution.x : n == 1 ? convolution.w : convolution.y; }
  std::size_t written() const { return direction == Direction::forward ? 2 : direction == Direction::data ? 0 : 1; }
  Element input() const { return tensor(written() == 0 ? 1 : 0).element; }
};

Operation operationOf(const Descriptor& graph) {
  const Descriptor& described = graph.child(OPERATIONGRAPH_OPS);
  const OperationNames names = namesOf(described.type);
  const Descriptor &convolution = described.child(names.convolution), &x = described.child(names.x), &w = described.child(names.w), &y = described.child(names.y);
  const auto pair = [&](int name) { return std::array<std::ptrdiff_t, 2>{convolution.integers(name)[0], convolution.integers(name)[1]}; };
  return {names.direction, {tensorOf(x), tensorOf(w), tensorOf(y), pair(CONVOLUTION_PRE_PADDINGS), pair(CONVOLUTION_FILTER_STRIDES), pair(CONVOLUTION_DILATIONS)},
    static_cast<float>(described.real(names.alpha)), static_cast<float>(described.real(names.beta)),
    {x.integer(TENSOR_UNIQUE_ID), w.integer(TENSOR_UNIQUE_ID), y.integer(TENSOR_UNIQUE_ID)},
    {x.integer(TENSOR_BYTE_ALIGNMENT), w.integer(TENSOR_BYTE_ALIGNMENT), y.integer(TENSOR_BYTE_ALIGNMENT)}};
}

cudnnStatus_t bad(const std::string& why) { return refuseCudnn(CUDNN_STATUS_BAD_PARAM, why); }

cudnnStatus_t finalizeTensor(const Descriptor& tensor) {
  const std::int64_t type = tensor.integer(TENSOR_DATA_TYPE), alignment = tensor.integer(TENSOR_BYTE_ALIGNMENT);
  if (type != DATA_FLOAT && type != DATA_BFLOAT16) return refuseCudnn(CUDNN_STATUS_NOT_SUPPORTED, "tensors of data type " + std::to_string(type) + " are not in the stand-in");
  const std::int64_t bytes = type == DATA_FLOAT ? 4 : 2;
  if (alignment <= 0 || alignment % bytes != 0) return bad("a tensor's alignment must be a positive multiple of its elements' " + std::to_string(bytes) + " bytes, not " + std::to_string(alignment));
  const auto &sizes = tensor.integers(TENSOR_DIMENSIONS), &strides = tensor.integers(TENSOR_STRIDES);
  if (sizes.size() != strides.size()) return bad("a tensor has " + std::to_string(sizes.size()) + " dimensions and " + std::to_string(strides.size()) + " strides");
  for (std::size_t i = 0; i < sizes.size(); ++i) if (sizes[i] <= 0 || strides[i] <= 0) return bad("a tensor's dimensions and strides must be positive");
  if (tensor.integer(TENSOR_VECTOR_COUNT) != 1 || tensor.integer(TENSOR_IS_VIRTUAL) != 0) return refuseCudnn(CUDNN_STATUS_NOT_SUPPORTED, "tensors of vectors and virtual ones are not in the stand-in");
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t finalizeConvolution(const Descriptor& convolution) {
  const auto dimensions = static_cast<std::size_t>(convolution.integer(CONVOLUTION_SPATIAL_DIMS));
  for (const int name : {CONVOLUTION_DILATIONS, CONVOLUTION_FILTER_STRIDES, CONVOLUTION_PRE_PADDINGS, CONVOLUTION_POST_PADDINGS}) {
    const auto& values = convolution.integers(name);
    if (values.size() != dimensions) return bad("attribute " + std::to_string(name) + " must have a value for each of " + std::to_string(dimensions) + " spatial dimensions");
    const std::int64_t least = name == CONVOLUTION_PRE_PADDINGS || name == CONVOLUTION_POST_PADDINGS ? 0 : 1;
    if (*std::min_element(values.begin(), values.end()) < least) return bad("attribute " + std::to_string(name) + " must be at least " + std::to_string(least));
  }
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t finalizeOperation(const Descriptor& operation) {
  const OperationNames names = namesOf(operation.type);
  const Descriptor& convolution = operation.child(names.convolution);
  const auto &x = operation.child(names.x).integers(TENSOR_DIMENSIONS), &w = operation.child(names.w).integers(TENSOR_DIMENSIONS), &y = operation.child(names.y).integers(TENSOR_DIMENSIONS);
  const std::size_t spatial = convolution.integers(CONVOLUTION_DILATIONS).size();
  if (x.size() != spatial + 2 || w.size() != spatial + 2 || y.size() != spatial + 2) return bad("tensors of a convolution need two dimensions more than there are spatial ones");
  if (y[0] != x[0]) return bad("x has " + std::to_string(x[0]) + " images, y " + std::to_string(y[0]));
  if (y[1] != w[0]) return bad("w has " + std::to_string(w[0]) + " filters, y " + std::to_string(y[1]) + " channels");
  if (x[1] % w[1] != 0) return bad("x has " + std::to_string(x[1]) + " channels, no multiple of w's " + std::to_string(w[1]));
  for (std::size_t i = 0; i < spatial; ++i) {
    const std::int64_t extent = convolution.integers(CONVOLUTION_DILATIONS)[i] * (w[i + 2] - 1) + 1;
    const std::int64_t padded = x[i + 2] + convolution.integers(CONVOLUTION_PRE_PADDINGS)[i] + convolution.integers(CONVOLUTION_POST_PADDINGS)[i];
    const std::int64_t expected = padded < extent ? 0 : (padded - extent) / convolution.integers(CONVOLUTION_FILTER_STRIDES)[i] + 1;
    if (y[i + 2] != expected) return bad("y's spatial dimension " + std::to_string(i) + " is " + std::to_string(y[i + 2]) + ", the convolution gives " + std::to_string(expected));
  }
  return CUDNN_STATUS_SUCCESS;
}

/** Whether the dimensions lie in memory in this order, the first with the widest stride, without gaps. Where there is one of something its stride does not count. */
bool inOrder(const Tensor4& tensor, const std::array<std::size_t, 4>& order) {
  std::size_t expected = 1;
  for (std::size_t i = 4; i-- > 0; expected *= tensor.size[order[i]]) if (tensor.size[order[i]] > 1 && tensor.stride[order[i]] != expected) return false;
  return true;
}
bool channelsLast(const Tensor4& tensor) { return inOrder(tensor, {0, 2, 3, 1}); }

cudnnStatus_t finalizeGraph(const Descriptor& graph) {
  if (graph.values.at(OPERATIONGRAPH_OPS).descriptors.size() > 1) return refuseCudnn(CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN, "graphs of several operations are not in the stand-in");
  const Descriptor& described = graph.child(OPERATIONGRAPH_OPS);
  const OperationNames names = namesOf(described.type);
  if (described.child(names.convolution).integers(CONVOLUTION_DILATIONS).size() != 2) return refuseCudnn(CUDNN_STATUS_NOT_SUPPORTED, "the stand-in has convolutions of two spatial dimensions only");
  const Operation operation = operationOf(graph);
  if (std::set<std::int64_t>(operation.ids.begin(), operation.ids.end()).size() != 3) return bad("two tensors of a graph have one unique id");
  return CUDNN_STATUS_SUCCESS;
}

enum Engine : std::int64_t { nondeterministicTensorCores, tensorCores, plain, engines };

/** The kinds of graph that no engine is for. */
cudnnStatus_t unsupported(const Descriptor& graph) {
  const Descriptor& described = graph.child(OPERATIONGRAPH_OPS);
  const Descriptor& mode = described.child(namesOf(described.type).convolution);
  if (mode.integer(CONVOLUTION_COMP_TYPE) != DATA_FLOAT || mode.integer(CONVOLUTION_CONV_MODE) != CROSS_CORRELATION) {
    return refuseCudnn(CUDNN_STATUS_NOT_SUPPORTED, "the stand-in has cross-correlations that compute in float32 only");
  }
  const Operation operation = operationOf(graph);
  const Convolution& of = operation.convolution;
  if (of.x.size[1] != of.w.size[1]) return refuseCudnn(CUDNN_STATUS_NOT_SUPPORTED_SHAPE, "the stand-in has no convolutions in groups");
  const Element output = operation.tensor(operation.written()).element;
  for (std::size_t n = 0; n < 3; ++n) {
    if (n != operation.written() && operation.tensor(n).element != operation.input()) return refuseCudnn(CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE, "both inputs must have one type");
    const bool first = operation.input() == Element::f32 && inOrder(operation.tensor(n), {0, 1, 2, 3});
    if (!first && !channelsLast(operation.tensor(n))) return refuseCudnn(CUDNN_STATUS_NOT_SUPPORTED_LAYOUT, "tensors must be dense with their channels last, or in float32 first");
  }
  if (output != operation.input()) return refuseCudnn(CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE, "the output must have the inputs' type");
  return CUDNN_STATUS_SUCCESS;
}

/** Tensor cores read 16 bytes of channels at a time, so x and y need whole ones; the plain engine pads bf16 in its workspace. */
cudnnStatus_t engineRefuses(std::int64_t engine, const Operation& operation) {
  if (engine == plain) return CUDNN_STATUS_SUCCESS;
  if (engine == nondeterministicTensorCores && operation.direction != Direction::filter) return refuseCudnn(CUDNN_STATUS_NOT_SUPPORTED, "this engine is for gradients of filters");
  const Convolution& of = operation.convolution;
  const std::size_t multiple = 16 / bytesOf(operation.input());
  if (of.x.size[1] % multiple != 0 || of.y.size[1] % multiple != 0) return refuseCudnn(CUDNN_STATUS_NOT_SUPPORTED_SHAPE, "this engine needs multiples of " + std::to_string(multiple) + " channels");
  if (of.dilation[0] != 1 || of.dilation[1] != 1) return refuseCudnn(CUDNN_STATUS_NOT_SUPPORTED_SHAPE, "this engine has no dilation");
  for (std::size_t n = 0; n < 3; ++n) {
    if (operation.alignments[n] % 16 != 0 || !channelsLast(operation.tensor(n))) return refuseCudnn(CUDNN_STATUS_NOT_SUPPORTED_LAYOUT, "this engine needs tensors aligned to 16 bytes with their channels last");
  }
  return CUDNN_STATUS_SUCCESS;
}

std::int64_t workspaceOf(std::int64_t engine, const Operation& operation) {
  const auto whole = [](std::size_t bytes) { return static_cast<std::int64_t>((bytes + 255) / 256 * 256); };
  if (engine == plain) return operation.input() == Element::bf16 ? whole(4 * operation.convolution.x.elements()) : 0;
  return operation.direction == Direction::forward ? 0 : whole(4 * operation.tensor(operation.written()).elements());
}

Descriptor engineOf(const Descriptor& graph, std::int64_t index) {
  Descriptor engine{ENGINE, true};
  engine.values[ENGINE_OPERATION_GRAPH].descriptors = {std::make_shared<Descriptor>(graph)};
  engine.values[ENGINE_GLOBAL_INDEX].integers = {index};
  return engine;
}

void describeEngine(Descriptor& engine) {
  const Operation operation = operationOf(engine.child(ENGINE_OPERATION_GRAPH));
  const std::int64_t index = engine.integer(ENGINE_GLOBAL_INDEX);
  auto& notes = engine.values[ENGINE_NUMERICAL_NOTE].integers;
  notes.clear();
  if (index != plain || operation.input() == Element::bf16) notes.push_back(NOTE_TENSOR_CORE);
  if (index != plain && operation.input() == Element::f32) notes.push_back(NOTE_DOWN_CONVERT_INPUTS);
  if (index == nondeterministicTensorCores) notes.push_back(NOTE_NONDETERMINISTIC);
}

cudnnStatus_t finalizeEngine(Descriptor& engine) {
  const std::int64_t index = engine.integer(ENGINE_GLOBAL_INDEX);
  if (index < 0 || index >= engines) return refuseCudnn(CUDNN_STATUS_NOT_SUPPORTED, "there is no engine " + std::to_string(index));
  if (const cudnnStatus_t status = unsupported(engine.child(ENGINE_OPERATION_GRAPH))) return status;
  if (const cudnnStatus_t status = engineRefuses(index, operationOf(engine.child(ENGINE_OPERATION_GRAPH)))) return status;
  describeEngine(engine);
  return CUDNN_STATUS_SUCCESS;
}

void finalizeConfiguration(Descriptor& configuration) {
  const Descriptor& engine = configuration.child(ENGINECFG_ENGINE);
  configuration.values[ENGINECFG_WORKSPACE_SIZE].integers = {workspaceOf(engine.integer(ENGINE_GLOBAL_INDEX), operationOf(engine.child(ENGINE_OPERATION_GRAPH)))};
}

/** The fastest first. As by cuDNN, some of what heuristics offer is refused only when a plan is made of it: here tensor cores with dilation. */
cudnnStatus_t finalizeHeuristics(Descriptor& heuristics) {
  const std::int64_t mode = heuristics.integer(ENGINEHEUR_MODE);
  if (mode < HEUR_INSTANT || mode > HEUR_A) return bad("there is no heuristic mode " + std::to_string(mode));
  const Descriptor& graph = heuristics.child(ENGINEHEUR_OPERATION_GRAPH);
  if (const cudnnStatus_t status = unsupported(graph)) return status;
  Operation undilated = operationOf(graph);
  undilated.convolution.dilation = {1, 1};
  auto& results = heuristics.values[ENGINEHEUR_RESULTS].descriptors;
  for (std::int64_t index = mode == HEUR_FALLBACK ? plain : nondeterministicTensorCores; index < engines; ++index) {
    if (engineRefuses(index, undilated)) continue;
    Descriptor engine = engineOf(graph, index), configuration{ENGINECFG, true};
    describeEngine(engine);
    configuration.values[ENGINECFG_ENGINE].descriptors = {std::make_shared<Descriptor>(engine)};
    finalizeConfiguration(configuration);
    results.push_back(std::make_shared<Descriptor>(configuration));
  }
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t finalizePlan(Descriptor& plan) {
  const Descriptor& configuration = plan.child(EXECUTION_PLAN_ENGINE_CONFIG);
  const Descriptor& engine = configuration.child(ENGINECFG_ENGINE);
  if (const cudnnStatus_t status = engineRefuses(engine.integer(ENGINE_GLOBAL_INDEX), operationOf(engine.child(ENGINE_OPERATION_GRAPH)))) return status;
  plan.values[EXECUTION_PLAN_WORKSPACE_SIZE].integers = {configuration.integer(ENGINECFG_WORKSPACE_SIZE)};
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t finalizePack(const Descriptor& pack) {
  const auto &ids = pack.integers(VARIANT_PACK_UNIQUE_IDS), &pointers = pack.integers(VARIANT_PACK_DATA_POINTERS);
  if (ids.size() != pointers.size()) return bad("a variant pack has " + std::to_string(ids.size()) + " unique ids and " + std::to_string(pointers.size()) + " pointers");
  if (std::set<std::int64_t>(ids.begin(), ids.end()).size() != ids.size()) return bad("a variant pack has one unique id twice");
  return CUDNN_STATUS_SUCCESS;
}

}  // namespace

cudnnStatus_t refuseCudnn(cudnnStatus_t status, const std::string& why) {
  lastError = why;
  return refuse(status, "cuDNN: " + why);
}

bool isCudnnHandle(Handle handle) { return find(handles, handle) != nullptr; }

cudnnStatus_t finalize(Descriptor& descriptor) {
  switch (descriptor.type) {
    case TENSOR: return finalizeTensor(descriptor);
    case CONVOLUTION: return finalizeConvolution(descriptor);
    case OPERATION_FORWARD: case OPERATION_BWD_DATA: case OPERATION_BWD_FILTER: return finalizeOperation(descriptor);
    case OPERATIONGRAPH: descriptor.values[OPERATIONGRAPH_ENGINE_GLOBAL_COUNT].integers = {engines}; return finalizeGraph(descriptor);
    case ENGINE: return finalizeEngine(descriptor);
    case ENGINECFG: finalizeConfiguration(descriptor); return CUDNN_STATUS_SUCCESS;
    case ENGINEHEUR: return finalizeHeuristics(descriptor);
    case EXECUTION_PLAN: return finalizePlan(descriptor);
    case VARIANT_PACK: return finalizePack(descriptor);
  }
  return CUDNN_STATUS_NOT_SUPPORTED;
}

API std::size_t cudnnGetVersion() { return static_cast<std::size_t>(setting("STAND_IN_CUDNN_VERSION", 92400)); }
API std::size_t cudnnGetCudartVersion() { return static_cast<std::size_t>(setting("STAND_IN_NVRTC_VERSION", 13000)); }

API const char* cudnnGetErrorString(int status) {
  switch (status) {
#define X(name, code) case code: return #name;
    CUDNN_STATUSES(X)
#undef X
  }
  return "CUDNN_UNKNOWN_STATUS";
}

API void cudnnGetLastErrorString(char* text, std::size_t bytes) {
  std::lock_guard<std::mutex> lock(state().mutex);
  if (!text || bytes == 0) return;
  std::strncpy(text, lastError.c_str(), bytes - 1);
  text[bytes - 1] = 0;
}

API cudnnStatus_t cudnnCreate(Handle* handle) {
  std::lock_guard<std::mutex> lock(state().mutex);
  Context* context = nullptr;
  if (!handle) return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
  if (current(context)) return CUDNN_STATUS_NOT_INITIALIZED;
  *handle = keep(handles, std::make_shared<CudnnHandle>(CudnnHandle{context, 0}));
  return CUDNN_STATUS_SUCCESS;
}

API cudnnStatus_t cudnnDestroy(Handle handle) {
  std::lock_guard<std::mutex> lock(state().mutex);
  return handles.erase(handle) ? CUDNN_STATUS_SUCCESS : bad("the handle is none, or is destroyed");
}

API cudnnStatus_t cudnnSetStream(Handle handle, Handle stream) {
  std::lock_guard<std::mutex> lock(state().mutex);
  const auto found = find(handles, handle);
  if (!found) return bad("the handle is none, or is destroyed");
  if (stream > 2 && !find(state().streams, stream)) return bad("the stream is none, or is destroyed");
  found->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}

API cudnnStatus_t cudnnBackendExecute(Handle handle, Handle planHandle, Handle packHandle) {
  std::lock_guard<std::mutex> lock(state().mutex);
  const auto library = find(handles, handle);
  const auto plan = find(cudnnDescriptors, planHandle), pack = find(cudnnDescriptors, packHandle);
  if (!library) return bad("the handle is none, or is destroyed");
  if (!plan || plan->type != EXECUTION_PLAN || !pack || pack->type != VARIANT_PACK) return bad("there must be an execution plan and a variant pack, not destroyed");
  if (!plan->finalized || !pack->finalized) return refuseCudnn(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "the execution plan or the variant pack is not finalized");
  Context* context = nullptr;
  if (current(context) || context != library->context) return refuseCudnn(CUDNN_STATUS_EXECUTION_FAILED, "the context is not that of the handle, or has a fault");
  const Descriptor& engine = plan->child(EXECUTION_PLAN_ENGINE_CONFIG).child(ENGINECFG_ENGINE);
  const Operation operation = operationOf(engine.child(ENGINE_OPERATION_GRAPH));

  static const char* const names[] = {"x", "w", "y"};
  const auto &ids = pack->integers(VARIANT_PACK_UNIQUE_IDS), &pointers = pack->integers(VARIANT_PACK_DATA_POINTERS);
  std::array<std::uintptr_t, 3> at;
  std::vector<Span> spans;
  for (std::size_t n = 0; n < 3; ++n) {
    const auto found = std::find(ids.begin(), ids.end(), operation.ids[n]);
    if (found == ids.end()) return bad(std::string("the variant pack has no pointer for ") + names[n] + ", unique id " + std::to_string(operation.ids[n]));
    at[n] = static_cast<std::uintptr_t>(pointers[found - ids.begin()]);
    if (at[n] == 0) return refuseCudnn(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, std::string("the pointer for ") + names[n] + " is null");
    if (at[n] % operation.alignments[n] != 0) return refuseCudnn(CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER, std::string("the pointer for ") + names[n] + " is not aligned to " + std::to_string(operation.alignments[n]) + " bytes, as its tensor says");
    spans.push_back({n == operation.written() ? Access::write : Access::read, at[n], operation.tensor(n).bytes(), names[n]});
  }
  const std::int64_t bytes = plan->integer(EXECUTION_PLAN_WORKSPACE_SIZE), workspace = pack->integer(VARIANT_PACK_WORKSPACE);
  if (bytes > 0 && workspace == 0) return refuseCudnn(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "the plan needs " + std::to_string(bytes) + " bytes of workspace");
  if (bytes > 0 && workspace % 16 != 0) return refuseCudnn(CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER, "the workspace is not aligned to 16 bytes");
  spans.push_back({Access::write, static_cast<std::uintptr_t>(workspace), static_cast<std::size_t>(bytes), "workspace"});
  const bool asTf32 = operation.input() == Element::f32 && engine.integer(ENGINE_GLOBAL_INDEX) != plain;
  const CUresult error = enqueue(*context, library->stream, "cudnnBackendExecute", spans, [operation, at, asTf32] {
    convolve(operation.convolution, operation.direction, asTf32, operation.alpha, operation.beta, at[0], at[1], at[2]);
  });
  return error ? refuseCudnn(CUDNN_STATUS_EXECUTION_FAILED, "the stream does not take work, CUDA error " + std::to_string(error)) : CUDNN_STATUS_SUCCESS;
}

std::string unreturnedCudnn() {
  std::string lines;
  for (std::size_t n = 0; n < handles.size(); ++n) lines += "cuDNN: handle\n";
  for (const auto& entry : cudnnDescriptors) lines += std::string("cuDNN: descriptor of ") + nameOf(entry.second->type) + "\n";
  return lines;
}
void forgetCudnn() {
  handles.clear();
  cudnnDescriptors.clear();
}
