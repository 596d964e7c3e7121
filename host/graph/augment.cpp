#include "host/graph/augment.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "host/core/error.hpp"
#include "host/core/parallel.hpp"

namespace gamlp {
namespace {

constexpr std::int64_t kSlice = 64;  // rows that a thread takes at a time

// out += v0·a0, then += v1·a1, …: four terms per pass over `out`, added one after another as in a plain loop.
void add_scaled_rows(float* __restrict out, const float* v, const float* const* a, std::int64_t cols) {
  const float v0 = v[0], v1 = v[1], v2 = v[2], v3 = v[3];
  const float* __restrict a0 = a[0], * __restrict a1 = a[1], * __restrict a2 = a[2], * __restrict a3 = a[3];
#pragma omp simd
  for (std::int64_t c = 0; c < cols; ++c) out[c] = (((out[c] + v0 * a0[c]) + v1 * a1[c]) + v2 * a2[c]) + v3 * a3[c];
}

void add_scaled_row(float* __restrict out, float v, const float* __restrict a, std::int64_t cols) {
#pragma omp simd
  for (std::int64_t c = 0; c < cols; ++c) out[c] += v * a[c];
}

// Columns [first, first + cols) of a dense matrix whose rows are `stride` apart.
struct DenseBlock {
  const float* data;
  std::int64_t stride;
  std::int64_t cols;

  void propagate(const Csr& matrix, std::int64_t i, float* out) const {
    std::fill_n(out, cols, 0.0f);
    std::int64_t e = matrix.indptr[i];
    const std::int64_t end = matrix.indptr[i + 1];
    for (; e + 4 <= end; e += 4) {
      const float* rows[4];
      for (int k = 0; k < 4; ++k) rows[k] = data + matrix.indices[e + k] * stride;
      add_scaled_rows(out, matrix.values.data() + e, rows, cols);
    }
    for (; e < end; ++e) add_scaled_row(out, matrix.values[e], data + matrix.indices[e] * stride, cols);
  }
};

// The same columns of sparse features: entries [begin[j], end[j]) of row j lie inside the block.
struct SparseBlock {
  const Csr& features;
  const std::vector<std::int64_t>& begin;
  const std::vector<std::int64_t>& end;
  std::int64_t first;
  std::int64_t cols;

  void propagate(const Csr& matrix, std::int64_t i, float* out) const {
    std::fill_n(out, cols, 0.0f);
    for (std::int64_t e = matrix.indptr[i]; e < matrix.indptr[i + 1]; ++e) {
      const std::int64_t j = matrix.indices[e];
      for (std::int64_t f = begin[j]; f < end[j]; ++f) {
        out[features.indices[f] - first] += matrix.values[e] * features.value(f);
      }
    }
  }
};

// Rows that hop k must hold: those wanted, and the neighbours of the rows of hop k + 1. [0] and [K-1] stay empty:
// hop 0 is H itself, and the last hop is computed for the wanted rows only, into the result.
std::vector<std::vector<std::int32_t>> rows_of_hops(const Csr& propagation, std::span<const std::int32_t> nodes,
                                                    std::int64_t hops) {
  std::vector<std::vector<std::int32_t>> rows(static_cast<std::size_t>(hops));
  std::vector<std::uint8_t> needed(static_cast<std::size_t>(propagation.rows), 0);
  for (const std::int32_t i : nodes) needed[i] = 1;
  std::span<const std::int32_t> newer = nodes;
  for (std::int64_t k = hops - 2; k >= 1; --k) {
    for (const std::int32_t i : newer) {
      for (std::int64_t e = propagation.indptr[i]; e < propagation.indptr[i + 1]; ++e) {
        needed[propagation.indices[e]] = 1;
      }
    }
    for (std::size_t i = 0; i < needed.size(); ++i) {
      if (needed[i]) rows[k].push_back(static_cast<std::int32_t>(i));
    }
    newer = rows[k];
  }
  return rows;
}

class Augmenter {
 public:
  Augmenter(const Csr& propagation, const NodeFeatures& node_features, std::span<const std::int32_t> nodes,
            const AugmentOptions& options)
      : propagation_(propagation),
        node_features_(node_features),
        nodes_(nodes),
        options_(options),
        width_(std::min(options.column_block, node_features.features())),
        rows_(rows_of_hops(propagation, nodes, options.hops)),
        result_(static_cast<std::int64_t>(nodes.size()), options.hops * node_features.features()) {
    const auto n = static_cast<std::size_t>(propagation.rows);
    // Uninitialised: each hop writes the rows that the next one reads.
    for (std::int64_t k = 0; k < std::min<std::int64_t>(2, options.hops - 2); ++k) {
      buffer_[k] = std::make_unique_for_overwrite<float[]>(n * static_cast<std::size_t>(width_));
    }
    if (node_features.sparse_features) {
      end_.assign(node_features.features_sparse.indptr.begin(), node_features.features_sparse.indptr.end() - 1);
    }
  }

