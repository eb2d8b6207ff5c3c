import type { SpikeFormat } from "../../fusion/plan.ts";

/** C types of buffers' elements. */
export const elementTypes: Record<SpikeFormat, string> = { f32: "float", f16: "half_bits", bf16: "bfloat_bits", u8: "unsigned char", bits: "unsigned int" };

/**
 * What every kernel begins with: vectors of V elements, loaded and stored as one access of up to 16 bytes, and conversions. Packed holds elements of
 * 16 bits two to a word. No header is included, so that NVRTC needs none. Conversions to 16 bits round to nearest even; they are instructions on a GPU that has
 * them, and integer arithmetic of the same result elsewhere, as where the kernels run on a host. The functions called loose_ may be off by a few units
 * in the last place and have no branches: only gradients come from them, never a state or a spike.
 */
export const prelude: string = `struct half_bits { unsigned short bits; };
struct bfloat_bits { unsigned short bits; };

template <typename T, int V> struct alignas(sizeof(T) * V) Vector { T at[V]; };
template <typename T, int V> struct alignas(sizeof(T) * V) Packed { T at[V]; };
template <> struct alignas(4) Packed<half_bits, 2> { unsigned int words[1]; };
template <> struct alignas(8) Packed<half_bits, 4> { unsigned int words[2]; };
template <> struct alignas(16) Packed<half_bits, 8> { unsigned int words[4]; };
template <> struct alignas(4) Packed<bfloat_bits, 2> { unsigned int words[1]; };
template <> struct alignas(8) Packed<bfloat_bits, 4> { unsigned int words[2]; };
template <> struct alignas(16) Packed<bfloat_bits, 8> { unsigned int words[4]; };

__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(bfloat_bits x) { return __uint_as_float((unsigned int)x.bits << 16); }
__device__ inline float to_float(half_bits x) {
#ifdef __CUDA_ARCH__
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
  return y;
#else
  const unsigned int sign = (x.bits & 0x8000u) << 16, magnitude = x.bits & 0x7fffu;
  if (magnitude >= 0x7c00u) return __uint_as_float(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
  return __uint_as_float(sign | __float_as_uint(__uint_as_float(magnitude << 13) * 0x1p112f));
#endif
}
__device__ inline void from_float(float& y, float x) { y = x; }
__device__ inline void from_float(bfloat_bits& y, float x) {
  const unsigned int bits = __float_as_uint(x);
  y.bits = x != x ? 0x7fff : (unsigned short)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
__device__ inline void from_float(half_bits& y, float x) {
#ifdef __CUDA_ARCH__
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
#else
  const unsigned int sign = __float_as_uint(x) >> 16 & 0x8000u, bits = __float_as_uint(x) & 0x7fffffffu;
  const unsigned int magnitude = bits >= 0x477ff000u ? 0x7c00u                            // 65520 and above: infinity
    : bits < 0x38800000u ? __float_as_uint(__uint_as_float(bits) + 0.5f) - 0x3f000000u    // below 2^-14: subnormal, rounded by the sum
    : (bits - 0x38000000u + 0xfffu + (bits >> 13 & 1u)) >> 13;
  y.bits = x != x ? 0x7fff : (unsigned short)(sign | magnitude);
#endif
}
__device__ inline void from_float(unsigned char& y, float x) { y = x != 0.0f; }

template <typename T> __device__ inline unsigned int pair(float low, float high) {
  T y[2];
  from_float(y[0], low);
  from_float(y[1], high);
  return y[0].bits | (unsigned int)y[1].bits << 16;
}
#if __CUDA_ARCH__ >= 800
template <> __device__ inline unsigned int pair<bfloat_bits>(float low, float high) {
  unsigned int y;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
  return y;
}
template <> __device__ inline unsigned int pair<half_bits>(float low, float high) {
  unsigned int y;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
  return y;
}
#endif

__device__ inline float half_of(half_bits, unsigned int word, int i) { return to_float(half_bits{(unsigned short)(i % 2 == 0 ? word : word >> 16)}); }
__device__ inline float half_of(bfloat_bits, unsigned int word, int i) { return __uint_as_float(i % 2 == 0 ? word << 16 : word & 0xffff0000u); }

/** Element i as a float, and elements of floats. */
template <typename T, int V> __device__ inline float element(const Packed<T, V>& x, int i) {
  if constexpr (sizeof(T) == 2 && V > 1) return half_of(T(), x.words[i / 2], i);
  else return to_float(x.at[i]);
}
template <typename T, int V> __device__ inline Packed<T, V> packed(const float (&x)[V]) {
  Packed<T, V> y;
  if constexpr (sizeof(T) == 2 && V > 1) {
    #pragma unroll
    for (int i = 0; i < V; i += 2) y.words[i / 2] = pair<T>(x[i], x[i + 1]);
  } else {
    #pragma unroll
    for (int i = 0; i < V; ++i) from_float(y.at[i], x[i]);
  }
  return y;
}

/** Elements n to n + V − 1 of a row. */
template <int V, typename T> __device__ inline Packed<T, V> load(const T* row, long long n) { return *reinterpret_cast<const Packed<T, V>*>(row + n); }
template <int V, typename T> __device__ inline void store(T* row, long long n, const Packed<T, V>& x) { *reinterpret_cast<Packed<T, V>*>(row + n) = x; }

template <int V, typename T> __device__ inline Vector<T, V> load(const T* from) { return *reinterpret_cast<const Vector<T, V>*>(from); }
template <int V, typename T> __device__ inline void store(T* to, const Vector<T, V>& x) { *reinterpret_cast<Vector<T, V>*>(to) = x; }

__device__ inline float minimum(float a, float b) { return a != a ? a : b != b ? b : fminf(a, b); }
__device__ inline float maximum(float a, float b) { return a != a ? a : b != b ? b : fmaxf(a, b); }
__device__ inline float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

#ifdef __CUDA_ARCH__
__device__ inline float loose_div(float a, float b) { return __fdividef(a, b); }
__device__ inline float loose_exp(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x * 0x1.715476p+0f));
  return y;
}
__device__ inline float loose_sigmoid(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(1.0f + loose_exp(-x)));
  return y;
}
__device__ inline float loose_fma(float a, float b, float c) { return fmaf(a, b, c); }
#else
__device__ inline float loose_div(float a, float b) { return a / b; }
__device__ inline float loose_exp(float x) { return expf(x); }
__device__ inline float loose_sigmoid(float x) { return sigmoid(x); }
__device__ inline float loose_fma(float a, float b, float c) { return a * b + c; }
#endif
`;
