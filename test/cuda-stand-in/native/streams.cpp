// Streams, events, capture, graphs. Work waits in its stream's queue until something synchronises with it, so that a program which reads a
// result too early does not find it.
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "state.h"

namespace {

double now() { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

bool isDefault(Handle stream) { return stream <= 2; }

/** @returns whether the first operation is done. */
bool runFront(Stream& stream) {
  if (stream.queue.empty()) return false;
  if (stream.context->fault == CUDA_SUCCESS && !stream.queue.front()()) return false;
  stream.queue.pop_front();
  return true;
}

/** Runs the work of `first`, and that of others where it waits for them, until `done`. */
void runUntil(const std::function<bool()>& done, Stream* first) {
  while (!done()) {
    if (first && runFront(*first)) continue;
    bool moved = false;
    for (const auto& [handle, context] : state().contexts) if (stepAll(*context)) moved = true;
    if (moved) continue;
    // Other processes or threads have to do something.
    state().mutex.unlock();
    usleep(50);
    state().mutex.lock();
  }
}

Step once(Work work) {
  return [work = std::move(work)] {
    work();
    return true;
  };
}

/** What a launch of a graph has still to do. */
struct Launch {
  std::map<Handle, std::deque<Step>> queues;
  std::vector<bool> reached;
};

Step launchOf(const Graph& graph) {
  const auto launch = std::make_shared<Launch>();
  launch->reached.resize(graph.marks);
  Launch* const raw = launch.get();
  for (const Node& node : graph.nodes) {
    Step step = node.sets >= 0     ? Step([=, mark = node.sets] { raw->reached[mark] = true; return true; })
                : node.awaits >= 0 ? Step([=, mark = node.awaits] { return bool{raw->reached[mark]}; })
                                   : node.make();
    launch->queues[node.stream].push_back(std::move(step));
  }
  return [launch, context = graph.context] {
    bool over = true;
    for (auto& [stream, queue] : launch->queues) {
      while (!queue.empty() && context->fault == CUDA_SUCCESS && queue.front()()) queue.pop_front();
      if (!queue.empty()) over = false;
    }
    return over || context->fault != CUDA_SUCCESS;
  };
}

void add(Capture& capture, Handle stream, Node node) {
  ++capture.clocks[stream][stream];
  node.stream = stream;
  capture.nodes.push_back(std::move(node));
}

}  // namespace

std::shared_ptr<Capture> capturing(Handle stream) {
  const auto found = find(state().streams, stream);
  return found ? found->capture : nullptr;
}

void drain(Stream& stream) { runUntil([&] { return stream.queue.empty(); }, &stream); }

void drainAll(Context& context) {
  const Table<Stream> streams = state().streams;
  for (const auto& [handle, stream] : streams) if (stream->context == &context) drain(*stream);
}

bool stepAll(const Context& context) {
  bool moved = false;
  for (const auto& [handle, stream] : state().streams) if (stream->context == &context && runFront(*stream)) moved = true;
  return moved;
}

CUresult submitStep(Context& context, Handle handle, const MakeStep& make) {
  if (isDefault(handle)) {
    const Table<Stream> streams = state().streams;
    for (const auto& [other, stream] : streams) {
      if (stream->context != &context || !stream->blocking) continue;
      if (stream->capture) {
        stream->capture->spoilt = CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
        return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
      }
      drain(*stream);
    }
    const Step step = make();
    runUntil([&] { return context.fault != CUDA_SUCCESS || step(); }, nullptr);
    return CUDA_SUCCESS;
  }
  const auto stream = find(state().streams, handle);
  if (!stream || stream->context != &context) return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture) add(*stream->capture, handle, {0, make});
  else stream->queue.push_back(make());
  return CUDA_SUCCESS;
}

CUresult submit(Context& context, Handle handle, Work work) {
  return submitStep(context, handle, [step = once(std::move(work))] { return step; });
}

