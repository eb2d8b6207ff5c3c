// What a kernel finds in place of nvrtc's built-in declarations when g++ compiles it. Included before the source; no header is at hand,
// as with nvrtc. Accesses to memory are checked by calls that the compiler inserts (see checks.cpp).

#define __global__ __attribute__((noinline))
#define __device__
#define __host__
#define __constant__ static
#define __managed__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
#define __grid_constant__
// One block runs at a time, so its shared memory is the module's; a section of their own lets every block find it unwritten.
#define __shared__ static __attribute__((section("stand_in_shared")))

typedef unsigned long size_t;

#define STAND_IN_VECTOR(type, name) \
  struct name##1 { type x; }; \
  struct alignas(2 * sizeof(type)) name##2 { type x, y; }; \
  struct name##3 { type x, y, z; }; \
  struct alignas(4 * sizeof(type) > 16 ? 16 : 4 * sizeof(type)) name##4 { type x, y, z, w; }; \
  static inline name##1 make_##name##1(type x) { return {x}; } \
  static inline name##2 make_##name##2(type x, type y) { return {x, y}; } \
  static inline name##3 make_##name##3(type x, type y, type z) { return {x, y, z}; } \
  static inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
STAND_IN_VECTOR(signed char, char)
STAND_IN_VECTOR(unsigned char, uchar)
STAND_IN_VECTOR(short, short)
STAND_IN_VECTOR(unsigned short, ushort)
STAND_IN_VECTOR(int, int)
STAND_IN_VECTOR(unsigned int, uint)
STAND_IN_VECTOR(long long, longlong)
STAND_IN_VECTOR(unsigned long long, ulonglong)
STAND_IN_VECTOR(float, float)
STAND_IN_VECTOR(double, double)
struct dim3 { unsigned int x, y, z; };

static uint3 threadIdx, blockIdx;
static dim3 blockDim, gridDim;
static const int warpSize = 32;

extern "C" {
// Offered by the stand-in.
void standInBarrier();
unsigned int standInVote(unsigned int mask, int predicate);
unsigned long long standInShuffle(unsigned int mask, unsigned long long value, int source);
void* standInDynamicShared();
void standInTrap();
}

static inline void __syncthreads() { standInBarrier(); }
static inline void __syncwarp(unsigned int mask = 0xffffffffu) { standInVote(mask, 0); }
static inline void __threadfence() {}
static inline void __threadfence_block() {}
static inline void __trap() { standInTrap(); }
static inline unsigned int __ballot_sync(unsigned int mask, int predicate) { return standInVote(mask, predicate); }
static inline int __any_sync(unsigned int mask, int predicate) { return standInVote(mask, predicate) != 0; }
static inline int __all_sync(unsigned int mask, int predicate) { return standInVote(mask, !predicate) == 0; }

static inline int standInLane() { return (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) & 31; }
template <typename T> static inline T standInExchange(unsigned int mask, T value, int lane, int width, bool inside) {
  static_assert(sizeof(T) <= 8, "shuffles move up to 8 bytes");
  union { T value; unsigned long long bits; } x = {};
  x.value = value;
  (void)width;
  x.bits = standInShuffle(mask, x.bits, inside ? lane : standInLane());
  return x.value;
}
template <typename T> static inline T __shfl_sync(unsigned int mask, T value, int source, int width = 32) {
  return standInExchange(mask, value, (standInLane() & -width) | (source & (width - 1)), width, true);
}
template <typename T> static inline T __shfl_down_sync(unsigned int mask, T value, unsigned int delta, int width = 32) {
  const int lane = standInLane();
  return standInExchange(mask, value, lane + (int)delta, width, (lane & (width - 1)) + (int)delta < width);
}
template <typename T> static inline T __shfl_up_sync(unsigned int mask, T value, unsigned int delta, int width = 32) {
  const int lane = standInLane();
  return standInExchange(mask, value, lane - (int)delta, width, (lane & (width - 1)) >= (int)delta);
}
template <typename T> static inline T __shfl_xor_sync(unsigned int mask, T value, int lanes, int width = 32) {
  const int other = standInLane() ^ lanes;
  return standInExchange(mask, value, other, width, (other & -width) <= (standInLane() & -width));
}

static inline float __int_as_float(int x) { float y; __builtin_memcpy(&y, &x, 4); return y; }
static inline float __uint_as_float(unsigned int x) { float y; __builtin_memcpy(&y, &x, 4); return y; }
static inline int __float_as_int(float x) { int y; __builtin_memcpy(&y, &x, 4); return y; }
static inline unsigned int __float_as_uint(float x) { unsigned int y; __builtin_memcpy(&y, &x, 4); return y; }

