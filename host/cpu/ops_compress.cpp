// The ops of compressed momentum, a block after the other.
#include <algorithm>
#include <cstring>

#include "host/cpu/quantize_loop.hpp"

namespace gamlp::cpu {
namespace {

using ops::CompressBlocks;

struct BlockPlace {
  std::int64_t first, padded, values, scale, codes;  // codes: in bytes

  BlockPlace(const CompressBlocks& at, std::int64_t i) {
    const std::int32_t* row = at.table.row(i);
    first = row[0] - at.first_value, padded = row[1], values = row[2];
    scale = row[3] - at.first_byte / 4, codes = std::int64_t{16} * row[4] - at.first_byte;
  }
};

float scale_in(const std::byte* message, const BlockPlace& block) {
  float scale;
  std::memcpy(&scale, message + 4 * block.scale, sizeof scale);
  return scale;
}

// message ← C(x). x̂ ← what it says. Both with padding.
void compress(const CompressBlocks& at, const BlockPlace& block, const float* x, std::byte* message, float* out) {
  if (at.bits == 32) {
    std::memcpy(message + block.codes, x, static_cast<std::size_t>(block.padded) * 4);
    std::copy_n(x, block.padded, out);
    return;
  }
  if (at.bits == 16) {
    auto* halves = reinterpret_cast<std::uint16_t*>(message + block.codes);
#pragma omp simd
    for (std::int64_t i = 0; i < block.padded; ++i) {
      halves[i] = bfloat16_bits(x[i]);
      out[i] = from_bfloat16(halves[i]);
    }
    return;
  }
  double sum = 0.0;
  float largest = 0.0f;
  for (std::int64_t tile = 0; tile < block.values; tile += kTile) {
    float part = 0.0f;
    const std::int64_t end = std::min(tile + kTile, block.values);
#pragma omp simd reduction(+ : part) reduction(max : largest)
    for (std::int64_t i = tile; i < end; ++i) {
      const float magnitude = x[i] < 0.0f ? -x[i] : x[i];
      part += magnitude;
      largest = magnitude > largest ? magnitude : largest;
    }
    sum += static_cast<double>(part);
  }
  const float scale = block_scale(at.bits, sum, largest, block.values);
  std::memcpy(message + 4 * block.scale, &scale, sizeof scale);
  const CodeGrid grid = code_grid(at.bits, scale);
  alignas(64) float codes[CompressBlocks::kMost];
  if (at.bits == 1) {
#pragma omp simd
    for (std::int64_t i = 0; i < block.padded; ++i) codes[i] = x[i] >= 0.0f ? 1.0f : 0.0f;
  } else {
#pragma omp simd
    for (std::int64_t i = 0; i < block.padded; ++i) codes[i] = compressed_code(x[i], grid);
  }
  pack_codes(codes, 0, block.padded, at.bits, message + block.codes);
#pragma omp simd
  for (std::int64_t i = 0; i < block.values; ++i) out[i] = expanded_code(codes[i], grid);
  std::fill(out + block.values, out + block.padded, 0.0f);
}

void expand(const CompressBlocks& at, const BlockPlace& block, const std::byte* message, float* out) {
  if (at.bits == 32) {
    std::memcpy(out, message + block.codes, static_cast<std::size_t>(block.padded) * 4);
  } else if (at.bits == 16) {
    const auto* halves = reinterpret_cast<const std::uint16_t*>(message + block.codes);
#pragma omp simd
    for (std::int64_t i = 0; i < block.values; ++i) out[i] = from_bfloat16(halves[i]);
  } else {
    alignas(64) float codes[CompressBlocks::kMost];
    const CodeGrid grid = code_grid(at.bits, scale_in(message, block));
    unpack_codes(message + block.codes, 0, block.padded, at.bits, codes);
#pragma omp simd
    for (std::int64_t i = 0; i < block.values; ++i) out[i] = expanded_code(codes[i], grid);
  }
  std::fill(out + block.values, out + block.padded, 0.0f);
}

// Adds the error to x, codes it, and leaves the new error. Padding of x must be 0.
void compress_with_error(const CompressBlocks& at, const BlockPlace& block, float* x, float* error,
                         std::byte* message) {
  alignas(64) float out[CompressBlocks::kMost];
  if (error != nullptr) {
#pragma omp simd
    for (std::int64_t i = 0; i < block.values; ++i) x[i] += error[i];
  }
  compress(at, block, x, message, out);
  if (error == nullptr) return;
#pragma omp simd
  for (std::int64_t i = 0; i < block.values; ++i) error[i] = x[i] - out[i];
  std::fill(error + block.values, error + block.padded, 0.0f);
}

float* at_block(const Mat& m, const BlockPlace& block) { return m.data != nullptr ? m.data + block.first : nullptr; }

}  // namespace

void run(const ops::CompressMomentum& op, Scratch&) {
  alignas(64) float x[CompressBlocks::kMost];
  for (std::int64_t b = 0; b < op.at.table.rows; ++b) {
    const BlockPlace block(op.at, b);
    const float* g = op.gradient.data + block.first;
    const float keep = op.keep, take = op.take;
    if (op.momentum.data != nullptr) {
      const float* m = op.momentum.data + block.first;
#pragma omp simd
      for (std::int64_t i = 0; i < block.values; ++i) x[i] = keep * m[i] + take * g[i];
    } else {
#pragma omp simd
      for (std::int64_t i = 0; i < block.values; ++i) x[i] = take * g[i];
    }
    std::fill(x + block.values, x + block.padded, 0.0f);
    compress_with_error(op.at, block, x, at_block(op.error, block), op.message.data);
  }
}

void run(const ops::CompressMean& op, Scratch&) {
  alignas(64) float x[CompressBlocks::kMost], part[CompressBlocks::kMost];
  const std::int64_t members = op.received.rows;
  const float share = static_cast<float>(1.0 / static_cast<double>(members));
  for (std::int64_t b = 0; b < op.at.table.rows; ++b) {
    const BlockPlace block(op.at, b);
    for (std::int64_t k = 0; k < members; ++k) {
      expand(op.at, block, k == op.member ? op.own.data : op.received.row(k), k == 0 ? x : part);
      if (k == 0) continue;
#pragma omp simd
      for (std::int64_t i = 0; i < block.values; ++i) x[i] += part[i];
    }
#pragma omp simd
    for (std::int64_t i = 0; i < block.values; ++i) x[i] *= share;
    compress_with_error(op.at, block, x, at_block(op.error, block), op.message.data);
  }
}

void run(const ops::MomentumUpdate& op, Scratch&) {
  const std::uint32_t steps = *op.iteration.data;
  const MomentumStep step(op.rule, rate_at(op.rule.learning_rate, op.rates.data, op.rates.size(), steps), steps);
  for (std::int64_t b = 0; b < op.at.table.rows; ++b) {
    const BlockPlace block(op.at, b);
    float *m = op.momentum.data + block.first, *w = op.w.data + block.first;
    const float* square = op.square.data + block.first;
    expand(op.at, block, op.message.data, m);
#pragma omp simd
    for (std::int64_t i = 0; i < block.values; ++i) w[i] = step(w[i], m[i], square[i]);
  }
}

void run(const ops::ExpandRow& op, Scratch&) {
  for (std::int64_t b = 0; b < op.at.table.rows; ++b) {
    const BlockPlace block(op.at, b);
    expand(op.at, block, op.message.data, op.out.data + block.first);
  }
}

void run(const ops::FloorSquare& op, Scratch&) {
  float* x = op.square.data;
  const double sum = sum_tiles(op.square.size(), [&](std::int64_t first, std::int64_t count) {
    float part = 0.0f;
#pragma omp simd reduction(+ : part)
    for (std::int64_t i = first; i < first + count; ++i) part += std::sqrt(x[i]);
    return part;
  });
  *op.root.data = sum / static_cast<double>(std::max<std::int64_t>(op.square.size(), 1));
  const float root = static_cast<float>(op.floor * *op.root.data), least = root * root;
#pragma omp simd
  for (std::int64_t i = 0; i < op.square.size(); ++i) x[i] = x[i] < least ? least : x[i];
}

}  // namespace gamlp::cpu
