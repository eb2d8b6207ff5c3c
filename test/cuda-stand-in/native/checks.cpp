// The functions that g++ calls in compiled kernels: before each access to memory (-fsanitize=kernel-address) and where something is undefined
// (-fsanitize=alignment, bounds, shift-exponent, signed-integer-overflow, integer-divide-by-zero). No sanitizer's runtime is loaded.
#include "checks.h"

#include <algorithm>
#include <cstring>

#include "api.h"
#include "memory.h"

namespace {

Range allowed[3];
int device;
/** Where the kernel has had access, by the low bits of the granules it met it in: what may be accessed does not change while a kernel runs. */
Range met[64];

void check(Access access, void* pointer, std::size_t bytes) {
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  Range& known = met[address >> granuleBits & 63];
  if (address >= known.begin && address + bytes <= known.end) return;
  if (accessible(address, bytes, device)) {
    known = liveRange(address);
    return;
  }
  if (!inArena(address)) {
    for (const Range& range : allowed) {
      if (address < range.begin || address + bytes > range.end) continue;
      known = range;
      return;
    }
    if (inDynamicShared(address, bytes)) return;
  }
  fail(CUDA_ERROR_ILLEGAL_ADDRESS, describeAccess(access, address, bytes, device));
}

/** What g++ passes to the handlers of undefined behaviour. */
struct SourcePlace { const char* file; std::uint32_t line, column; };
struct TypeMismatch { SourcePlace place; const void* type; unsigned char logAlignment; unsigned char kind; };

std::string at(const void* place) {
  const auto& where = *static_cast<const SourcePlace*>(place);
  return std::string(" (") + (where.file ? where.file : "?") + ":" + std::to_string(where.line) + ")";
}

}  // namespace

void allowHostMemory(const Range (&ranges)[3], int runningDevice) {
  std::copy(std::begin(ranges), std::end(ranges), allowed);
  device = runningDevice;
  std::fill(std::begin(met), std::end(met), Range{0, 0});
}

#define ACCESS(bytes) \
  API void __asan_load##bytes(void* at) { check(Access::read, at, bytes); } \
  API void __asan_store##bytes(void* at) { check(Access::write, at, bytes); }
ACCESS(1) ACCESS(2) ACCESS(4) ACCESS(8) ACCESS(16)
API void __asan_loadN(void* at, std::size_t bytes) { check(Access::read, at, bytes); }
API void __asan_storeN(void* at, std::size_t bytes) { check(Access::write, at, bytes); }
API void __asan_handle_no_return() {}
API void* __asan_memcpy(void* to, const void* from, std::size_t bytes) {
  if (bytes > 0) check(Access::read, const_cast<void*>(from), bytes), check(Access::write, to, bytes);
  return std::memcpy(to, from, bytes);
}
API void* __asan_memmove(void* to, const void* from, std::size_t bytes) {
  if (bytes > 0) check(Access::read, const_cast<void*>(from), bytes), check(Access::write, to, bytes);
  return std::memmove(to, from, bytes);
}
API void* __asan_memset(void* to, int value, std::size_t bytes) {
  if (bytes > 0) check(Access::write, to, bytes);
  return std::memset(to, value, bytes);
}

API void __ubsan_handle_type_mismatch_v1_abort(TypeMismatch* mismatch, void* pointer) {
  const std::size_t alignment = std::size_t{1} << mismatch->logAlignment;
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  fail(CUDA_ERROR_MISALIGNED_ADDRESS, "access at an address that is " + std::to_string(address % alignment) + " past a multiple of " + std::to_string(alignment) +
       ", which its type needs" + at(mismatch));
}
#define UNDEFINED(name, parameters, text) API void __ubsan_handle_##name##_abort parameters { fail(CUDA_ERROR_LAUNCH_FAILED, text + at(place)); }
UNDEFINED(out_of_bounds, (void* place, std::size_t index), "index " + std::to_string(static_cast<std::ptrdiff_t>(index)) + " is outside an array")
UNDEFINED(shift_out_of_bounds, (void* place, std::size_t, std::size_t), "shift by more bits than there are")
UNDEFINED(add_overflow, (void* place, std::size_t, std::size_t), "a signed sum overflows")
UNDEFINED(sub_overflow, (void* place, std::size_t, std::size_t), "a signed difference overflows")
UNDEFINED(mul_overflow, (void* place, std::size_t, std::size_t), "a signed product overflows")
UNDEFINED(negate_overflow, (void* place, std::size_t), "a signed negation overflows")
UNDEFINED(divrem_overflow, (void* place, std::size_t, std::size_t), "integer division by zero or out of range")