// Functions of one float, rounded once from double: closer to the true value than any GPU's, and what the interpreter computes.
#define STAND_IN_MATH(name) static inline float name##f(float x) { return (float)__builtin_##name(x); }
STAND_IN_MATH(exp) STAND_IN_MATH(exp2) STAND_IN_MATH(expm1) STAND_IN_MATH(log) STAND_IN_MATH(log2) STAND_IN_MATH(log1p)
STAND_IN_MATH(sin) STAND_IN_MATH(cos) STAND_IN_MATH(tan) STAND_IN_MATH(tanh) STAND_IN_MATH(atan) STAND_IN_MATH(erf)
static inline float __expf(float x) { return expf(x); }
static inline float __logf(float x) { return logf(x); }
static inline float powf(float x, float y) { return (float)__builtin_pow(x, y); }
static inline float fabsf(float x) { return __builtin_fabsf(x); }
static inline float floorf(float x) { return __builtin_floorf(x); }
static inline float ceilf(float x) { return __builtin_ceilf(x); }
static inline float rintf(float x) { return __builtin_rintf(x); }
static inline float sqrtf(float x) { return __builtin_sqrtf(x); }
static inline float rsqrtf(float x) { return (float)(1.0 / __builtin_sqrt(x)); }
static inline float fmaf(float x, float y, float z) { return __builtin_fmaf(x, y, z); }
static inline float fminf(float x, float y) { return __builtin_fminf(x, y); }
static inline float fmaxf(float x, float y) { return __builtin_fmaxf(x, y); }
static inline double fabs(double x) { return __builtin_fabs(x); }
static inline double sqrt(double x) { return __builtin_sqrt(x); }
static inline float __fadd_rn(float x, float y) { return x + y; }
static inline float __fsub_rn(float x, float y) { return x - y; }
static inline float __fmul_rn(float x, float y) { return x * y; }
static inline float __fdiv_rn(float x, float y) { return x / y; }
static inline float __fmaf_rn(float x, float y, float z) { return __builtin_fmaf(x, y, z); }
template <typename T> static inline bool isnan(T x) { return x != x; }
template <typename T> static inline T min(T x, T y) { return y < x ? y : x; }
template <typename T> static inline T max(T x, T y) { return x < y ? y : x; }
static inline int abs(int x) { return x < 0 ? -x : x; }
static inline int __popc(unsigned int x) { return __builtin_popcount(x); }
static inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz((unsigned int)x); }
static inline int __ffs(int x) { return __builtin_ffs(x); }

template <typename T> static inline T __ldg(const T* from) { return *from; }
template <typename T> static inline T __ldcs(const T* from) { return *from; }
template <typename T> static inline T __ldcg(const T* from) { return *from; }
template <typename T> static inline void __stcs(T* to, T value) { *to = value; }
template <typename T> static inline void __stcg(T* to, T value) { *to = value; }
// One thread runs at a time.
template <typename T> static inline T atomicAdd(T* at, T value) { const T old = *at; *at = old + value; return old; }
template <typename T> static inline T atomicMax(T* at, T value) { const T old = *at; *at = max(old, value); return old; }
template <typename T> static inline T atomicMin(T* at, T value) { const T old = *at; *at = min(old, value); return old; }
template <typename T> static inline T atomicOr(T* at, T value) { const T old = *at; *at = old | value; return old; }
template <typename T> static inline T atomicExch(T* at, T value) { const T old = *at; *at = value; return old; }

// How the stand-in finds and calls the kernels: see module.h, which declares the same records.
struct StandInKernel {
  const char* name;
  void (*call)(void** arguments);
  const unsigned int* sizes;
  unsigned int parameters;
  unsigned int threads;
};

template <typename... T> struct StandInParameters {
  static constexpr unsigned int sizes[sizeof...(T) + 1] = {sizeof(T)..., 0};
};
template <int... I> struct StandInIndices {};
template <int N, int... I> struct StandInCount : StandInCount<N - 1, N - 1, I...> {};
template <int... I> struct StandInCount<0, I...> { using type = StandInIndices<I...>; };

template <typename... T> constexpr const unsigned int* standInSizes(void (*)(T...)) { return StandInParameters<T...>::sizes; }
template <typename... T> constexpr unsigned int standInLength(void (*)(T...)) { return sizeof...(T); }
template <typename... T, int... I>
__attribute__((no_sanitize("kernel-address"), no_sanitize("undefined"))) static inline void standInCall(void (*kernel)(T...), void** arguments, StandInIndices<I...>) {
  (void)arguments;
  kernel(*(T*)arguments[I]...);
}
template <typename... T>
__attribute__((no_sanitize("kernel-address"), no_sanitize("undefined"))) static inline void standInCall(void (*kernel)(T...), void** arguments) {
  standInCall(kernel, arguments, typename StandInCount<sizeof...(T)>::type());
}

extern "C" __attribute__((weak, visibility("hidden"))) char __start_stand_in_shared[], __stop_stand_in_shared[];
extern "C" __attribute__((visibility("hidden"))) char __ehdr_start[], _end[];

struct StandInModule {
  const StandInKernel* kernels;
  unsigned int count;
  uint3 *threadIdx, *blockIdx;
  dim3 *blockDim, *gridDim;
  char *sharedBegin, *sharedEnd, *imageBegin, *imageEnd;
};
#define STAND_IN_KERNEL(name, threads) \
  {#name, [](void** arguments) __attribute__((no_sanitize("kernel-address"), no_sanitize("undefined"))) { standInCall(name, arguments); }, standInSizes(name), standInLength(name), threads},
#define STAND_IN_MODULE(count) \
  extern "C" __attribute__((visibility("default"))) const StandInModule standInModule = { \
    standInKernels, count, &threadIdx, &blockIdx, &blockDim, &gridDim, __start_stand_in_shared, __stop_stand_in_shared, __ehdr_start, _end};
