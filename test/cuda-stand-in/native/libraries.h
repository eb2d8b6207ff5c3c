#pragma once
#include "memory.h"
#include "state.h"

/** What the stand-ins for cuBLASLt, cuDNN and NCCL share: work of a library's call in its stream, and why a call was refused. */

/** Bytes that a call of a library reads or writes when it runs. */
struct Span {
  Access access;
  std::uintptr_t address;
  std::size_t bytes;
  /** What the library calls it: "A", "workspace". */
  const char* name;
};

/**
 * Queues work. When its turn comes all spans must be in live blocks, and what is written must overlap nothing else, except a span that is the very same;
 * otherwise the context has a fault, as after a kernel. Workspace is unwritten before and after.
 */
CUresult enqueue(Context& context, Handle stream, const char* call, std::vector<Span> spans, std::function<void()> work);

/** Whether all spans are in live blocks and do not overlap, as above; otherwise the context has a fault. */
bool reachable(Context& context, const std::string& call, const std::vector<Span>& spans);

/** Keeps the reason for standInLastFault(), and returns the status. */
template <typename Status> Status refuse(Status status, const std::string& why) {
  state().lastFault = why;
  return status;
}
