#pragma once
#include "libraries.h"
#include "ncclLinks.h"

/** The part of NCCL that several ranks of one network need. Numbers are those of nccl.h. */
#define NCCL_RESULTS(X) \
  X(ncclSuccess, 0, "no error") \
  X(ncclUnhandledCudaError, 1, "unhandled cuda error (run with NCCL_DEBUG=INFO for details)") \
  X(ncclSystemError, 2, "unhandled system error (run with NCCL_DEBUG=INFO for details)") \
  X(ncclInternalError, 3, "internal error - please report this issue to the NCCL developers") \
  X(ncclInvalidArgument, 4, "invalid argument (run with NCCL_DEBUG=WARN for details)") \
  X(ncclInvalidUsage, 5, "invalid usage (run with NCCL_DEBUG=WARN for details)") \
  X(ncclRemoteError, 6, "remote process exited or there was a network error") \
  X(ncclInProgress, 7, "NCCL operation in progress")

enum ncclResult_t : int {
#define X(name, code, text) name = code,
  NCCL_RESULTS(X)
#undef X
};

struct ncclUniqueId { char internal[128]; };

enum class Operation : std::uint32_t { allReduce, broadcast, send, receive };

/** One call: what it was given. */
struct Request {
  Operation operation;
  std::uintptr_t from, to;
  std::size_t count;
  int type, peer;
  std::size_t bytes() const;
};

struct Communicator {
  Context* context;
  int rank, size;
  std::unique_ptr<Links> links;
  /** Operations that were taken up and are not done, in the order that all ranks have them in: one at a time. */
  std::deque<std::uint64_t> turns = {};
  std::uint64_t lastTurn = 0;
  /** A call that is not in its stream yet: it gets there while the caller looks. */
  std::function<void()> begun = nullptr;
  ncclResult_t error = ncclSuccess;
  std::string why = {};
  /** It is to leave once all is done; it has said so to the others; it is cut off. */
  bool leaving = false, left = false, aborted = false;

  void fail(ncclResult_t result, const std::string& reason);
};

/** The operation of a request, one for each time that it runs. */
Step operationOf(const std::shared_ptr<Communicator>& communicator, const Request& request);
