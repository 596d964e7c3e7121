// The ops of gradients that are sent in part.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "host/cpu/loops.hpp"
#include "host/math/random.hpp"

namespace gamlp::cpu {
namespace {

using ops::ChosenBlocks;

struct ChosenPlace {
  std::int64_t first, padded, values, chosen, before;

  ChosenPlace(const ChosenBlocks& at, std::int64_t i) {
    const std::int32_t* row = at.table.row(i);
    first = row[0], padded = row[1], values = row[2], chosen = row[3], before = row[4];
  }
};

// Both halves of a message.
template <class Byte>
auto chosen_values(Byte* message) {
  using Float = std::conditional_t<std::is_const_v<Byte>, const float, float>;
  return reinterpret_cast<Float*>(message);
}
template <class Byte>
auto chosen_places(const ChosenBlocks& at, Byte* message) {
  using Place = std::conditional_t<std::is_const_v<Byte>, const std::uint16_t, std::uint16_t>;
  return reinterpret_cast<Place*>(message + at.places());
}

}  // namespace

void run(const ops::ChooseLargest& op, Scratch&) {
  alignas(64) float x[ChosenBlocks::kMost];
  alignas(64) std::uint32_t bits[ChosenBlocks::kMost];
  for (std::int64_t b = 0; b < op.at.table.rows; ++b) {
    const ChosenPlace block(op.at, b);
    const float* g = op.gradient.data + block.first;
    float* error = op.error.data != nullptr ? op.error.data + block.first : nullptr;
    if (error != nullptr) {
#pragma omp simd
      for (std::int64_t i = 0; i < block.values; ++i) x[i] = g[i] + error[i];
    } else {
      std::copy_n(g, block.values, x);
    }
#pragma omp simd
    for (std::int64_t i = 0; i < block.values; ++i) bits[i] = magnitude_bits(x[i]);
    const auto reaching = [&](std::uint32_t least) {
      std::int32_t count = 0;
#pragma omp simd reduction(+ : count)
      for (std::int64_t i = 0; i < block.values; ++i) count += bits[i] >= least ? 1 : 0;
      return count;
    };
    const std::uint32_t least = least_of_largest(static_cast<std::int32_t>(block.chosen), reaching);
    std::int64_t equals = block.chosen - reaching(least + 1);  // that are chosen
    float* values = chosen_values(op.message.data) + block.before;
    std::uint16_t* places = chosen_places(op.at, op.message.data) + block.before;
    for (std::int64_t i = 0; i < block.values; ++i) {
      if (bits[i] < least || (bits[i] == least && equals-- <= 0)) continue;
      *values++ = x[i], *places++ = static_cast<std::uint16_t>(i);
      x[i] = 0.0f;
    }
    if (error == nullptr) continue;
    std::copy_n(x, block.values, error);
    std::fill(error + block.values, error + block.padded, 0.0f);
  }
}

void run(const ops::SumChosen& op, Scratch&) {
  for (std::int64_t b = 0; b < op.at.table.rows; ++b) {
    const ChosenPlace block(op.at, b);
    float* out = op.out.data + block.first;
    std::fill_n(out, block.padded, 0.0f);
    for (std::int64_t member = 0; member < op.messages.rows; ++member) {
      const std::byte* message = op.messages.row(member);
      const float* values = chosen_values(message) + block.before;
      const std::uint16_t* places = chosen_places(op.at, message) + block.before;
      for (std::int64_t i = 0; i < block.chosen; ++i) out[places[i]] += values[i];
    }
  }
}

void run(const ops::Orthogonalize& op, Scratch& scratch) {
  const std::int64_t n = op.x.rows, columns = op.x.cols;
  const std::span<float> all = scratch.floats(static_cast<std::size_t>(n * columns));  // column after column
  const auto column = [&](std::int64_t j) { return all.data() + j * n; };
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) column(j)[i] = op.x.row(i)[j];
  }
  const auto dot = [&](const float* a, const float* b) {
    return sum_tiles(n, [&](std::int64_t first, std::int64_t count) {
      float part = 0.0f;
#pragma omp simd reduction(+ : part)
      for (std::int64_t i = first; i < first + count; ++i) part += a[i] * b[i];
      return part;
    });
  };
  for (std::int64_t j = 0; j < columns; ++j) {
    float* x = column(j);
    const auto leave_others = [&] {
      for (std::int64_t k = 0; k < j; ++k) {
        const float* other = column(k);
        const auto along = static_cast<float>(dot(other, x));
#pragma omp simd
        for (std::int64_t i = 0; i < n; ++i) x[i] -= along * other[i];
      }
    };
    const double before = dot(x, x);
    leave_others();
    if (dot(x, x) <= ops::Orthogonalize::kDependent * before) {
      for (std::int64_t i = 0; i < n; ++i) {
        x[i] = random_sign(static_cast<std::uint32_t>(j), static_cast<std::uint32_t>(i));
      }
      leave_others();
    }
    leave_others();
    const auto scale = static_cast<float>(1.0 / std::sqrt(dot(x, x)));
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) x[i] *= scale;
  }
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) op.x.row(i)[j] = column(j)[i];
  }
}

}  // namespace gamlp::cpu
