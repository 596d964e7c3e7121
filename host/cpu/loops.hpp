// Loop shapes shared by the CPU ops: deterministic sums, column means, dispatch on the activation.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "host/cpu/cpu_ops.hpp"

namespace gamlp::cpu {

// Values per tile: sums add up a tile in float32 lanes, then tiles in double. Tiles depend on the shape alone.
inline constexpr std::int64_t kTile = 1024;

// body(first, count) → float partial sum, over tiles of [0, n); the total in double.
template <class Body>
double sum_tiles(std::int64_t n, Body body) {
  double total = 0.0;
  for (std::int64_t first = 0; first < n; first += kTile) {
    total += static_cast<double>(body(first, std::min(kTile, n - first)));
  }
  return total;
}

// Column sums of rows produced one after the other: float32 over runs of 128 rows, then double.
class ColumnSums {
 public:
  ColumnSums(std::int64_t cols, Scratch& scratch)
      : cols_(cols),
        partial_(scratch.floats(static_cast<std::size_t>(cols))),
        total_(scratch.doubles(static_cast<std::size_t>(cols))) {
    std::fill(partial_.begin(), partial_.end(), 0.0f);
    std::fill(total_.begin(), total_.end(), 0.0);
  }

  // The partial sums to which the caller adds one row.
  float* next_row() {
    if (rows_++ % 128 == 127) flush();
    return partial_.data();
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
