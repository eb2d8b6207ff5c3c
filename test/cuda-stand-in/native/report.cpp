// What tests ask the stand-in beyond CUDA's own entry points.
#include "memory.h"
#include "state.h"

std::string unreturnedPrograms();
void forgetPrograms();
std::string unreturnedCublasLt();
void forgetCublasLt();
std::string unreturnedCudnn();
void forgetCudnn();

/** Bytes of device memory that were allocated and not freed; of page-locked host memory for device −1. */
API std::size_t standInBytesInUse(int device) {
  std::lock_guard<std::mutex> lock(state().mutex);
  return bytesInUse(device);
}

/** Kernels launched, by calls and by graphs. */
API std::uint64_t standInLaunches() {
  std::lock_guard<std::mutex> lock(state().mutex);
  return state().launches;
}

/** The fault of a kernel, copy or library's call that was raised last, or why a library refused a call: what, where, which block and thread. Empty if there was none. */
API const char* standInLastFault() {
  std::lock_guard<std::mutex> lock(state().mutex);
  static std::string text;
  return (text = state().lastFault).c_str();
}

/** Everything that was not given back, one line each: now, and when contexts were released. Empty if there is nothing. */
API const char* standInLeaks() {
  std::lock_guard<std::mutex> lock(state().mutex);
  static std::string text;
  text = state().lost;
  for (const auto& [handle, context] : state().contexts) text += unreturned(*context);
  return (text += unreturnedPrograms() + unreturnedCublasLt() + unreturnedCudnn()).c_str();
}

/** Forgets everything, as if the process had just started. */
API void standInReset() {
  std::lock_guard<std::mutex> lock(state().mutex);
  while (!state().contexts.empty()) {
    const auto entry = state().contexts.begin();
    destroyContents(*entry->second);
    state().contexts.erase(entry);
  }
  forgetPrograms();
  forgetCublasLt();
  forgetCudnn();
  state().initialised = false;
  state().launches = 0;
  state().lastFault.clear();
  state().lost.clear();
}