API CUresult cuStreamCreate(Handle* handle, unsigned int flags) {
  WITH_CONTEXT(current);
  if (!handle || flags > 1) return CUDA_ERROR_INVALID_VALUE;
  *handle = keep(state().streams, std::make_shared<Stream>(Stream{context, flags == 0, {}}));
  return CUDA_SUCCESS;
}

API CUresult cuStreamDestroy_v2(Handle handle) {
  WITH_CONTEXT(current);
  const auto stream = find(state().streams, handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  drain(*stream);
  state().streams.erase(handle);
  return CUDA_SUCCESS;
}

API CUresult cuStreamSynchronize(Handle handle) {
  WITH_CONTEXT(current);
  if (isDefault(handle)) {
    const Table<Stream> streams = state().streams;
    for (const auto& [other, stream] : streams) if (stream->context == context && stream->blocking && !stream->capture) drain(*stream);
    return context->fault;
  }
  const auto stream = find(state().streams, handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture) {
    stream->capture->spoilt = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  drain(*stream);
  return context->fault;
}

API CUresult cuEventCreate(Handle* handle, unsigned int flags) {
  WITH_CONTEXT(current);
  if (!handle) return CUDA_ERROR_INVALID_VALUE;
  *handle = keep(state().events, std::make_shared<Event>(Event{context, (flags & 2) == 0, nullptr}));
  return CUDA_SUCCESS;
}

API CUresult cuEventDestroy_v2(Handle handle) {
  WITH_CONTEXT(current);
  return state().events.erase(handle) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

API CUresult cuEventRecord(Handle handle, Handle stream) {
  WITH_CONTEXT(current);
  const auto event = find(state().events, handle);
  if (!event) return CUDA_ERROR_INVALID_HANDLE;
  const auto mark = std::make_shared<Mark>(Mark{find(state().streams, stream)});
  if (const auto capture = capturing(stream)) {
    mark->captured = true;
    mark->capture = capture;
    mark->index = capture->marks++;
    add(*capture, stream, {stream, nullptr, static_cast<std::ptrdiff_t>(mark->index)});
    mark->clock = capture->clocks[stream];
    event->mark = mark;
    return CUDA_SUCCESS;
  }
  const CUresult error = submit(*context, stream, [mark] {
    mark->reached = true;
    mark->milliseconds = now();
  });
  if (!error) event->mark = mark;
  return error;
}

/** What is queued on the stream from here on comes after what the event was recorded after; a capture that it was recorded in takes the stream in. */
API CUresult cuStreamWaitEvent(Handle handle, Handle of, unsigned int flags) {
  WITH_CONTEXT(current);
  const auto event = find(state().events, of);
  const auto stream = find(state().streams, handle);
  if (!event || (!stream && !isDefault(handle))) return CUDA_ERROR_INVALID_HANDLE;
  if (flags > 1) return CUDA_ERROR_INVALID_VALUE;
  const auto mark = event->mark;
  if (!mark) return CUDA_SUCCESS;
  if (!mark->captured) {
    if (const auto capture = capturing(handle)) {
      capture->spoilt = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
      return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
    }
    return submitStep(*context, handle, [mark] { return [mark] { return mark->reached; }; });
  }
  const auto capture = mark->capture.lock();
  if (!capture || !stream) return capture ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : CUDA_ERROR_CAPTURED_EVENT;
  if (stream->capture && stream->capture != capture) {
    stream->capture->spoilt = capture->spoilt = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    return CUDA_ERROR_STREAM_CAPTURE_MERGE;
  }
  stream->capture = capture;
  add(*capture, handle, {handle, nullptr, -1, static_cast<std::ptrdiff_t>(mark->index)});
  Clock& clock = capture->clocks[handle];
  for (const auto& [other, count] : mark->clock) clock[other] = std::max(clock[other], count);
  return CUDA_SUCCESS;
}

/** Each look lets one piece of work go by, so that a program which waits by looking gets there. */
API CUresult cuEventQuery(Handle handle) {
  WITH_CONTEXT(current);
  const auto event = find(state().events, handle);
  if (!event) return CUDA_ERROR_INVALID_HANDLE;
  const auto mark = event->mark;
  if (!mark) return CUDA_SUCCESS;
  if (mark->captured) return CUDA_ERROR_CAPTURED_EVENT;
  if (const auto stream = mark->stream.lock()) {
    if (stream->capture) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    if (!mark->reached && !runFront(*stream)) for (const auto& [other, each] : state().contexts) stepAll(*each);
  }
  if (context->fault) return context->fault;
  return mark->reached ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

API CUresult cuEventSynchronize(Handle handle) {
  WITH_CONTEXT(current);
  const auto event = find(state().events, handle);
  if (!event) return CUDA_ERROR_INVALID_HANDLE;
  const auto mark = event->mark;
  if (!mark) return CUDA_SUCCESS;
  if (mark->captured) return CUDA_ERROR_CAPTURED_EVENT;
  if (const auto stream = mark->stream.lock()) {
    if (stream->capture) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    runUntil([&] { return mark->reached || stream->queue.empty(); }, stream.get());
  }
  return context->fault;
}

API CUresult cuEventElapsedTime(float* milliseconds, Handle from, Handle to) {
  WITH_CONTEXT(current);
  const auto a = find(state().events, from), b = find(state().events, to);
  if (!a || !b || !a->timed || !b->timed || !a->mark || !b->mark) return CUDA_ERROR_INVALID_HANDLE;
  if (!a->mark->reached || !b->mark->reached) return CUDA_ERROR_NOT_READY;
  *milliseconds = static_cast<float>(b->mark->milliseconds - a->mark->milliseconds);
  return CUDA_SUCCESS;
}

API CUresult cuStreamBeginCapture_v2(Handle handle, int mode) {
  WITH_CONTEXT(current);
  const auto stream = find(state().streams, handle);
  if (!stream) return isDefault(handle) ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : CUDA_ERROR_INVALID_HANDLE;
  if (mode < 0 || mode > 2 || stream->capture) return CUDA_ERROR_INVALID_VALUE;
  stream->capture = std::make_shared<Capture>(Capture{context, handle, mode == 2});
  return CUDA_SUCCESS;
}

API CUresult cuStreamEndCapture(Handle handle, Handle* graph) {
  WITH_CONTEXT(current);
  const auto stream = find(state().streams, handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  const auto capture = stream->capture;
  if (!capture || !graph) return CUDA_ERROR_INVALID_VALUE;
  *graph = 0;
  if (capture->origin != handle) {
    capture->spoilt = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
  }
  for (const auto& [other, each] : state().streams) if (each->capture == capture) each->capture = nullptr;
  if (capture->spoilt) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  for (const auto& [other, clock] : capture->clocks) {
    // The record that joins a stream is the last of its operations.
    if (other != handle && capture->clocks[handle][other] != clock.at(other)) return CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
  }
  *graph = keep(state().graphs, std::make_shared<Graph>(Graph{context, std::move(capture->nodes), capture->marks, capture->launches}));
  return CUDA_SUCCESS;
}

API CUresult cuGraphInstantiateWithFlags(Handle* executable, Handle handle, unsigned long long) {
  WITH_CONTEXT(current);
  const auto graph = find(state().graphs, handle);
  if (!graph) return CUDA_ERROR_INVALID_HANDLE;
  *executable = keep(state().executables, std::make_shared<Executable>(Executable{*graph}));
  return CUDA_SUCCESS;
}

API CUresult cuGraphLaunch(Handle handle, Handle stream) {
  WITH_CONTEXT(current);
  const auto executable = find(state().executables, handle);
  if (!executable) return CUDA_ERROR_INVALID_HANDLE;
  state().launches += executable->launches;
  return submitStep(*context, stream, [executable] { return launchOf(*executable); });
}

API CUresult cuGraphDestroy(Handle handle) {
  WITH_CONTEXT(current);
  return state().graphs.erase(handle) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

API CUresult cuGraphExecDestroy(Handle handle) {
  WITH_CONTEXT(current);
  return state().executables.erase(handle) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}
