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
/** An operation that may have to wait for others': says whether it is done, and is asked again if not. */
using Step = std::function<bool()>;
/** The operation of one launch of a graph, or of none: what waits has a state of its own in each. */
using MakeStep = std::function<Step()>;

struct Capture;

struct Stream {
  Context* context;
  /** Ordered after work of the default stream, as that is after its. */
  bool blocking;
  std::deque<Step> queue;
  /** What its work becomes part of, while it is captured. */
  std::shared_ptr<Capture> capture = nullptr;
};

/** How many operations of each captured stream have gone before. */
using Clock = std::map<Handle, std::size_t>;

/** One record of an event: a place in a stream, or in a capture. */
struct Mark {
  std::weak_ptr<Stream> stream;
  bool reached = false;
  double milliseconds = 0;
  std::weak_ptr<Capture> capture = {};
  bool captured = false;
  std::size_t index = 0;
  Clock clock = {};
};

struct Event {
  Context* context;
  bool timed;
  /** The latest record; null for none. */
  std::shared_ptr<Mark> mark;
};

/** A captured operation. Those of one stream run in their order, those of several as their events say. */
struct Node {
  Handle stream;
  /** Null for an event. */
  MakeStep make;
  /** The mark that it sets or waits for; −1 for none. */
  std::ptrdiff_t sets = -1, awaits = -1;
};

/** A capture under way. */
struct Capture {
  Context* context;
  Handle origin;
  /** Calls that wait for the device or allocate are allowed meanwhile. */
  bool relaxed;
  /** Why it cannot be ended well. */
  CUresult spoilt = CUDA_SUCCESS;
  std::vector<Node> nodes = {};
  std::size_t marks = 0;
  /** Of each stream that takes part, what it comes after. */
  std::map<Handle, Clock> clocks = {};
  std::size_t launches = 0;
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

/** What was captured; instantiated or not. */
struct Graph {
  Context* context;
  std::vector<Node> nodes;
  std::size_t marks, launches;
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
/** The same for NCCL's part. */
std::string unreturnedNccl(const Context& context);
void forgetNccl(const Context& context);

void raise(Context& context, const Fault& fault);
/** Queues work, or adds it to the stream's capture; the default stream (0, 1, 2) runs it at once. */
CUresult submit(Context& context, Handle stream, Work work);
/** The same for work that may have to wait; `make` is called once now, or at each launch of the graph. */
CUresult submitStep(Context& context, Handle stream, const MakeStep& make);
/** The capture that work submitted to this stream now becomes part of; null for none. */
std::shared_ptr<Capture> capturing(Handle stream);
/** Runs the work of a stream, and of others that it waits for. */
void drain(Stream& stream);
void drainAll(Context& context);
/** Runs the next operation of each stream of a context. @returns whether any is done */
bool stepAll(const Context& context);

/** Begins every entry point that needs a context. */
#define WITH_CONTEXT(check) \
  std::lock_guard<std::mutex> lock(state().mutex); \
  Context* context = nullptr; \
  if (const CUresult error = check(context)) return error
