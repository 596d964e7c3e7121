// Loops that the CPU ops share: deterministic sums, and column means.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "host/cpu/cpu_ops.hpp"

namespace gamlp::cpu {

// Values per tile. Sums add up a tile in float32 lanes, then the tiles in double. Tiles depend on the shape alone.
inline constexpr std::int64_t kTile = 1024;

// Calls body(first, count) for each tile of [0, n), which returns its sum as float. Returns the total in double.
template <class Body>
double sum_tiles(std::int64_t n, Body body) {
  double total = 0.0;
  for (std::int64_t first = 0; first < n; first += kTile) {
    total += static_cast<double>(body(first, std::min(kTile, n - first)));
  }
  return total;
}

// Column sums of rows that are produced one after the other. They are added up in float32 over runs of 128 rows, and
// then in double.
class ColumnSums {
 public:
  ColumnSums(std::int64_t cols, Scratch& scratch)
      : cols_(cols),
        partial_(scratch.floats(static_cast<std::size_t>(cols))),
        total_(scratch.doubles(static_cast<std::size_t>(cols))) {
    std::fill(partial_.begin(), partial_.end(), 0.0f);
    std::fill(total_.begin(), total_.end(), 0.0);
  }

  // Returns the partial sums. The caller adds one row to them.
  float* next_row() {
    if (rows_++ % 128 == 127) flush();
    return partial_.data();
  }

  void sums(double* out) {
    flush();
    std::copy(total_.begin(), total_.end(), out);
  }

  void means(std::int64_t rows, float* out) {
    flush();
    const double inverse = rows > 0 ? 1.0 / static_cast<double>(rows) : 0.0;
    for (std::int64_t j = 0; j < cols_; ++j) out[j] = static_cast<float>(total_[static_cast<std::size_t>(j)] * inverse);
  }

 private:
  void flush() {
    for (std::size_t j = 0; j < partial_.size(); ++j) {
      total_[j] += static_cast<double>(partial_[j]);
      partial_[j] = 0.0f;
    }
  }

  std::int64_t cols_, rows_ = 0;
  std::span<float> partial_;
  std::span<double> total_;
};

}  // namespace gamlp::cpu
