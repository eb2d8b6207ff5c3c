// The one matrix product of the libraries: tiles of registers over packed panels, so that whole networks train in seconds.
#include <algorithm>

#include "numbers.h"

namespace {

constexpr std::size_t tileRows = 4, tileColumns = 16;
/** Terms that are summed in float before they join the sum in double. */
constexpr std::size_t piece = 64;

/** Rows of `view` in groups of `width`, for each k the group's values side by side; the last group is filled with zeros. */
std::vector<float> panels(std::size_t rows, std::size_t k, std::size_t width, const float* data, std::size_t row, std::size_t column) {
  std::vector<float> packed((rows + width - 1) / width * width * k);
  for (std::size_t first = 0; first < rows; first += width) {
    float* const panel = packed.data() + first * k;
    const std::size_t filled = std::min(width, rows - first);
    for (std::size_t p = 0; p < k; ++p) for (std::size_t i = 0; i < filled; ++i) panel[p * width + i] = data[(first + i) * row + p * column];
  }
  return packed;
}

typedef float Lanes __attribute__((vector_size(4 * tileColumns), aligned(4)));

__attribute__((optimize("O3"), target_clones("arch=skylake-avx512", "arch=haswell", "default")))
void tile(std::size_t k, const float* a, const float* b, double (&total)[tileRows][tileColumns]) {
  for (std::size_t begin = 0; begin < k; begin += piece) {
    const std::size_t end = std::min(begin + piece, k);
    Lanes sum[tileRows] = {};
    for (std::size_t p = begin; p < end; ++p) {
      const Lanes row = *reinterpret_cast<const Lanes*>(b + p * tileColumns);
      for (std::size_t i = 0; i < tileRows; ++i) sum[i] += a[p * tileRows + i] * row;
    }
    for (std::size_t i = 0; i < tileRows; ++i) for (std::size_t j = 0; j < tileColumns; ++j) total[i][j] += sum[i][j];
  }
}

}  // namespace

std::vector<double> product(std::size_t m, std::size_t n, std::size_t k, View a, View b) {
  const std::vector<float> left = panels(m, k, tileRows, a.data, a.row, a.column), right = panels(n, k, tileColumns, b.data, b.column, b.row);
  std::vector<double> result(m * n);
  for (std::size_t j = 0; j < n; j += tileColumns) for (std::size_t i = 0; i < m; i += tileRows) {
    double total[tileRows][tileColumns] = {};
    tile(k, left.data() + i * k, right.data() + j * k, total);
    for (std::size_t y = i; y < std::min(i + tileRows, m); ++y) for (std::size_t x = j; x < std::min(j + tileColumns, n); ++x) result[y * n + x] = total[y - i][x - j];
  }
  return result;
}
