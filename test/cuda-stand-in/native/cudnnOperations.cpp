// The rules for whole descriptors of cuDNN: tensors, convolutions, operations, graphs, variant packs.
#include <algorithm>
#include <set>

#include "cudnn.h"

namespace {

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
  if (w[0] % (x[1] / w[1]) != 0) return bad("w has " + std::to_string(w[0]) + " filters, no multiple of the " + std::to_string(x[1] / w[1]) + " groups");
  for (std::size_t i = 0; i < spatial; ++i) {
    const std::int64_t extent = convolution.integers(CONVOLUTION_DILATIONS)[i] * (w[i + 2] - 1) + 1;
    const std::int64_t padded = x[i + 2] + convolution.integers(CONVOLUTION_PRE_PADDINGS)[i] + convolution.integers(CONVOLUTION_POST_PADDINGS)[i];
    const std::int64_t expected = padded < extent ? 0 : (padded - extent) / convolution.integers(CONVOLUTION_FILTER_STRIDES)[i] + 1;
    if (y[i + 2] != expected) return bad("y's spatial dimension " + std::to_string(i) + " is " + std::to_string(y[i + 2]) + ", the convolution gives " + std::to_string(expected));
  }
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t finalizeGraph(const Descriptor& graph) {
  if (graph.values.at(OPERATIONGRAPH_OPS).descriptors.size() > 1) return refuseCudnn(CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN, "graphs of several operations are not in the stand-in");
  const Descriptor& described = graph.child(OPERATIONGRAPH_OPS);
  const OperationNames names = namesOf(described.type);
  if (described.child(names.convolution).integers(CONVOLUTION_DILATIONS).size() != 2) return refuseCudnn(CUDNN_STATUS_NOT_SUPPORTED, "the stand-in has convolutions of two spatial dimensions only");
  const Operation operation = operationOf(graph);
  if (std::set<std::int64_t>(operation.ids.begin(), operation.ids.end()).size() != 3) return bad("two tensors of a graph have one unique id");
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t finalizePack(const Descriptor& pack) {
  const auto &ids = pack.integers(VARIANT_PACK_UNIQUE_IDS), &pointers = pack.integers(VARIANT_PACK_DATA_POINTERS);
  if (ids.size() != pointers.size()) return bad("a variant pack has " + std::to_string(ids.size()) + " unique ids and " + std::to_string(pointers.size()) + " pointers");
  if (std::set<std::int64_t>(ids.begin(), ids.end()).size() != ids.size()) return bad("a variant pack has one unique id twice");
  return CUDNN_STATUS_SUCCESS;
}

}  // namespace

Operation operationOf(const Descriptor& graph) {
  const Descriptor& described = graph.child(OPERATIONGRAPH_OPS);
  const OperationNames names = namesOf(described.type);
  const Descriptor &convolution = described.child(names.convolution), &x = described.child(names.x), &w = described.child(names.w), &y = described.child(names.y);
  const auto pair = [&](int name) { return std::array<std::ptrdiff_t, 2>{convolution.integers(name)[0], convolution.integers(name)[1]}; };
  return {names.direction, {tensorOf(x), tensorOf(w), tensorOf(y), pair(CONVOLUTION_PRE_PADDINGS), pair(CONVOLUTION_FILTER_STRIDES), pair(CONVOLUTION_DILATIONS)},
    convolution.integer(CONVOLUTION_COMP_TYPE), convolution.integer(CONVOLUTION_CONV_MODE), static_cast<float>(described.real(names.alpha)), static_cast<float>(described.real(names.beta)),
    {x.integer(TENSOR_UNIQUE_ID), w.integer(TENSOR_UNIQUE_ID), y.integer(TENSOR_UNIQUE_ID)},
    {x.integer(TENSOR_BYTE_ALIGNMENT), w.integer(TENSOR_BYTE_ALIGNMENT), y.integer(TENSOR_BYTE_ALIGNMENT)}};
}

cudnnStatus_t finalize(Descriptor& descriptor) {
  switch (descriptor.type) {
    case TENSOR: return finalizeTensor(descriptor);
    case CONVOLUTION: return finalizeConvolution(descriptor);
    case OPERATION_FORWARD: case OPERATION_BWD_DATA: case OPERATION_BWD_FILTER: return finalizeOperation(descriptor);
    case OPERATIONGRAPH: descriptor.values[OPERATIONGRAPH_ENGINE_GLOBAL_COUNT].integers = {engineCount}; return finalizeGraph(descriptor);
    case ENGINE: return finalizeEngine(descriptor);
    case ENGINECFG: return finalizeConfiguration(descriptor);
    case ENGINEHEUR: return finalizeHeuristics(descriptor);
    case EXECUTION_PLAN: return finalizePlan(descriptor);
    case VARIANT_PACK: return finalizePack(descriptor);
  }
  return CUDNN_STATUS_NOT_SUPPORTED;
}
