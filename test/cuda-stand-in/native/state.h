#pragma once
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api.h"
#include "module.h"

struct Context {
  int device;
  int retained = 0;
  /** Once a kernel has failed every call returns its code, until the context is gone. */
  CUresult fault = CUDA_SUCCESS;
};

/** One operation of a stream; runs when something waits for it. */
using Work = std::function<void()>;

struct Stream {
  Context* context;
  /** Ordered after work of the default stream, as that is after its. */
  bool blocking;
  std::deque<Work> queue;
  bool capturing = false;
  /** Calls that wait for the device or allocate are allowed during the capture. */
  bool relaxed = false;
  /** Why the capture under way cannot be ended well. */
  CUresult spoilt = CUDA_SUCCESS;
  std::vector<Work> captured = {};
};

struct Event {
  Context* context;
  bool timed;
  std::weak_ptr<Stream> stream;
  bool recorded = false, reached = false;
  double milliseconds = 0;
};

struct Module {
  Context* context;
  void* library;
  const ModuleRecord* record;
  bool barriers;
  ~Module();
};

struct Function {
  Context* context;
  std::shared_ptr<Module> module;
  const KernelRecord* kernel;
};

/** A captured stream; instantiated or not. */
struct Graph {
  Context* context;
  std::vector<Work> work;
  std::size_t launches = 0;
};
struct Executable : Graph {};

template <typename T> using Table = std::map<Handle, std::shared_ptr<T>>;

struct State {
  std::mutex mutex;
  bool initialised = false;
  Handle nextHandle = 0x1000;
  Table<Context> contexts;
  Table<Stream> streams;
  Table<Event> events;
  Table<Module> modules;
  Table<Function> functions;
  Table<Graph> graphs;
  Table<Executable> executables;
  std::uint64_t launches = 0;
  std::size_t capturedLaunches = 0;
  std::string lastFault;
  /** What contexts that are gone had not given back. */
  std::string lost;
};
State& state();

std::int64_t setting(const char* name, std::int64_t otherwise);
int deviceCount();
/** Compute capability: 90 for 9.0. */
int capability();
std::size_t memoryOf(int device);

template <typename T, typename Made> Handle keep(Table<T>& table, Made made) {
  const Handle handle = state().nextHandle += 0x10;
  table.emplace(handle, std::move(made));
  return handle;
}
template <typename T> std::shared_ptr<T> find(Table<T>& table, Handle handle) {
  const auto found = table.find(handle);
  return found == table.end() ? nullptr : found->second;
}

/** The calling thread's context, if it can still be used. */
CUresult current(Context*& context);
/** Also refuses calls that must not be made while any stream captures, unless its capture is a relaxed one. */
CUresult currentOutsideCapture(Context*& context);
/** What a context has not given back, one line each. */
std::string unreturned(Context& context);
/** Takes everything from a context, as when it is destroyed. */
void destroyContents(Context& context);

void raise(Context& context, const Fault& fault);
/** Queues work, or adds it to the stream's capture; the default stream (0, 1, 2) runs it at once. */
CUresult submit(Context& context, Handle stream, Work work);
/** Whether work submitted to this stream now becomes part of a graph. */
bool capturing(Handle stream);
void drain(Stream& stream);
void drainAll(Context& context);

/** Begins every entry point that needs a context. */
#define WITH_CONTEXT(check) \
  std::lock_guard<std::mutex> lock(state().mutex); \
  Context* context = nullptr; \
  if (const CUresult error = check(context)) return error
