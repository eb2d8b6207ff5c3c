// Descriptors of cuDNN's backend API: which attributes each type has, and how they are set and read.
#include <cstring>

#include "cudnn.h"

Table<Descriptor> cudnnDescriptors;

namespace {

enum class Use { required, optional, result };
struct Attribute { DescriptorType owner; int name, type; std::int64_t least, most; Use use; double initial; };

constexpr Attribute required(DescriptorType owner, int name, int type, std::int64_t least = 1, std::int64_t most = 1) { return {owner, name, type, least, most, Use::required, 0}; }
constexpr Attribute optional(DescriptorType owner, int name, int type, double initial) { return {owner, name, type, 1, 1, Use::optional, initial}; }
constexpr Attribute result(DescriptorType owner, int name, int type) { return {owner, name, type, 0, INT64_MAX, Use::result, 0}; }

constexpr std::int64_t most = 8;
const Attribute attributes[] = {
  required(TENSOR, TENSOR_UNIQUE_ID, TYPE_INT64), required(TENSOR, TENSOR_DATA_TYPE, TYPE_DATA_TYPE), required(TENSOR, TENSOR_BYTE_ALIGNMENT, TYPE_INT64),
  required(TENSOR, TENSOR_DIMENSIONS, TYPE_INT64, 1, most), required(TENSOR, TENSOR_STRIDES, TYPE_INT64, 1, most), optional(TENSOR, TENSOR_VECTOR_COUNT, TYPE_INT64, 1),
  optional(TENSOR, TENSOR_IS_VIRTUAL, TYPE_BOOLEAN, 0),
  required(CONVOLUTION, CONVOLUTION_COMP_TYPE, TYPE_DATA_TYPE), required(CONVOLUTION, CONVOLUTION_CONV_MODE, TYPE_CONVOLUTION_MODE), required(CONVOLUTION, CONVOLUTION_SPATIAL_DIMS, TYPE_INT64),
  required(CONVOLUTION, CONVOLUTION_DILATIONS, TYPE_INT64, 1, most), required(CONVOLUTION, CONVOLUTION_FILTER_STRIDES, TYPE_INT64, 1, most),
  required(CONVOLUTION, CONVOLUTION_PRE_PADDINGS, TYPE_INT64, 1, most), required(CONVOLUTION, CONVOLUTION_POST_PADDINGS, TYPE_INT64, 1, most),
#define OPERATION(owner, prefix, x, w, y) \
  required(owner, prefix##_CONV_DESC, TYPE_BACKEND_DESCRIPTOR), required(owner, x, TYPE_BACKEND_DESCRIPTOR), required(owner, w, TYPE_BACKEND_DESCRIPTOR), required(owner, y, TYPE_BACKEND_DESCRIPTOR), \
  optional(owner, prefix##_ALPHA, TYPE_FLOAT, 1), optional(owner, prefix##_ALPHA, TYPE_DOUBLE, 1), optional(owner, prefix##_BETA, TYPE_FLOAT, 0), optional(owner, prefix##_BETA, TYPE_DOUBLE, 0)
  OPERATION(OPERATION_FORWARD, FORWARD, FORWARD_X, FORWARD_W, FORWARD_Y),
  OPERATION(OPERATION_BWD_DATA, BWD_DATA, BWD_DATA_DX, BWD_DATA_W, BWD_DATA_DY),
  OPERATION(OPERATION_BWD_FILTER, BWD_FILTER, BWD_FILTER_X, BWD_FILTER_DW, BWD_FILTER_DY),
#undef OPERATION
  optional(OPERATIONGRAPH, OPERATIONGRAPH_HANDLE, TYPE_HANDLE, 0), required(OPERATIONGRAPH, OPERATIONGRAPH_OPS, TYPE_BACKEND_DESCRIPTOR, 1, most), result(OPERATIONGRAPH, OPERATIONGRAPH_ENGINE_GLOBAL_COUNT, TYPE_INT64),
  required(ENGINEHEUR, ENGINEHEUR_OPERATION_GRAPH, TYPE_BACKEND_DESCRIPTOR), required(ENGINEHEUR, ENGINEHEUR_MODE, TYPE_HEUR_MODE), optional(ENGINEHEUR, ENGINEHEUR_SM_COUNT_TARGET, TYPE_INT32, 0),
  result(ENGINEHEUR, ENGINEHEUR_RESULTS, TYPE_BACKEND_DESCRIPTOR),
  required(ENGINE, ENGINE_OPERATION_GRAPH, TYPE_BACKEND_DESCRIPTOR), required(ENGINE, ENGINE_GLOBAL_INDEX, TYPE_INT64), optional(ENGINE, ENGINE_SM_COUNT_TARGET, TYPE_INT32, 0),
  result(ENGINE, ENGINE_NUMERICAL_NOTE, TYPE_NUMERICAL_NOTE), result(ENGINE, ENGINE_BEHAVIOR_NOTE, TYPE_BEHAVIOR_NOTE),
  required(ENGINECFG, ENGINECFG_ENGINE, TYPE_BACKEND_DESCRIPTOR), result(ENGINECFG, ENGINECFG_WORKSPACE_SIZE, TYPE_INT64),
  required(EXECUTION_PLAN, EXECUTION_PLAN_HANDLE, TYPE_HANDLE), required(EXECUTION_PLAN, EXECUTION_PLAN_ENGINE_CONFIG, TYPE_BACKEND_DESCRIPTOR), result(EXECUTION_PLAN, EXECUTION_PLAN_WORKSPACE_SIZE, TYPE_INT64),
  required(VARIANT_PACK, VARIANT_PACK_UNIQUE_IDS, TYPE_INT64, 0, INT64_MAX), required(VARIANT_PACK, VARIANT_PACK_DATA_POINTERS, TYPE_VOID_PTR, 0, INT64_MAX), optional(VARIANT_PACK, VARIANT_PACK_WORKSPACE, TYPE_VOID_PTR, 0),
};

/** Types that an attribute may hold descriptors of. */
bool mayHold(int attribute, DescriptorType type) {
  switch (attribute) {
    case FORWARD_CONV_DESC: case BWD_DATA_CONV_DESC: case BWD_FILTER_CONV_DESC: return type == CONVOLUTION;
    case OPERATIONGRAPH_OPS: return type == OPERATION_FORWARD || type == OPERATION_BWD_DATA || type == OPERATION_BWD_FILTER;
    case ENGINEHEUR_OPERATION_GRAPH: case ENGINE_OPERATION_GRAPH: return type == OPERATIONGRAPH;
    case ENGINEHEUR_RESULTS: case EXECUTION_PLAN_ENGINE_CONFIG: return type == ENGINECFG;
    case ENGINECFG_ENGINE: return type == ENGINE;
    default: return type == TENSOR;
  }
}

std::size_t bytesOf(int type) {
  switch (type) {
    case TYPE_BOOLEAN: return 1;
    case TYPE_HANDLE: case TYPE_INT64: case TYPE_DOUBLE: case TYPE_VOID_PTR: case TYPE_BACKEND_DESCRIPTOR: return 8;
    default: return 4;
  }
}

bool isReal(int type) { return type == TYPE_FLOAT || type == TYPE_DOUBLE; }

void append(Values& values, int type, const char* at) {
  if (type == TYPE_FLOAT) {
    float value;
    std::memcpy(&value, at, 4);
    values.reals.push_back(value);
  } else if (type == TYPE_DOUBLE) {
    values.reals.emplace_back();
    std::memcpy(&values.reals.back(), at, 8);
  } else if (bytesOf(type) == 4) {
    std::int32_t value;
    std::memcpy(&value, at, 4);
    values.integers.push_back(value);
  } else {
    values.integers.emplace_back();
    std::memcpy(&values.integers.back(), at, bytesOf(type));
  }
}

void copyOut(const Values& values, int type, std::size_t n, char* at) {
  if (type == TYPE_FLOAT) {
    const auto value = static_cast<float>(values.reals[n]);
    std::memcpy(at, &value, 4);
  } else if (type == TYPE_DOUBLE) std::memcpy(at, &values.reals[n], 8);
  else std::memcpy(at, &values.integers[n], bytesOf(type));  // little-endian
}

/** An attribute of a descriptor; null, with the status, if it has none of this name and type. */
const Attribute* attributeOf(DescriptorType owner, int name, int type, cudnnStatus_t& status) {
  bool known = false;
  for (const Attribute& attribute : attributes) {
    if (attribute.owner != owner || attribute.name != name) continue;
    if (attribute.type == type) return &attribute;
    known = true;
  }
  status = known ? refuseCudnn(CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE, "attribute " + std::to_string(name) + " does not have the type " + std::to_string(type))
                 : refuseCudnn(CUDNN_STATUS_BAD_PARAM, std::string(nameOf(owner)) + " has no attribute " + std::to_string(name) + " in the stand-in");
  return nullptr;
}

cudnnStatus_t destroyedOrNone() { return refuseCudnn(CUDNN_STATUS_BAD_PARAM, "a descriptor is none, or is destroyed"); }

}  // namespace

const char* nameOf(DescriptorType type) {
  switch (type) {
    case CONVOLUTION: return "a convolution";
    case ENGINE: return "an engine";
    case ENGINECFG: return "an engine configuration";
    case ENGINEHEUR: return "an engine heuristic";
    case EXECUTION_PLAN: return "an execution plan";
    case OPERATION_FORWARD: case OPERATION_BWD_FILTER: case OPERATION_BWD_DATA: return "an operation";
    case OPERATIONGRAPH: return "an operation graph";
    case VARIANT_PACK: return "a variant pack";
    case TENSOR: return "a tensor";
  }
  return nullptr;
}

cudnnStatus_t complete(Descriptor& descriptor) {
  for (const Attribute& attribute : attributes) {
    if (attribute.owner != descriptor.type || descriptor.has(attribute.name)) continue;
    if (attribute.use == Use::required) return refuseCudnn(CUDNN_STATUS_BAD_PARAM, std::string(nameOf(descriptor.type)) + " lacks its attribute " + std::to_string(attribute.name));
    if (attribute.use != Use::optional) continue;
    Values& values = descriptor.values[attribute.name];
    if (isReal(attribute.type)) values.reals = {attribute.initial};
    else values.integers = {static_cast<std::int64_t>(attribute.initial)};
  }
  return CUDNN_STATUS_SUCCESS;
}

API cudnnStatus_t cudnnBackendCreateDescriptor(int type, Handle* handle) {
  std::lock_guard<std::mutex> lock(state().mutex);
  if (!handle) return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
  if (!nameOf(static_cast<DescriptorType>(type))) return refuseCudnn(CUDNN_STATUS_NOT_SUPPORTED, "descriptors of type " + std::to_string(type) + " are not in the stand-in");
  *handle = keep(cudnnDescriptors, std::make_shared<Descriptor>(Descriptor{static_cast<DescriptorType>(type)}));
  return CUDNN_STATUS_SUCCESS;
}

API cudnnStatus_t cudnnBackendDestroyDescriptor(Handle handle) {
  std::lock_guard<std::mutex> lock(state().mutex);
  if (!handle) return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
  return cudnnDescriptors.erase(handle) ? CUDNN_STATUS_SUCCESS : destroyedOrNone();
}

API cudnnStatus_t cudnnBackendFinalize(Handle handle) {
  std::lock_guard<std::mutex> lock(state().mutex);
  const auto descriptor = find(cudnnDescriptors, handle);
  if (!descriptor) return destroyedOrNone();
  if (descriptor->finalized) return refuseCudnn(CUDNN_STATUS_BAD_PARAM, std::string(nameOf(descriptor->type)) + " is finalized already");
  if (const cudnnStatus_t status = complete(*descriptor)) return status;
  for (const auto& [name, values] : descriptor->values) for (const auto& child : values.descriptors) {
    if (!child->finalized) return refuseCudnn(CUDNN_STATUS_BAD_PARAM, std::string(nameOf(child->type)) + " was not finalized when it was set as attribute " + std::to_string(name));
  }
  if (const cudnnStatus_t status = finalize(*descriptor)) return status;
  descriptor->finalized = true;
  return CUDNN_STATUS_SUCCESS;
}

API cudnnStatus_t cudnnBackendSetAttribute(Handle handle, int name, int type, std::int64_t count, const void* given) {
  std::lock_guard<std::mutex> lock(state().mutex);
  const auto descriptor = find(cudnnDescriptors, handle);
  if (!descriptor) return destroyedOrNone();
  if (descriptor->finalized) return refuseCudnn(CUDNN_STATUS_BAD_PARAM, std::string(nameOf(descriptor->type)) + " is finalized: its attributes cannot change");
  cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
  const Attribute* const attribute = attributeOf(descriptor->type, name, type, status);
  if (!attribute) return status;
  if (attribute->use == Use::result) return refuseCudnn(CUDNN_STATUS_BAD_PARAM, "attribute " + std::to_string(name) + " can only be read");
  if (count < attribute->least || count > attribute->most || (count > 0 && !given)) {
    return refuseCudnn(CUDNN_STATUS_BAD_PARAM, "attribute " + std::to_string(name) + " cannot have " + std::to_string(count) + " values" + (given ? "" : " at a null pointer"));
  }
  Values values;
  for (std::int64_t n = 0; n < count; ++n) append(values, type, static_cast<const char*>(given) + n * bytesOf(type));
  for (std::int64_t n = 0; type == TYPE_BACKEND_DESCRIPTOR && n < count; ++n) {
    const auto child = find(cudnnDescriptors, static_cast<Handle>(values.integers[n]));
    if (!child) return destroyedOrNone();
    if (!mayHold(name, child->type)) return refuseCudnn(CUDNN_STATUS_BAD_PARAM, "attribute " + std::to_string(name) + " cannot be " + nameOf(child->type));
    values.descriptors.push_back(std::make_shared<Descriptor>(*child));
  }
  if (type == TYPE_HANDLE && !isCudnnHandle(static_cast<Handle>(values.integers[0]))) return refuseCudnn(CUDNN_STATUS_BAD_PARAM, "the handle is none, or is destroyed");
  descriptor->values[name] = std::move(values);
  return CUDNN_STATUS_SUCCESS;
}

/** Descriptors are copied into those that the caller has made for them. With no place for values, tells how many there are. */
API cudnnStatus_t cudnnBackendGetAttribute(Handle handle, int name, int type, std::int64_t asked, std::int64_t* count, void* place) {
  std::lock_guard<std::mutex> lock(state().mutex);
  const auto descriptor = find(cudnnDescriptors, handle);
  if (!descriptor) return destroyedOrNone();
  if (!descriptor->finalized) return refuseCudnn(CUDNN_STATUS_NOT_INITIALIZED, std::string(nameOf(descriptor->type)) + " is not finalized: it has no attributes to read");
  cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
  if (!attributeOf(descriptor->type, name, type, status)) return status;
  if (asked < 0 || (asked > 0 && !place)) return refuseCudnn(CUDNN_STATUS_BAD_PARAM, "there is no place for the values of attribute " + std::to_string(name));
  const Values& values = descriptor->values[name];
  const auto held = static_cast<std::int64_t>(type == TYPE_BACKEND_DESCRIPTOR ? values.descriptors.size() : isReal(type) ? values.reals.size() : values.integers.size());
  const std::int64_t given = asked < held ? asked : held;
  for (std::int64_t n = 0; n < given; ++n) {
    char* const at = static_cast<char*>(place) + n * bytesOf(type);
    if (type != TYPE_BACKEND_DESCRIPTOR) {
      copyOut(values, type, n, at);
      continue;
    }
    Handle target;
    std::memcpy(&target, at, sizeof target);
    const auto into = find(cudnnDescriptors, target);
    if (!into || into->type != values.descriptors[n]->type) return refuseCudnn(CUDNN_STATUS_BAD_PARAM, std::string("there must be a descriptor made for ") + nameOf(values.descriptors[n]->type));
    *into = *values.descriptors[n];
  }
  if (count) *count = asked == 0 ? held : given;
  return CUDNN_STATUS_SUCCESS;
}
