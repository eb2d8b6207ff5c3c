// cuDNN's handles, the execution of plans.
#include "cudnn.h"

#include <algorithm>
#include <cstring>

namespace {

struct CudnnHandle { Context* context; Handle stream; };
Table<CudnnHandle> handles;
std::string lastError;

}  // namespace

cudnnStatus_t refuseCudnn(cudnnStatus_t status, const std::string& why) {
  lastError = why;
  return refuse(status, "cuDNN: " + why);
}

bool isCudnnHandle(Handle handle) { return find(handles, handle) != nullptr; }

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
  const bool asTf32 = readsTf32(engine);
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
