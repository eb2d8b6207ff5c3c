// Streams, events, capture, graphs. Work waits in its stream's queue until something synchronises with it, so that a program which reads a
// result too early does not find it.
#include <chrono>

#include "state.h"

namespace {

double now() { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

bool isDefault(Handle stream) { return stream <= 2; }

void runFront(Stream& stream) {
  const Work work = std::move(stream.queue.front());
  stream.queue.pop_front();
  if (stream.context->fault == CUDA_SUCCESS) work();
}

}  // namespace

bool capturing(Handle stream) {
  const auto found = find(state().streams, stream);
  return found && found->capturing;
}

void drain(Stream& stream) { while (!stream.queue.empty()) runFront(stream); }

void drainAll(Context& context) {
  for (const auto& [handle, stream] : state().streams) if (stream->context == &context) drain(*stream);
}

CUresult submit(Context& context, Handle handle, Work work) {
  if (isDefault(handle)) {
    for (const auto& [other, stream] : state().streams) {
      if (stream->context != &context || !stream->blocking) continue;
      if (stream->capturing) {
        stream->spoilt = CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
        return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
      }
      drain(*stream);
    }
    if (context.fault == CUDA_SUCCESS) work();
    return CUDA_SUCCESS;
  }
  const auto stream = find(state().streams, handle);
  if (!stream || stream->context != &context) return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capturing) stream->captured.push_back(std::move(work));
  else stream->queue.push_back(std::move(work));
  return CUDA_SUCCESS;
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
    for (const auto& [other, stream] : state().streams) if (stream->context == context && stream->blocking && !stream->capturing) drain(*stream);
    return context->fault;
  }
  const auto stream = find(state().streams, handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capturing) {
    stream->spoilt = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  drain(*stream);
  return context->fault;
}

API CUresult cuEventCreate(Handle* handle, unsigned int flags) {
  WITH_CONTEXT(current);
  if (!handle) return CUDA_ERROR_INVALID_VALUE;
  *handle = keep(state().events, std::make_shared<Event>(Event{context, (flags & 2) == 0, {}}));
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
  event->recorded = true;
  event->reached = false;
  event->stream = find(state().streams, stream);
  return submit(*context, stream, [event] {
    event->reached = true;
    event->milliseconds = now();
  });
}

/** Each look lets one piece of work go by, so that a program which waits by looking gets there. */
API CUresult cuEventQuery(Handle handle) {
  WITH_CONTEXT(current);
  const auto event = find(state().events, handle);
  if (!event) return CUDA_ERROR_INVALID_HANDLE;
  if (!event->recorded) return CUDA_SUCCESS;
  if (const auto stream = event->stream.lock()) {
    if (stream->capturing) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    if (!event->reached && !stream->queue.empty()) runFront(*stream);
  }
  if (context->fault) return context->fault;
  return event->reached ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

API CUresult cuEventSynchronize(Handle handle) {
  WITH_CONTEXT(current);
  const auto event = find(state().events, handle);
  if (!event) return CUDA_ERROR_INVALID_HANDLE;
  if (const auto stream = event->stream.lock()) {
    if (stream->capturing) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    while (event->recorded && !event->reached && !stream->queue.empty()) runFront(*stream);
  }
  return context->fault;
}

API CUresult cuEventElapsedTime(float* milliseconds, Handle from, Handle to) {
  WITH_CONTEXT(current);
  const auto a = find(state().events, from), b = find(state().events, to);
  if (!a || !b || !a->timed || !b->timed || !a->recorded || !b->recorded) return CUDA_ERROR_INVALID_HANDLE;
  if (!a->reached || !b->reached) return CUDA_ERROR_NOT_READY;
  *milliseconds = static_cast<float>(b->milliseconds - a->milliseconds);
  return CUDA_SUCCESS;
}

API CUresult cuStreamBeginCapture_v2(Handle handle, int mode) {
  WITH_CONTEXT(current);
  const auto stream = find(state().streams, handle);
  if (!stream) return isDefault(handle) ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : CUDA_ERROR_INVALID_HANDLE;
  if (mode < 0 || mode > 2 || stream->capturing) return CUDA_ERROR_INVALID_VALUE;
  stream->capturing = true;
  stream->relaxed = mode == 2;
  stream->spoilt = CUDA_SUCCESS;
  stream->captured.clear();
  state().capturedLaunches = 0;
  return CUDA_SUCCESS;
}

API CUresult cuStreamEndCapture(Handle handle, Handle* graph) {
  WITH_CONTEXT(current);
  const auto stream = find(state().streams, handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (!stream->capturing || !graph) return CUDA_ERROR_INVALID_VALUE;
  stream->capturing = false;
  *graph = 0;
  if (stream->spoilt) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  *graph = keep(state().graphs, std::make_shared<Graph>(Graph{context, std::move(stream->captured), state().capturedLaunches}));
  stream->captured.clear();
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
  return submit(*context, stream, [executable, context] {
    for (const Work& work : executable->work) if (context->fault == CUDA_SUCCESS) work();
  });
}

API CUresult cuGraphDestroy(Handle handle) {
  WITH_CONTEXT(current);
  return state().graphs.erase(handle) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

API CUresult cuGraphExecDestroy(Handle handle) {
  WITH_CONTEXT(current);
  return state().executables.erase(handle) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}
