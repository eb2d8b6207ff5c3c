// NCCL between processes of one machine: communicators, whose calls go on in the background, as those of NCCL's non-blocking ones do.
#include "nccl.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace {

Table<Communicator> communicators;
std::string lastWarning;

constexpr int undefined = -2147483647 - 1;

/** ncclConfig_t up to what NCCL 2.17 had. */
struct Config {
  std::size_t size;
  unsigned int magic, version;
  int blocking, cgaClusterSize, minCTAs, maxCTAs;
  const char* netName;
};
static_assert(sizeof(Config) == 40, "ncclConfig_t");

ncclResult_t reject(ncclResult_t result, const std::string& why) {
  lastWarning = why;
  return refuse(result, "NCCL: " + why);
}

bool waiting(const Communicator& c) {
  if (!c.turns.empty()) return true;
  if (c.links->connected()) for (const Link& link : c.links->all) if (!link.out.empty() && !link.closed) return true;
  return false;
}

/** Leaves once all is done and said. */
void goOn(Communicator& c) {
  if (!c.links->connected()) return;
  for (Link& link : c.links->all) link.move();
  if (!c.leaving || c.left || c.error || waiting(c)) return;
  c.left = true;
  for (Link& link : c.links->all) {
    if (link.socket < 0) continue;
    link.say(Frame::leaving);
    link.move();
  }
}

bool gone(const Communicator& c) { return c.left && !waiting(c); }

/** The devices' own progress: ranks wait for one another's work, which their hosts need not wait for. */
void startDevices() {
  static bool over = false;
  static std::thread* thread = nullptr;
  if (thread) return;
  thread = new std::thread([] {
    for (;;) {
      usleep(200);
      std::lock_guard<std::mutex> lock(state().mutex);
      if (over) return;
      const Table<Communicator> all = communicators;
      for (const auto& [handle, c] : all) {
        goOn(*c);
        for (int left = 1000; left > 0 && !c->turns.empty() && stepAll(*c->context); --left) {}
      }
    }
  });
  // Before the library goes, and with it the thread's code.
  std::atexit([] {
    {
      std::lock_guard<std::mutex> lock(state().mutex);
      over = true;
    }
    thread->join();
  });
}

ncclResult_t findReady(Handle handle, std::shared_ptr<Communicator>& found) {
  found = find(communicators, handle);
  if (!found) return reject(ncclInvalidArgument, "the communicator is none, or is gone");
  if (found->error) return reject(found->error, found->why);
  if (!found->links->connected() || found->begun || found->leaving) return reject(ncclInvalidArgument, "Attempt to use communicator before the previous operation returned ncclSuccess");
  return ncclSuccess;
}

ncclResult_t queue(Handle handle, Handle stream, const Request& request) {
  std::lock_guard<std::mutex> lock(state().mutex);
  std::shared_ptr<Communicator> c;
  if (const ncclResult_t error = findReady(handle, c)) return error;
  if (request.type < 0 || request.type > 9) return reject(ncclInvalidArgument, "there is no type " + std::to_string(request.type));
  if (request.operation == Operation::allReduce && request.type != 7) return reject(ncclInvalidArgument, "the stand-in sums ncclFloat32 only");
  if (request.peer < 0 || request.peer >= c->size) return reject(ncclInvalidArgument, "there is no rank " + std::to_string(request.peer));
  if (request.peer == c->rank && (request.operation == Operation::send || request.operation == Operation::receive)) return reject(ncclInvalidUsage, "a rank sends to itself (the stand-in has no groups)");
  if (request.count > 0 && ((request.operation != Operation::receive && !request.from) || (request.operation != Operation::send && !request.to))) return reject(ncclInvalidArgument, "a buffer is NULL");
  const auto known = find(state().streams, stream);
  if (!known || known->context != c->context) return reject(ncclInvalidArgument, "the stream is not of the communicator's device");
  if (request.count == 0) return ncclSuccess;
  c->begun = [=] { submitStep(*c->context, stream, [=] { return operationOf(c, request); }); };
  return ncclInProgress;
}

}  // namespace

API ncclResult_t ncclGetVersion(int* version) {
  if (!version) return reject(ncclInvalidArgument, "version is NULL");
  *version = static_cast<int>(setting("STAND_IN_NCCL_VERSION", 22703));
  return ncclSuccess;
}

API ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  if (!id) return reject(ncclInvalidArgument, "the id is NULL");
  std::memset(id, 0, sizeof *id);
  unsigned char random[24];
  FILE* const source = std::fopen("/dev/urandom", "rb");
  const bool read = source && std::fread(random, 1, sizeof random, source) == sizeof random;
  if (source) std::fclose(source);
  if (!read) return reject(ncclSystemError, "/dev/urandom cannot be read");
  // To the very end, so that an id which is cut short is another.
  std::memcpy(id->internal, "stand-in", 8);
  for (std::size_t i = 0; i < sizeof random; ++i) std::snprintf(id->internal + 79 + 2 * i, 3, "%02x", random[i]);
  return ncclSuccess;
}

