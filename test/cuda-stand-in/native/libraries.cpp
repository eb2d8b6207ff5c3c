#include "libraries.h"

#include <algorithm>
#include <cstring>

namespace {

bool disturbs(const Span& a, const Span& b) {
  if (a.access == Access::read && b.access == Access::read) return false;
  const bool same = a.address == b.address && a.bytes == b.bytes && a.access != b.access;
  return !same && a.address < b.address + b.bytes && b.address < a.address + a.bytes;
}

Fault faultOf(const Context& context, const std::string& call, const std::vector<Span>& spans) {
  for (const Span& span : spans) {
    if (!accessible(span.address, span.bytes, context.device)) {
      return {CUDA_ERROR_ILLEGAL_ADDRESS, call + ", " + span.name + ": " + describeAccess(span.access, span.address, span.bytes, context.device)};
    }
    for (const Span& other : spans) {
      if (&other != &span && disturbs(span, other)) return {CUDA_ERROR_LAUNCH_FAILED, call + ": " + span.name + " overlaps " + other.name};
    }
  }
  return {0, ""};
}

void forgetWorkspace(const std::vector<Span>& spans) {
  for (const Span& span : spans) if (std::strcmp(span.name, "workspace") == 0) std::memset(reinterpret_cast<void*>(span.address), 0xff, span.bytes);
}

}  // namespace

bool reachable(Context& context, const std::string& call, const std::vector<Span>& spans) {
  const Fault fault = faultOf(context, call, spans);
  if (fault.code) raise(context, fault);
  return fault.code == 0;
}

CUresult enqueue(Context& context, Handle stream, const char* call, std::vector<Span> spans, std::function<void()> work) {
  spans.erase(std::remove_if(spans.begin(), spans.end(), [](const Span& span) { return span.bytes == 0; }), spans.end());
  return submit(context, stream, [=, &context] {
    if (!reachable(context, call, spans)) return;
    work();
    forgetWorkspace(spans);
  });
}
