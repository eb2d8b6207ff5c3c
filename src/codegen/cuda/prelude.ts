import type { SpikeFormat } from "../../fusion/plan.ts";

/** C types of buffers' elements. */
export const elementTypes: Record<SpikeFormat, string> = { f32: "float", f16: "half_bits", bf16: "bfloat_bits", u8: "unsigned char", bits: "unsigned int" };

/**
 * What every kernel begins with: vectors of V elements, loaded and stored as one access of up to 16 bytes, and conversions. No header is
 * included, so that NVRTC needs none. bf16 rounds to nearest even.
 */
export const prelude = `struct half_bits { unsigned short bits; };
struct bfloat_bits { unsigned short bits; };

template <typename T, int V> struct alignas(sizeof(T) * V) Vector { T at[V]; };

__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(bfloat_bits x) { return __uint_as_float((unsigned int)x.bits << 16); }
__device__ inline float to_float(half_bits x) { float y; asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits)); return y; }
__device__ inline void from_float(float& y, float x) { y = x; }
__device__ inline void from_float(bfloat_bits& y, float x) {
  const unsigned int bits = __float_as_uint(x);
  y.bits = x != x ? 0x7fff : (unsigned short)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
__device__ inline void from_float(half_bits& y, float x) { asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x)); }
__device__ inline void from_float(unsigned char& y, float x) { y = x != 0.0f; }

template <int V, typename T> __device__ inline Vector<T, V> load(const T* from) { return *reinterpret_cast<const Vector<T, V>*>(from); }
template <int V, typename T> __device__ inline void store(T* to, const Vector<T, V>& x) { *reinterpret_cast<Vector<T, V>*>(to) = x; }

__device__ inline float minimum(float a, float b) { return a != a ? a : b != b ? b : fminf(a, b); }
__device__ inline float maximum(float a, float b) { return a != a ? a : b != b ? b : fmaxf(a, b); }
__device__ inline float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }
`;
