// What cuDNN's engines, heuristics and plans are here.
#include "cudnn.h"

namespace {

/** Whether the dimensions lie in memory in this order, the first with the widest stride, without gaps. Where there is one of something its stride does not count. */
bool inOrder(const Tensor4& tensor, const std::array<std::size_t, 4>& order) {
  std::size_t expected = 1;
  for (std::size_t i = 4; i-- > 0; expected *= tensor.size[order[i]]) if (tensor.size[order[i]] > 1 && tensor.stride[order[i]] != expected) return false;
  return true;
}
bool channelsLast(const Tensor4& tensor) { return inOrder(tensor, {0, 2, 3, 1}); }

enum Engine : std::int64_t { nondeterministicTensorCores, tensorCores, plain };

/** The kinds of graph that no engine is for. */
cudnnStatus_t unsupported(const Descriptor& graph) {
  const Operation operation = operationOf(graph);
  if (operation.computeType != DATA_FLOAT || operation.mode != CROSS_CORRELATION) return refuseCudnn(CUDNN_STATUS_NOT_SUPPORTED, "the stand-in has cross-correlations that compute in float32 only");
  if (operation.input() == Element::bf16 && capability() < 80) return refuseCudnn(CUDNN_STATUS_NOT_SUPPORTED, "the device has no arithmetic of bfloat16");
  const Convolution& of = operation.convolution;
  const bool inGroups = of.x.size[1] != of.w.size[1];
  if (inGroups && (of.dilation[0] != 1 || of.dilation[1] != 1)) return refuseCudnn(CUDNN_STATUS_NOT_SUPPORTED_SHAPE, "the stand-in has no convolutions in groups with dilation");
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
  if (of.x.size[1] != of.w.size[1]) return refuseCudnn(CUDNN_STATUS_NOT_SUPPORTED_SHAPE, "this engine has no groups");
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
  if (index == nondeterministicTensorCores) notes.push_back(NOTE_NONDETERMINISTIC);
}

}  // namespace

bool readsTf32(const Descriptor& engine) {
  return engine.integer(ENGINE_GLOBAL_INDEX) != plain && operationOf(engine.child(ENGINE_OPERATION_GRAPH)).input() == Element::f32;
}

cudnnStatus_t finalizeEngine(Descriptor& engine) {
  const std::int64_t index = engine.integer(ENGINE_GLOBAL_INDEX);
  if (index < 0 || index >= engineCount) return refuseCudnn(CUDNN_STATUS_NOT_SUPPORTED, "there is no engine " + std::to_string(index));
  if (const cudnnStatus_t status = unsupported(engine.child(ENGINE_OPERATION_GRAPH))) return status;
  if (const cudnnStatus_t status = engineRefuses(index, operationOf(engine.child(ENGINE_OPERATION_GRAPH)))) return status;
  describeEngine(engine);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t finalizeConfiguration(Descriptor& configuration) {
  const Descriptor& engine = configuration.child(ENGINECFG_ENGINE);
  configuration.values[ENGINECFG_WORKSPACE_SIZE].integers = {workspaceOf(engine.integer(ENGINE_GLOBAL_INDEX), operationOf(engine.child(ENGINE_OPERATION_GRAPH)))};
  return CUDNN_STATUS_SUCCESS;
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
  for (std::int64_t index = mode == HEUR_FALLBACK ? plain : nondeterministicTensorCores; index < engineCount; ++index) {
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