API ncclResult_t ncclCommInitRankConfig(Handle* handle, int size, ncclUniqueId id, int rank, const Config* config) {
  std::lock_guard<std::mutex> lock(state().mutex);
  Context* context = nullptr;
  if (current(context)) return reject(ncclUnhandledCudaError, "Cuda failure 'invalid device context'");
  if (!handle || size < 1 || rank < 0 || rank >= size) return reject(ncclInvalidArgument, "rank " + std::to_string(rank) + " of " + std::to_string(size));
  if (std::memcmp(id.internal, "stand-in", 8) != 0 || id.internal[127] != 0 || std::strlen(id.internal + 79) != 48) return reject(ncclInvalidArgument, "the id is none of ncclGetUniqueId's");
  if (!config || config->magic != 0xcafebeef || config->size < sizeof *config || config->version < 21700) return reject(ncclInvalidArgument, "ncclConfig_t argument not initialized via NCCL_CONFIG_INITIALIZER");
  if (config->blocking != 0) return reject(ncclInvalidArgument, "the stand-in has non-blocking communicators only");
  if (config->maxCTAs != undefined && config->maxCTAs < 1) return reject(ncclInvalidArgument, "maxCTAs is " + std::to_string(config->maxCTAs));
  const std::uint64_t self = static_cast<std::uint64_t>(getpid()) << 16 | static_cast<unsigned>(context->device);
  const auto communicator = std::make_shared<Communicator>(Communicator{context, rank, size, std::make_unique<Links>(std::string("spikefold-stand-in-") + (id.internal + 79), rank, size, self)});
  *handle = keep(communicators, communicator);
  startDevices();
  return ncclInProgress;
}

API ncclResult_t ncclCommGetAsyncError(Handle handle, ncclResult_t* result) {
  std::lock_guard<std::mutex> lock(state().mutex);
  const auto c = find(communicators, handle);
  if (!c || !result) return reject(ncclInvalidArgument, "the communicator is none, or is gone");
  int other = 0;
  if (c->links->duplicate(other)) c->fail(ncclInvalidUsage, "Duplicate GPU detected : rank " + std::to_string(c->rank) + " and rank " + std::to_string(other));
  goOn(*c);
  *result = c->error;
  if (c->error) return ncclSuccess;
  if (!c->links->connected() || c->begun || (c->leaving && !gone(*c))) *result = ncclInProgress;
  if (const auto begun = std::exchange(c->begun, nullptr)) begun();
  return ncclSuccess;
}

API ncclResult_t ncclAllReduce(const void* from, void* to, std::size_t count, int type, int operation, Handle communicator, Handle stream) {
  if (operation != 0) return reject(ncclInvalidArgument, "the stand-in has ncclSum only");
  return queue(communicator, stream, {Operation::allReduce, reinterpret_cast<std::uintptr_t>(from), reinterpret_cast<std::uintptr_t>(to), count, type, 0});
}

API ncclResult_t ncclBroadcast(const void* from, void* to, std::size_t count, int type, int root, Handle communicator, Handle stream) {
  return queue(communicator, stream, {Operation::broadcast, reinterpret_cast<std::uintptr_t>(from), reinterpret_cast<std::uintptr_t>(to), count, type, root});
}

API ncclResult_t ncclSend(const void* from, std::size_t count, int type, int peer, Handle communicator, Handle stream) {
  return queue(communicator, stream, {Operation::send, reinterpret_cast<std::uintptr_t>(from), 0, count, type, peer});
}

API ncclResult_t ncclRecv(void* to, std::size_t count, int type, int peer, Handle communicator, Handle stream) {
  return queue(communicator, stream, {Operation::receive, 0, reinterpret_cast<std::uintptr_t>(to), count, type, peer});
}

API ncclResult_t ncclCommFinalize(Handle handle) {
  std::lock_guard<std::mutex> lock(state().mutex);
  std::shared_ptr<Communicator> c;
  if (const ncclResult_t error = findReady(handle, c)) return error;
  c->leaving = true;
  return ncclInProgress;
}

API ncclResult_t ncclCommDestroy(Handle handle) {
  std::lock_guard<std::mutex> lock(state().mutex);
  const auto c = find(communicators, handle);
  if (!c) return reject(ncclInvalidArgument, "the communicator is none, or is gone");
  if (!c->error && !(c->leaving && gone(*c))) return reject(ncclInvalidUsage, "in the stand-in a communicator is finalized before it is destroyed");
  c->aborted = true;
  communicators.erase(handle);
  return ncclSuccess;
}

API ncclResult_t ncclCommAbort(Handle handle) {
  std::lock_guard<std::mutex> lock(state().mutex);
  const auto c = find(communicators, handle);
  if (!c) return reject(ncclInvalidArgument, "the communicator is none, or is gone");
  c->aborted = true;
  c->links = nullptr;
  communicators.erase(handle);
  return ncclSuccess;
}

API const char* ncclGetErrorString(int result) {
  switch (result) {
#define X(name, code, text) case code: return text;
    NCCL_RESULTS(X)
#undef X
  }
  return "unknown result code";
}

API const char* ncclGetLastError(Handle handle) {
  std::lock_guard<std::mutex> lock(state().mutex);
  static std::string text;
  const auto c = find(communicators, handle);
  return (text = c && c->error ? c->why : lastWarning).c_str();
}

std::string unreturnedNccl(const Context& context) {
  std::string lines;
  for (const auto& [handle, c] : communicators) if (c->context == &context) lines += "device " + std::to_string(context.device) + ": communicator of rank " + std::to_string(c->rank) + "\n";
  return lines;
}

void forgetNccl(const Context& context) {
  for (auto entry = communicators.begin(); entry != communicators.end();) {
    const bool forgotten = entry->second->context == &context;
    if (forgotten) entry->second->aborted = true;
    entry = forgotten ? communicators.erase(entry) : std::next(entry);
  }
}
