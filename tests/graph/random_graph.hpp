// Random graphs for the tests of host/graph, and the dense double-precision matrices to compare with.
#pragma once

#include <cstdint>
#include <vector>

#include "host/data/dataset.hpp"
#include "host/graph/csr_build.hpp"
#include "host/graph/normalize.hpp"
#include "host/math/random.hpp"

namespace gamlp::test {

struct Dense {
  std::int64_t rows = 0, cols = 0;
  std::vector<double> values;

  Dense(std::int64_t r, std::int64_t c) : rows(r), cols(c), values(static_cast<std::size_t>(r * c), 0.0) {}
  double& operator()(std::int64_t i, std::int64_t j) { return values[static_cast<std::size_t>(i * cols + j)]; }
  double operator()(std::int64_t i, std::int64_t j) const { return values[static_cast<std::size_t>(i * cols + j)]; }
};

inline Dense product(const Dense& a, const Dense& b) {
  Dense out(a.rows, b.cols);
  for (std::int64_t i = 0; i < a.rows; ++i) {
    for (std::int64_t k = 0; k < a.cols; ++k) {
      for (std::int64_t j = 0; j < b.cols; ++j) out(i, j) += a(i, k) * b(k, j);
    }
  }
  return out;
}

inline Dense dense_of(const Csr& csr) {
  Dense out(csr.rows, csr.cols);
  for (std::int64_t i = 0; i < csr.rows; ++i) {
    for (std::int64_t e = csr.indptr[i]; e < csr.indptr[i + 1]; ++e) out(i, csr.indices[e]) += csr.value(e);
  }
  return out;
}

// A directed graph with self-loops and, where edges are few, isolated nodes.
inline Csr random_graph(std::int64_t nodes, std::int64_t edges, std::uint64_t seed) {
  Random random(seed);
  std::vector<Edge> list;
  for (std::int64_t e = 0; e < edges; ++e) {
    const auto a = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(nodes)));
    const auto b = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(nodes)));
    list.push_back({a, random.uniform() < 0.1 ? a : b});
  }
  return csr_from_edges(nodes, list);
}

// What csr.hpp promises.
inline bool well_formed(const Csr& csr) {
  if (csr.indptr.size() != static_cast<std::size_t>(csr.rows + 1) || csr.indptr.front() != 0) return false;
  if (csr.indptr.back() != csr.entries()) return false;
  if (!csr.values.empty() && csr.values.size() != csr.indices.size()) return false;
  for (std::int64_t i = 0; i < csr.rows; ++i) {
    if (csr.indptr[i] > csr.indptr[i + 1]) return false;
    for (std::int64_t e = csr.indptr[i]; e < csr.indptr[i + 1]; ++e) {
      if (csr.indices[e] < 0 || csr.indices[e] >= csr.cols) return false;
      if (e > csr.indptr[i] && csr.indices[e] <= csr.indices[e - 1]) return false;
    }
  }
  return true;
}

// A fifth of the features are not 0 where they are sparse.
inline Dataset random_dataset(std::int64_t nodes, std::int64_t edges, std::int64_t features, bool sparse,
                              std::uint64_t seed) {
  Dataset dataset;
  dataset.adjacency = symmetrized(random_graph(nodes, edges, seed));
  dataset.sparse_features = sparse;
  Random random(seed + 1);
  if (!sparse) {
    dataset.features_dense = Matrix(nodes, features);
    for (float& value : dataset.features_dense.view().flat()) value = static_cast<float>(random.normal());
    return dataset;
  }
  Csr& csr = dataset.features_sparse;
  csr.rows = nodes;
  csr.cols = features;
  csr.indptr = {0};
  for (std::int64_t i = 0; i < nodes; ++i) {
    for (std::int64_t j = 0; j < features; ++j) {
      if (random.uniform() > 0.2) continue;
      csr.indices.push_back(static_cast<std::int32_t>(j));
      csr.values.push_back(static_cast<float>(random.normal()));
    }
    csr.indptr.push_back(csr.entries());
  }
  return dataset;
}

}  // namespace gamlp::test
