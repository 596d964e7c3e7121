// What collectives add up.
#include <algorithm>

#include "host/cpu/loops.hpp"

namespace gamlp::cpu {
namespace {

// Adds the rows of `parts` by the tree, a tile of columns at a time. `stack` has room for kSumDepth tiles.
template <class T>
void sum_by_tree(MatView<const T> parts, const SumTree& tree, MatView<T> out, T* stack) {
  expects(tree.parts == parts.rows, "the tree has as many parts as there are rows");
  for (std::int64_t first = 0; first < out.size(); first += kTile) {
    const std::int64_t count = std::min(kTile, out.size() - first);
    T* top = stack;  // past the last tile
    for (std::int64_t i = 0; i < parts.rows; ++i) {
      std::copy_n(parts.row(i) + first, count, top);
      top += kTile;
      for (int merges = tree.merges[static_cast<std::size_t>(i)]; merges > 0; --merges) {
        top -= kTile;
        T* left = top - kTile;
        const T* right = top;
#pragma omp simd
        for (std::int64_t k = 0; k < count; ++k) left[k] += right[k];
      }
    }
    std::copy_n(stack, count, out.data + first);
  }
}

}  // namespace

void run(const ops::SumParts& op, Scratch& scratch) {
  sum_by_tree(op.parts, op.tree, op.out, scratch.floats(kSumDepth * kTile).data());
}

void run(const ops::SumScalars& op, Scratch& scratch) {
  sum_by_tree(op.parts, op.tree, op.out, scratch.doubles(kSumDepth * kTile).data());
}

void run(const ops::MaxParts& op, Scratch&) {
  std::copy_n(op.parts.data, op.out.size(), op.out.data);
  for (std::int64_t i = 1; i < op.parts.rows; ++i) {
    const float* x = op.parts.row(i);
    float* out = op.out.data;
#pragma omp simd
    for (std::int64_t k = 0; k < op.out.size(); ++k) out[k] = x[k] > out[k] || x[k] != x[k] ? x[k] : out[k];
  }
}

void run(const ops::Accumulate& op, Scratch&) {
  const float* x = op.x.data;
  float* y = op.y.data;
#pragma omp simd
  for (std::int64_t i = 0; i < op.y.size(); ++i) y[i] += x[i];
}

}  // namespace gamlp::cpu
