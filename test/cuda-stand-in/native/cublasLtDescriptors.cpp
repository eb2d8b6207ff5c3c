// Descriptors of cuBLASLt: matrix layouts, operations, preferences, all sets of attributes.
#include <cstring>

#include "cublasLt.h"

namespace {

Table<LtDescriptor> descriptors;

/** Number, bytes, value at first. */
struct Attribute { int number; std::size_t bytes; std::uint64_t initial; };

const std::vector<Attribute>& attributesOf(Kind kind) {
  static const std::vector<Attribute> layout = {
    {LAYOUT_TYPE, 4, 0}, {LAYOUT_ORDER, 4, 0}, {LAYOUT_ROWS, 8, 0}, {LAYOUT_COLS, 8, 0}, {LAYOUT_LD, 8, 0},
    {LAYOUT_BATCH_COUNT, 4, 1}, {LAYOUT_BATCH_OFFSET, 8, 0}, {LAYOUT_PLANE_OFFSET, 8, 0}, {LAYOUT_BATCH_MODE, 4, 0},
  };
  static const std::vector<Attribute> matmul = {
    {DESC_COMPUTE_TYPE, 4, 0}, {DESC_SCALE_TYPE, 4, 0}, {DESC_POINTER_MODE, 4, 0}, {DESC_TRANSA, 4, 0}, {DESC_TRANSB, 4, 0}, {DESC_TRANSC, 4, 0}, {DESC_FILL_MODE, 4, fullFill},
    {DESC_EPILOGUE, 4, EPILOGUE_DEFAULT}, {DESC_BIAS_POINTER, 8, 0}, {DESC_SM_COUNT_TARGET, 4, 0}, {DESC_BIAS_DATA_TYPE, 4, noBiasType},
  };
  static const std::vector<Attribute> preference = {
    {PREF_SEARCH_MODE, 4, 0}, {PREF_MAX_WORKSPACE_BYTES, 8, 0}, {PREF_REDUCTION_SCHEME_MASK, 4, 0x7}, {PREF_MIN_ALIGNMENT_A, 4, 256}, {PREF_MIN_ALIGNMENT_A + 1, 4, 256},
    {PREF_MIN_ALIGNMENT_A + 2, 4, 256}, {PREF_MIN_ALIGNMENT_A + 3, 4, 256}, {PREF_MAX_WAVES_COUNT, 4, 0}, {PREF_IMPL_MASK, 8, ~std::uint64_t{0}},
  };
  return kind == Kind::layout ? layout : kind == Kind::matmul ? matmul : preference;
}

cublasStatus_t create(Handle* handle, const LtDescriptor& descriptor) {
  std::lock_guard<std::mutex> lock(state().mutex);
  if (!handle) return CUBLAS_STATUS_INVALID_VALUE;
  *handle = keep(descriptors, std::make_shared<LtDescriptor>(descriptor));
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t destroy(Handle handle, Kind kind) {
  std::lock_guard<std::mutex> lock(state().mutex);
  if (!descriptorOf(handle, kind)) return invalid("a descriptor to destroy is none, or is destroyed");
  descriptors.erase(handle);
  return CUBLAS_STATUS_SUCCESS;
}

const Attribute* attributeOf(Kind kind, int number) {
  for (const Attribute& attribute : attributesOf(kind)) if (attribute.number == number) return &attribute;
  return nullptr;
}

cublasStatus_t setAttribute(Handle handle, Kind kind, int number, const void* value, std::size_t bytes) {
  std::lock_guard<std::mutex> lock(state().mutex);
  const auto found = descriptorOf(handle, kind);
  const Attribute* const attribute = attributeOf(kind, number);
  if (!found) return invalid("a descriptor is none, or is destroyed");
  if (!attribute) return invalid("attribute " + std::to_string(number) + " is not in the stand-in");
  if (!value || bytes != attribute->bytes) return invalid("attribute " + std::to_string(number) + " has " + std::to_string(attribute->bytes) + " bytes, not " + std::to_string(bytes));
  found->values[number] = 0;
  std::memcpy(&found->values[number], value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t getAttribute(Handle handle, Kind kind, int number, void* value, std::size_t bytes, std::size_t* written) {
  std::lock_guard<std::mutex> lock(state().mutex);
  const auto found = descriptorOf(handle, kind);
  const Attribute* const attribute = attributeOf(kind, number);
  if (!found || !attribute || (bytes == 0 ? !written : !value || bytes != attribute->bytes)) return invalid("attribute " + std::to_string(number) + " cannot be had: no descriptor, attribute or place for it");
  if (bytes != 0) std::memcpy(value, &found->values[number], bytes);
  if (written) *written = attribute->bytes;
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace

LtDescriptor::LtDescriptor(Kind kind) : kind(kind) { for (const Attribute& attribute : attributesOf(kind)) values[attribute.number] = attribute.initial; }

std::shared_ptr<LtDescriptor> descriptorOf(Handle handle, Kind kind) {
  const auto found = find(descriptors, handle);
  return found && found->kind == kind ? found : nullptr;
}

API cublasStatus_t cublasLtMatrixLayoutCreate(Handle* handle, int type, std::uint64_t rows, std::uint64_t cols, std::int64_t ld) {
  LtDescriptor layout(Kind::layout);
  layout.values[LAYOUT_TYPE] = static_cast<std::uint32_t>(type);
  layout.values[LAYOUT_ROWS] = rows, layout.values[LAYOUT_COLS] = cols, layout.values[LAYOUT_LD] = static_cast<std::uint64_t>(ld);
  return create(handle, layout);
}
API cublasStatus_t cublasLtMatrixLayoutDestroy(Handle handle) { return destroy(handle, Kind::layout); }
API cublasStatus_t cublasLtMatrixLayoutSetAttribute(Handle handle, int attribute, const void* value, std::size_t bytes) { return setAttribute(handle, Kind::layout, attribute, value, bytes); }
API cublasStatus_t cublasLtMatrixLayoutGetAttribute(Handle handle, int attribute, void* value, std::size_t bytes, std::size_t* written) {
  return getAttribute(handle, Kind::layout, attribute, value, bytes, written);
}

API cublasStatus_t cublasLtMatmulDescCreate(Handle* handle, int compute, int scale) {
  LtDescriptor operation(Kind::matmul);
  operation.values[DESC_COMPUTE_TYPE] = static_cast<std::uint32_t>(compute), operation.values[DESC_SCALE_TYPE] = static_cast<std::uint32_t>(scale);
  return create(handle, operation);
}
API cublasStatus_t cublasLtMatmulDescDestroy(Handle handle) { return destroy(handle, Kind::matmul); }
API cublasStatus_t cublasLtMatmulDescSetAttribute(Handle handle, int attribute, const void* value, std::size_t bytes) { return setAttribute(handle, Kind::matmul, attribute, value, bytes); }
API cublasStatus_t cublasLtMatmulDescGetAttribute(Handle handle, int attribute, void* value, std::size_t bytes, std::size_t* written) {
  return getAttribute(handle, Kind::matmul, attribute, value, bytes, written);
}

API cublasStatus_t cublasLtMatmulPreferenceCreate(Handle* handle) { return create(handle, LtDescriptor(Kind::preference)); }
API cublasStatus_t cublasLtMatmulPreferenceDestroy(Handle handle) { return destroy(handle, Kind::preference); }
API cublasStatus_t cublasLtMatmulPreferenceSetAttribute(Handle handle, int attribute, const void* value, std::size_t bytes) { return setAttribute(handle, Kind::preference, attribute, value, bytes); }
API cublasStatus_t cublasLtMatmulPreferenceGetAttribute(Handle handle, int attribute, void* value, std::size_t bytes, std::size_t* written) {
  return getAttribute(handle, Kind::preference, attribute, value, bytes, written);
}

std::string unreturnedLtDescriptors() {
  std::string lines;
  for (const auto& entry : descriptors) {
    const Kind kind = entry.second->kind;
    lines += std::string("cuBLASLt: ") + (kind == Kind::layout ? "matrix layout" : kind == Kind::matmul ? "matmul descriptor" : "preference") + "\n";
  }
  return lines;
}
void forgetLtDescriptors() { descriptors.clear(); }
