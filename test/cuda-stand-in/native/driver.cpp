// Initialisation, devices, contexts, error names.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "memory.h"
#include "state.h"

State& state() {
  static State* const instance = new State;
  return *instance;
}

std::int64_t setting(const char* name, std::int64_t otherwise) {
  const char* const text = std::getenv(name);
  return text && *text ? std::strtoll(text, nullptr, 10) : otherwise;
}

int deviceCount() { return static_cast<int>(setting("STAND_IN_DEVICES", 2)); }
int capability() { return static_cast<int>(setting("STAND_IN_CAPABILITY", 90)); }
std::size_t memoryOf(int) { return static_cast<std::size_t>(setting("STAND_IN_MEMORY", std::int64_t{1} << 30)); }

static thread_local Handle currentContext = 0;

CUresult current(Context*& context) {
  if (!state().initialised) return CUDA_ERROR_NOT_INITIALIZED;
  const auto found = find(state().contexts, currentContext);
  if (!found) return CUDA_ERROR_INVALID_CONTEXT;
  context = found.get();
  return context->fault;
}

CUresult currentOutsideCapture(Context*& context) {
  if (const CUresult error = current(context)) return error;
  CUresult result = CUDA_SUCCESS;
  for (const auto& [handle, stream] : state().streams) {
    if (stream->context != context || !stream->capture || stream->capture->relaxed) continue;
    stream->capture->spoilt = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  return result;
}

void raise(Context& context, const Fault& fault) {
  if (context.fault != CUDA_SUCCESS) return;
  context.fault = static_cast<CUresult>(fault.code);
  state().lastFault = fault.message;
}

namespace {

CUresult deviceError(CUdevice device) {
  if (!state().initialised) return CUDA_ERROR_NOT_INITIALIZED;
  return device >= 0 && device < deviceCount() ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

template <typename T> void countLines(Table<T>& table, const Context& context, const char* what, std::string& lines) {
  for (const auto& [handle, object] : table) {
    if (object->context != &context) continue;
    char number[32];
    std::snprintf(number, sizeof number, " 0x%zx", static_cast<std::size_t>(handle));
    lines += "device " + std::to_string(context.device) + ": " + what + number + "\n";
  }
}

template <typename T> void dropAll(Table<T>& table, const Context& context) {
  for (auto entry = table.begin(); entry != table.end();) entry = entry->second->context == &context ? table.erase(entry) : std::next(entry);
}

const auto appendBlock = [](Block& block, void* lines) {
  *static_cast<std::string*>(lines) += (block.device == hostDevice ? std::string("host") : "device " + std::to_string(block.device)) + ": block " +
    std::to_string(block.number) + " of " + std::to_string(block.size) + " bytes\n";
};

}  // namespace

std::string unreturned(Context& context) {
  std::string lines;
  forEachBlock(context.device, appendBlock, &lines);
  if (state().contexts.size() == 1) forEachBlock(hostDevice, appendBlock, &lines);
  countLines(state().streams, context, "stream", lines);
  countLines(state().events, context, "event", lines);
  countLines(state().modules, context, "module", lines);
  countLines(state().graphs, context, "graph", lines);
  countLines(state().executables, context, "executable graph", lines);
  return lines + unreturnedNccl(context);
}

void destroyContents(Context& context) {
  forgetNccl(context);
  dropAll(state().executables, context);
  dropAll(state().graphs, context);
  dropAll(state().functions, context);
  dropAll(state().events, context);
  dropAll(state().streams, context);
  dropAll(state().modules, context);
  const auto retire = [](Block& block, void*) { retireBlock(block); };
  forEachBlock(context.device, retire, nullptr);
  if (state().contexts.size() == 1) forEachBlock(hostDevice, retire, nullptr);
}

API CUresult cuInit(unsigned int flags) {
  std::lock_guard<std::mutex> lock(state().mutex);
  if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
  if (deviceCount() < 1) return CUDA_ERROR_NO_DEVICE;
  state().initialised = true;
  return CUDA_SUCCESS;
}

API CUresult cuDriverGetVersion(int* version) {
  if (!version) return CUDA_ERROR_INVALID_VALUE;
  *version = static_cast<int>(setting("STAND_IN_DRIVER_VERSION", 13000));
  return CUDA_SUCCESS;
}

API CUresult cuDeviceGetCount(int* count) {
  if (!state().initialised) return CUDA_ERROR_NOT_INITIALIZED;
  if (!count) return CUDA_ERROR_INVALID_VALUE;
  *count = deviceCount();
  return CUDA_SUCCESS;
}

API CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  if (const CUresult error = deviceError(ordinal)) return error;
  *device = ordinal;
  return CUDA_SUCCESS;
}

API CUresult cuDeviceGetName(char* name, int length, CUdevice device) {
  if (const CUresult error = deviceError(device)) return error;
  if (!name || length < 1) return CUDA_ERROR_INVALID_VALUE;
  std::snprintf(name, static_cast<std::size_t>(length), "host stand-in %d", device);
  return CUDA_SUCCESS;
}

API CUresult cuDeviceGetAttribute(int* value, int attribute, CUdevice device) {
  if (const CUresult error = deviceError(device)) return error;
  const std::map<int, int> attributes = {
    {1, 1024}, {2, 1024}, {3, 1024}, {4, 64},              // threads of a block, in all and by dimension
    {5, 2147483647}, {6, 65535}, {7, 65535},               // blocks of a grid by dimension
    {8, 48 << 10}, {9, 64 << 10}, {10, 32}, {12, 65536},   // shared and constant memory, warp size, registers of a block
    {13, 1000000}, {16, 4}, {17, 0}, {18, 0}, {19, 1},     // clock in kHz, multiprocessors, no timeout, discrete, can map host memory
    {20, 0}, {31, 1}, {32, 0}, {33, 1}, {34, 0},           // compute mode, concurrent kernels, ECC, PCI bus and device
    {36, 1000000}, {37, 64}, {38, 1 << 20}, {39, 2048},    // memory clock and bus width, L2 cache, threads of a multiprocessor
    {40, 1}, {41, 1}, {75, capability() / 10}, {76, capability() % 10},                    // copy engines, unified addressing, compute capability
    {81, 228 << 10}, {82, 65536}, {97, 227 << 10}, {115, 1}, // shared memory and registers of a multiprocessor, opt-in shared memory, memory pools
  };
  const auto found = attributes.find(attribute);
  if (!value || found == attributes.end()) return CUDA_ERROR_INVALID_VALUE;
  *value = found->second;
  return CUDA_SUCCESS;
}

API CUresult cuDeviceTotalMem_v2(std::size_t* bytes, CUdevice device) {
  if (const CUresult error = deviceError(device)) return error;
  *bytes = memoryOf(device);
  return CUDA_SUCCESS;
}

API CUresult cuDevicePrimaryCtxRetain(Handle* handle, CUdevice device) {
  std::lock_guard<std::mutex> lock(state().mutex);
  if (const CUresult error = deviceError(device)) return error;
  for (const auto& [known, context] : state().contexts) {
    if (context->device != device) continue;
    ++context->retained;
    *handle = known;
    return CUDA_SUCCESS;
  }
  *handle = keep(state().contexts, std::make_shared<Context>(Context{device, 1}));
  return CUDA_SUCCESS;
}

API CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  std::lock_guard<std::mutex> lock(state().mutex);
  if (const CUresult error = deviceError(device)) return error;
  for (const auto& [handle, context] : state().contexts) {
    if (context->device != device) continue;
    if (--context->retained > 0) return CUDA_SUCCESS;
    drainAll(*context);
    // After a fault nothing can be given back any more.
    if (context->fault == CUDA_SUCCESS) state().lost += unreturned(*context);
    destroyContents(*context);
    state().contexts.erase(handle);
    return CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_CONTEXT;
}

API CUresult cuCtxSetCurrent(Handle handle) {
  std::lock_guard<std::mutex> lock(state().mutex);
  if (!state().initialised) return CUDA_ERROR_NOT_INITIALIZED;
  if (handle != 0 && !find(state().contexts, handle)) return CUDA_ERROR_INVALID_CONTEXT;
  currentContext = handle;
  return CUDA_SUCCESS;
}

API CUresult cuCtxSynchronize() {
  WITH_CONTEXT(currentOutsideCapture);
  drainAll(*context);
  return context->fault;
}

API CUresult cuGetErrorName(int error, const char** name) {
  switch (error) {
#define X(symbol, code, text) case code: *name = #symbol; return CUDA_SUCCESS;
    CUDA_ERRORS(X)
#undef X
  }
  *name = nullptr;
  return CUDA_ERROR_INVALID_VALUE;
}

API CUresult cuGetErrorString(int error, const char** description) {
  switch (error) {
#define X(symbol, code, text) case code: *description = text; return CUDA_SUCCESS;
    CUDA_ERRORS(X)
#undef X
  }
  *description = nullptr;
  return CUDA_ERROR_INVALID_VALUE;
}
