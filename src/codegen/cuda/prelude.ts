import type { SpikeFormat } from "../../fusion/plan.ts";

/** C types of buffers' elements. */
export const elementTypes: Record<SpikeFormat, string> = { f32: "float", f16: "half_bits", bf16: "bfloat_bits", u8: "unsigned char", bits: "unsigned int" };

/**
 * What every kernel begins with: vectors of V elements, loaded and stored as one access of up to 16 bytes, and conversions. No header is
 * included, so that NVRTC needs none. Conversions to 16 bits round to nearest even; those of f16 are instructions on a GPU, and integer
 * arithmetic of the same result where the kernels run on a host.
 */
export const prelude = `struct half_bits { unsigned short bits; };
struct bfloat_bits { unsigned short bits; };

template <typename T, int V> struct alignas(sizeof(T) * V) Vector { T at[V]; };

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

template <int V, typename T> __device__ inline Vector<T, V> load(const T* from) { return *reinterpret_cast<const Vector<T, V>*>(from); }
template <int V, typename T> __device__ inline void store(T* to, const Vector<T, V>& x) { *reinterpret_cast<Vector<T, V>*>(to) = x; }

__device__ inline float minimum(float a, float b) { return a != a ? a : b != b ? b : fminf(a, b); }
__device__ inline float maximum(float a, float b) { return a != a ? a : b != b ? b : fmaxf(a, b); }
__device__ inline float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }
`;
