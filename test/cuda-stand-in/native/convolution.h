#pragma once
#include <array>
#include <cstdint>

#include "numbers.h"

/** A tensor of four dimensions in memory: batch, channels, rows, columns, whatever their order there. */
struct Tensor4 {
  Element element;
  std::array<std::size_t, 4> size, stride;
  std::size_t elements() const { return size[0] * size[1] * size[2] * size[3]; }
  /** From the first byte to past the last. */
  std::size_t bytes() const;
};

/** y = x * w, a cross-correlation in groups: x [n, groups · c, h, w], w [groups · k, c, r, s], y [n, groups · k, p, q]. By rows and by columns: */
struct Convolution {
  Tensor4 x, w, y;
  std::array<std::ptrdiff_t, 2> padding, stride, dilation;
};

enum class Direction { forward, data, filter };

/** Writes alpha times y (forward), the gradient of x (data) or that of w (filter), plus beta times what is there. */
void convolve(const Convolution& convolution, Direction direction, bool asTf32, float alpha, float beta, std::uintptr_t x, std::uintptr_t w, std::uintptr_t y);