  Matrix run() {
    const std::int64_t features = node_features_.features();
    for (std::int64_t first = 0; first < features; first += width_) {
      const std::int64_t cols = std::min(width_, features - first);
      if (node_features_.sparse_features) {
        advance_cursors(first + cols);
        copy_sparse_features();
        hops_from(SparseBlock{node_features_.features_sparse, begin_, end_, first, cols}, first);
      } else {
        const DenseBlock block{node_features_.features_dense.data() + first, features, cols};
        copy_rows(block, 0, first);
        hops_from(block, first);
      }
    }
    return std::move(result_);
  }

 private:
  template <class Block>
  void hops_from(const Block& features, std::int64_t first) {
    if (options_.hops == 1) return;
    if (options_.hops == 2) return last_hop(features, first);
    inner_hop(features, 1);
    DenseBlock current{buffer_[0].get(), features.cols, features.cols};
    copy_rows(current, 1, first);
    for (std::int64_t k = 2; k < options_.hops - 1; ++k) {
      inner_hop(current, k);
      current.data = buffer_[(k - 1) % 2].get();
      copy_rows(current, k, first);
    }
    last_hop(current, first);
  }

  // Hop k into its buffer, from the block of hop k - 1.
  template <class Block>
  void inner_hop(const Block& from, std::int64_t k) {
    float* const to = buffer_[(k - 1) % 2].get();
    const std::vector<std::int32_t>& rows = rows_[k];
    parallel_slices(options_.threads, static_cast<std::int64_t>(rows.size()), kSlice,
                    [&](std::int64_t b, std::int64_t e) {
                      for (std::int64_t r = b; r < e; ++r)
                        from.propagate(propagation_, rows[r], to + rows[r] * from.cols);
                    });
  }

  template <class Block>
  void last_hop(const Block& from, std::int64_t first) {
    const std::int64_t column = (options_.hops - 1) * node_features_.features() + first;
    parallel_slices(options_.threads, result_.rows(), kSlice, [&](std::int64_t b, std::int64_t e) {
      for (std::int64_t r = b; r < e; ++r) from.propagate(propagation_, nodes_[r], result_.row(r) + column);
    });
  }

  void copy_rows(const DenseBlock& block, std::int64_t hop, std::int64_t first) {
    const std::int64_t column = hop * node_features_.features() + first;
    parallel_slices(options_.threads, result_.rows(), kSlice, [&](std::int64_t b, std::int64_t e) {
      for (std::int64_t r = b; r < e; ++r) {
        std::memcpy(result_.row(r) + column, block.data + nodes_[r] * block.stride, sizeof(float) * block.cols);
      }
    });
  }

  void copy_sparse_features() {
    const Csr& features = node_features_.features_sparse;
    parallel_slices(options_.threads, result_.rows(), kSlice, [&](std::int64_t b, std::int64_t e) {
      for (std::int64_t r = b; r < e; ++r) {
        float* const out = result_.row(r);
        for (std::int64_t f = begin_[nodes_[r]]; f < end_[nodes_[r]]; ++f) out[features.indices[f]] = features.value(f);
      }
    });
  }

