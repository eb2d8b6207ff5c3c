// Allocation, copies, fills.
#include <cstring>

#include "memory.h"
#include "state.h"

namespace {

CUresult allocate(Context& context, CUdeviceptr* address, std::size_t bytes, bool ordered, Handle stream) {
  if (!address || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  const std::size_t total = memoryOf(context.device);
  if (bytes > total) return CUDA_ERROR_OUT_OF_MEMORY;
  if (bytesHeld(context.device) + bytes > total) drainAll(context);
  if (context.fault) return context.fault;
  if (bytesHeld(context.device) + bytes > total) return CUDA_ERROR_OUT_OF_MEMORY;
  const Block* const block = allocateBlock(context.device, bytes, ordered, stream);
  if (!block) return CUDA_ERROR_OUT_OF_MEMORY;
  *address = block->start;
  return CUDA_SUCCESS;
}

bool onDevice(const Context& context, CUdeviceptr address, std::size_t bytes) { return allocated(address, bytes, context.device); }

/** Checks again when the work runs: the block may be gone by then. */
void needs(Context& context, Access access, CUdeviceptr address, std::size_t bytes, const char* call, const std::function<void()>& work) {
  if (accessible(address, bytes, context.device)) work();
  else raise(context, {CUDA_ERROR_ILLEGAL_ADDRESS, std::string(call) + ": " + describeAccess(access, address, bytes, context.device)});
}

CUresult fill(Context& context, CUdeviceptr address, std::size_t bytes, Handle stream, const char* call, std::function<void()> work) {
  if (bytes == 0) return CUDA_SUCCESS;
  if (!onDevice(context, address, bytes)) return CUDA_ERROR_INVALID_VALUE;
  return submit(context, stream, [=, &context] { needs(context, Access::write, address, bytes, call, work); });
}

}  // namespace

API CUresult cuMemGetInfo_v2(std::size_t* free, std::size_t* total) {
  WITH_CONTEXT(current);
  *total = memoryOf(context->device);
  *free = *total - bytesHeld(context->device);
  return CUDA_SUCCESS;
}

API CUresult cuMemAlloc_v2(CUdeviceptr* address, std::size_t bytes) {
  WITH_CONTEXT(currentOutsideCapture);
  return allocate(*context, address, bytes, false, 0);
}

API CUresult cuMemFree_v2(CUdeviceptr address) {
  WITH_CONTEXT(currentOutsideCapture);
  Block* const block = blockAt(address);
  if (!block || block->returned || block->device == hostDevice) return CUDA_ERROR_INVALID_VALUE;
  drainAll(*context);
  if (context->fault) return context->fault;
  retireBlock(*block);
  return CUDA_SUCCESS;
}

API CUresult cuMemAllocAsync(CUdeviceptr* address, std::size_t bytes, Handle stream) {
  WITH_CONTEXT(current);
  if (capturing(stream)) return CUDA_ERROR_NOT_SUPPORTED;
  if (stream > 2 && !find(state().streams, stream)) return CUDA_ERROR_INVALID_HANDLE;
  return allocate(*context, address, bytes, true, stream);
}

API CUresult cuMemFreeAsync(CUdeviceptr address, Handle stream) {
  WITH_CONTEXT(current);
  if (capturing(stream)) return CUDA_ERROR_NOT_SUPPORTED;
  Block* const block = blockAt(address);
  if (!block || block->returned || !block->ordered) return CUDA_ERROR_INVALID_VALUE;
  if (const CUresult error = submit(*context, stream, [block] { retireBlock(*block); })) return error;
  block->returned = true;
  return CUDA_SUCCESS;
}

API CUresult cuMemAllocHost_v2(void** address, std::size_t bytes) {
  WITH_CONTEXT(currentOutsideCapture);
  if (!address || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  const Block* const block = allocateBlock(hostDevice, bytes, false, 0);
  if (!block) return CUDA_ERROR_OUT_OF_MEMORY;
  *address = reinterpret_cast<void*>(block->start);
  return CUDA_SUCCESS;
}

API CUresult cuMemFreeHost(void* address) {
  WITH_CONTEXT(currentOutsideCapture);
  Block* const block = blockAt(reinterpret_cast<std::uintptr_t>(address));
  if (!block || block->returned || block->device != hostDevice) return CUDA_ERROR_INVALID_VALUE;
  drainAll(*context);
  if (context->fault) return context->fault;
  retireBlock(*block);
  return CUDA_SUCCESS;
}

/** From pageable memory the source may change as soon as the call returns; page-locked memory is read when the copy runs. */
API CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, std::size_t bytes, Handle stream) {
  WITH_CONTEXT(current);
  if (bytes == 0) return CUDA_SUCCESS;
  const auto source = reinterpret_cast<std::uintptr_t>(from);
  if (!from || !onDevice(*context, to, bytes)) return CUDA_ERROR_INVALID_VALUE;
  void* const target = reinterpret_cast<void*>(to);
  if (inArena(source)) {
    if (!allocated(source, bytes, hostDevice)) return CUDA_ERROR_INVALID_VALUE;
    return submit(*context, stream, [=] {
      needs(*context, Access::read, source, bytes, "cuMemcpyHtoDAsync", [=] {
        needs(*context, Access::write, to, bytes, "cuMemcpyHtoDAsync", [=] { std::memcpy(target, from, bytes); });
      });
    });
  }
  const auto staged = std::make_shared<std::vector<char>>(static_cast<const char*>(from), static_cast<const char*>(from) + bytes);
  return submit(*context, stream, [=] {
    needs(*context, Access::write, to, bytes, "cuMemcpyHtoDAsync", [=] { std::memcpy(target, staged->data(), bytes); });
  });
}

/** To pageable memory the call returns when the copy is done; page-locked memory is written when the copy runs. */
API CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, std::size_t bytes, Handle stream) {
  WITH_CONTEXT(current);
  if (bytes == 0) return CUDA_SUCCESS;
  const auto target = reinterpret_cast<std::uintptr_t>(to);
  const bool locked = inArena(target);
  if (!to || !onDevice(*context, from, bytes) || (locked && !allocated(target, bytes, hostDevice))) return CUDA_ERROR_INVALID_VALUE;
  const CUresult error = submit(*context, stream, [=] {
    needs(*context, Access::read, from, bytes, "cuMemcpyDtoHAsync", [=] {
      const void* const source = reinterpret_cast<const void*>(from);
      if (locked) needs(*context, Access::write, target, bytes, "cuMemcpyDtoHAsync", [=] { std::memcpy(to, source, bytes); });
      else std::memcpy(to, source, bytes);
    });
  });
  if (error || locked || capturing(stream)) return error;
  if (const auto queued = find(state().streams, stream)) drain(*queued);
  return context->fault;
}

API CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, std::size_t bytes, Handle stream) {
  WITH_CONTEXT(current);
  if (bytes == 0) return CUDA_SUCCESS;
  if (!onDevice(*context, to, bytes) || !onDevice(*context, from, bytes)) return CUDA_ERROR_INVALID_VALUE;
  return submit(*context, stream, [=] {
    needs(*context, Access::read, from, bytes, "cuMemcpyDtoDAsync", [=] {
      needs(*context, Access::write, to, bytes, "cuMemcpyDtoDAsync", [=] { std::memmove(reinterpret_cast<void*>(to), reinterpret_cast<void*>(from), bytes); });
    });
  });
}

API CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, std::size_t count, Handle stream) {
  WITH_CONTEXT(current);
  return fill(*context, to, count, stream, "cuMemsetD8Async", [=] { std::memset(reinterpret_cast<void*>(to), value, count); });
}

API CUresult cuMemsetD32Async(CUdeviceptr to, unsigned int value, std::size_t count, Handle stream) {
  WITH_CONTEXT(current);
  if (to % 4 != 0) return CUDA_ERROR_INVALID_VALUE;
  return fill(*context, to, 4 * count, stream, "cuMemsetD32Async", [=] {
    for (std::size_t i = 0; i < count; ++i) reinterpret_cast<unsigned int*>(to)[i] = value;
  });
}

/**
 * For programs with a memory pool of their own: says how many bytes of a stream-ordered block are in use from here on in the order of the block's
 * stream, 0 for none; in a capture, from here on at each launch of the graph. What a pool hands out is then checked as if it came from
 * cuMemAllocAsync. Other blocks are left as they are.
 */
API CUresult standInUse(CUdeviceptr address, std::size_t bytes) {
  std::lock_guard<std::mutex> lock(state().mutex);
  Block* const block = blockAt(address);
  if (!block || block->returned) return CUDA_ERROR_INVALID_VALUE;
  const auto stream = find(state().streams, block->stream);
  if (!block->ordered || !stream) return CUDA_SUCCESS;
  return submit(*stream->context, block->stream, [=] {
    if (Block* const now = blockAt(address)) narrowBlock(*now, bytes);
  });
}
