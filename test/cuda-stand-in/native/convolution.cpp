// Convolutions as matrix products: each image's patches are the rows of a matrix [p · q, r · s · c], filters those of another [k, r · s · c].
#include "convolution.h"

#include <algorithm>

namespace {

/** Of a tensor's values in the order batch, rows, columns, channels: where each lies, and its place in that order. */
template <typename Visit> void visit(const Tensor4& tensor, std::size_t image, Visit each) {
  std::size_t n = 0;
  for (std::size_t row = 0; row < tensor.size[2]; ++row) for (std::size_t column = 0; column < tensor.size[3]; ++column) for (std::size_t channel = 0; channel < tensor.size[1]; ++channel) {
    each(image * tensor.stride[0] + channel * tensor.stride[1] + row * tensor.stride[2] + column * tensor.stride[3], n++);
  }
}

std::vector<float> read(const Tensor4& tensor, std::uintptr_t base, std::size_t image, bool asTf32) {
  std::vector<float> values(tensor.elements() / tensor.size[0]);
  visit(tensor, image, [&](std::size_t at, std::size_t n) {
    const float value = load(tensor.element, base, at);
    values[n] = asTf32 ? tf32(value) : value;
  });
  return values;
}

void write(const Tensor4& tensor, std::uintptr_t base, std::size_t image, const double* values, float alpha, float beta) {
  visit(tensor, image, [&](std::size_t at, std::size_t n) {
    double value = alpha * values[n];
    if (beta != 0) value += static_cast<double>(beta) * load(tensor.element, base, at);
    store(tensor.element, base, at, static_cast<float>(value));
  });
}

/** Every pixel of a patch: its place in the patches' matrix and in the image, both counted in channels' rows; outside the image, −1. */
template <typename Visit> void patches(const Convolution& convolution, Visit each) {
  const auto& [x, w, y, padding, stride, dilation] = convolution;
  std::size_t n = 0;
  for (std::size_t p = 0; p < y.size[2]; ++p) for (std::size_t q = 0; q < y.size[3]; ++q) {
    for (std::size_t r = 0; r < w.size[2]; ++r) for (std::size_t s = 0; s < w.size[3]; ++s) {
      const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(p) * stride[0] - padding[0] + static_cast<std::ptrdiff_t>(r) * dilation[0];
      const std::ptrdiff_t column = static_cast<std::ptrdiff_t>(q) * stride[1] - padding[1] + static_cast<std::ptrdiff_t>(s) * dilation[1];
      const auto rows = static_cast<std::ptrdiff_t>(x.size[2]), columns = static_cast<std::ptrdiff_t>(x.size[3]);
      each(n++, row >= 0 && row < rows && column >= 0 && column < columns ? row * columns + column : std::ptrdiff_t{-1});
    }
  }
}

std::vector<float> patchesOf(const Convolution& convolution, const std::vector<float>& image) {
  const std::size_t channels = convolution.x.size[1];
  std::vector<float> matrix(convolution.y.size[2] * convolution.y.size[3] * convolution.w.size[2] * convolution.w.size[3] * channels);
  patches(convolution, [&](std::size_t n, std::ptrdiff_t pixel) {
    if (pixel >= 0) std::copy_n(image.data() + static_cast<std::size_t>(pixel) * channels, channels, matrix.data() + n * channels);
  });
  return matrix;
}

/** Of channels that see one another all. */
void convolveGroup(const Convolution& convolution, Direction direction, bool asTf32, float alpha, float beta, std::uintptr_t x, std::uintptr_t w, std::uintptr_t y) {
  const std::size_t filters = convolution.w.size[0], pixels = convolution.y.size[2] * convolution.y.size[3], channels = convolution.x.size[1];
  const std::size_t patch = convolution.w.size[2] * convolution.w.size[3] * channels;
  std::vector<float> weights;
  for (std::size_t k = 0; direction != Direction::filter && k < filters; ++k) {
    const std::vector<float> filter = read(convolution.w, w, k, asTf32);
    weights.insert(weights.end(), filter.begin(), filter.end());
  }
  std::vector<double> gradient(direction == Direction::filter ? filters * patch : 0);
  for (std::size_t image = 0; image < convolution.x.size[0]; ++image) {
    if (direction == Direction::forward) {
      const std::vector<float> rows = patchesOf(convolution, read(convolution.x, x, image, asTf32));
      write(convolution.y, y, image, product(pixels, filters, patch, {rows.data(), patch, 1}, {weights.data(), 1, patch}).data(), alpha, beta);
      continue;
    }
    const std::vector<float> dy = read(convolution.y, y, image, asTf32);
    if (direction == Direction::filter) {
      const std::vector<float> rows = patchesOf(convolution, read(convolution.x, x, image, asTf32));
      const std::vector<double> part = product(filters, patch, pixels, {dy.data(), 1, filters}, {rows.data(), patch, 1});
      std::transform(part.begin(), part.end(), gradient.begin(), gradient.begin(), std::plus<>());
    } else {
      const std::vector<double> rows = product(pixels, patch, filters, {dy.data(), filters, 1}, {weights.data(), patch, 1});
      std::vector<double> dx(convolution.x.elements() / convolution.x.size[0]);
      patches(convolution, [&](std::size_t n, std::ptrdiff_t pixel) {
        for (std::size_t c = 0; pixel >= 0 && c < channels; ++c) dx[static_cast<std::size_t>(pixel) * channels + c] += rows[n * channels + c];
      });
      write(convolution.x, x, image, dx.data(), alpha, beta);
    }
  }
  for (std::size_t k = 0; direction == Direction::filter && k < filters; ++k) write(convolution.w, w, k, gradient.data() + k * patch, alpha, beta);
}

}  // namespace

std::size_t Tensor4::bytes() const {
  std::size_t last = 0;
  for (std::size_t i = 0; i < 4; ++i) last += (size[i] - 1) * stride[i];
  return (last + 1) * bytesOf(element);
}

void convolve(const Convolution& convolution, Direction direction, bool asTf32, float alpha, float beta, std::uintptr_t x, std::uintptr_t w, std::uintptr_t y) {
  const std::size_t groups = convolution.x.size[1] / convolution.w.size[1];
  Convolution part = convolution;
  part.x.size[1] /= groups;
  part.w.size[0] /= groups;
  part.y.size[1] /= groups;
  const auto begin = [](std::uintptr_t base, const Tensor4& tensor, std::size_t axis, std::size_t group) { return base + group * tensor.size[axis] * tensor.stride[axis] * bytesOf(tensor.element); };
  for (std::size_t group = 0; group < groups; ++group) {
    convolveGroup(part, direction, asTf32, alpha, beta, begin(x, part.x, 1, group), begin(w, part.w, 0, group), begin(y, part.y, 1, group));
  }
}