  // Entries of the next block: from where the last one ended to the first column at or behind `limit`.
  void advance_cursors(std::int64_t limit) {
    const Csr& features = node_features_.features_sparse;
    begin_ = end_;
    parallel_slices(options_.threads, features.rows, kSlice, [&](std::int64_t b, std::int64_t e) {
      for (std::int64_t j = b; j < e; ++j) {
        while (end_[j] < features.indptr[j + 1] && features.indices[end_[j]] < limit) ++end_[j];
      }
    });
  }

  const Csr& propagation_;
  const NodeFeatures& node_features_;
  std::span<const std::int32_t> nodes_;
  AugmentOptions options_;
  std::int64_t width_;
  std::vector<std::vector<std::int32_t>> rows_;
  std::unique_ptr<float[]> buffer_[2];
  std::vector<std::int64_t> begin_, end_;
  Matrix result_;
};

}  // namespace

Matrix augment(const Csr& propagation, const NodeFeatures& node_features, std::span<const std::int32_t> nodes,
               const AugmentOptions& options) {
  expects(options.hops >= 1 && options.threads >= 1 && options.column_block >= 1, "positive augmentation options");
  expects(propagation.rows == node_features.feature_rows() && propagation.cols == propagation.rows,
          "an operator of this graph");
  expects(propagation.values.size() == propagation.indices.size(), "an operator with values");
  expects(node_features.features() >= 1, "at least one feature");
  for (const std::int32_t i : nodes) expects(i >= 0 && i < propagation.rows, "node ids within the graph");
  return Augmenter(propagation, node_features, nodes, options).run();
}

std::vector<float> hop_weights(std::int64_t hops, double growth) {
  std::vector<double> logs;  // relative to the largest, so that no power overflows
  for (std::int64_t k = 0; k < hops; ++k) {
    logs.push_back(std::log(growth) * static_cast<double>(growth > 1.0 ? k - (hops - 1) : k));
  }
  double squares = 0.0;
  for (const double log : logs) squares += std::exp(2.0 * log);
  const double scale = std::sqrt(static_cast<double>(hops) / squares);
  std::vector<float> weights;
  for (const double log : logs) weights.push_back(static_cast<float>(std::max(scale * std::exp(log), 1e-30)));
  return weights;
}

void scale_hops(Matrix& x, const std::vector<float>& weights) {
  const auto hops = static_cast<std::int64_t>(weights.size());
  expects(hops > 0 && x.cols() % hops == 0, "a block of columns for every weight");
  const std::int64_t width = x.cols() / hops;
  for (std::int64_t i = 0; i < x.rows(); ++i) {
    for (std::int64_t k = 0; k < hops; ++k) {
      float* block = x.row(i) + k * width;
      for (std::int64_t j = 0; j < width; ++j) block[j] *= weights[static_cast<std::size_t>(k)];
    }
  }
}

Matrix propagate(const Csr& propagation, ConstMat x, int threads) {
  expects(propagation.rows == x.rows && propagation.cols == x.rows, "an operator of this graph");
  Matrix out(x.rows, x.cols);
  const DenseBlock block{x.data, x.cols, x.cols};
  parallel_slices(threads, x.rows, kSlice, [&](std::int64_t b, std::int64_t e) {
    for (std::int64_t i = b; i < e; ++i) block.propagate(propagation, i, out.row(i));
  });
  return out;
}

std::size_t augment_workspace_bytes(std::int64_t nodes, std::int64_t features, const AugmentOptions& options) {
  const auto inner = static_cast<std::size_t>(std::max<std::int64_t>(0, options.hops - 2));
  const auto n = static_cast<std::size_t>(nodes);
  const auto width = static_cast<std::size_t>(std::min(options.column_block, features));
  // Row ids: lists grow by doubling, so twice their length; `needed` is a byte per node.
  return std::min<std::size_t>(inner, 2) * n * width * sizeof(float) + 2 * n * sizeof(std::int64_t) +
         inner * 2 * n * sizeof(std::int32_t) + n;
}

}  // namespace gamlp
