#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

/** How a library's element is held in memory. */
enum class Element { f32, bf16 };

constexpr std::size_t bytesOf(Element element) { return element == Element::f32 ? 4 : 2; }

inline std::uint32_t bitsOf(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}
inline float floatOf(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

/** To the nearest float whose last `dropped` bits are zero, to even in the middle; infinities and NaN stay what they are. */
inline float rounded(float value, int dropped) {
  const std::uint32_t bits = bitsOf(value), lost = (1u << dropped) - 1;
  if ((bits & 0x7f800000u) == 0x7f800000u) return value;
  return floatOf((bits + (lost >> 1) + (bits >> dropped & 1)) & ~lost);
}

/** As tensor cores read float32: ten bits of mantissa. */
inline float tf32(float value) { return rounded(value, 13); }

inline float load(Element element, std::uintptr_t base, std::size_t index) {
  if (element == Element::f32) return reinterpret_cast<const float*>(base)[index];
  return floatOf(std::uint32_t{reinterpret_cast<const std::uint16_t*>(base)[index]} << 16);
}
inline void store(Element element, std::uintptr_t base, std::size_t index, float value) {
  if (element == Element::f32) reinterpret_cast<float*>(base)[index] = value;
  else if (value != value) reinterpret_cast<std::uint16_t*>(base)[index] = 0x7fff;
  else reinterpret_cast<std::uint16_t*>(base)[index] = static_cast<std::uint16_t>(bitsOf(rounded(value, 16)) >> 16);
}

/** A matrix in memory of the host: element (i, j) is at `data[i * row + j * column]`. */
struct View {
  const float* data;
  std::size_t row, column;
};

/** a (m × k) times b (k × n), row by row. The sum of every element is made in the same order, wherever it lies. */
std::vector<double> product(std::size_t m, std::size_t n, std::size_t k, View a, View b);
