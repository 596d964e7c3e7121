#include "host/graph/normalize.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "host/core/error.hpp"
#include "host/graph/csr_build.hpp"

namespace gamlp {
namespace {

Csr empty_like(const Csr& matrix) {
  Csr out;
  out.rows = matrix.rows;
  out.cols = matrix.cols;
  out.indptr.reserve(static_cast<std::size_t>(matrix.rows + 1));
  out.indptr.push_back(0);
  return out;
}

// A + I with one loop per node, and its weights, if it has any.
Csr with_self_loops(const Csr& adjacency) {
  Csr out = empty_like(adjacency);
  const bool weighted = !adjacency.values.empty();
  out.indices.reserve(static_cast<std::size_t>(adjacency.entries() + adjacency.rows));
  if (weighted) out.values.reserve(out.indices.capacity());
  for (std::int64_t i = 0; i < adjacency.rows; ++i) {
    const auto self = static_cast<std::int32_t>(i);
    const auto begin = adjacency.indices.begin() + adjacency.indptr[i];
    const auto end = adjacency.indices.begin() + adjacency.indptr[i + 1];
    const auto place = std::lower_bound(begin, end, self);
    out.indices.insert(out.indices.end(), begin, place);
    out.indices.push_back(self);
    const bool stored = place != end && *place == self;
    out.indices.insert(out.indices.end(), stored ? place + 1 : place, end);
    if (weighted) {
      const auto values = adjacency.values.begin();
      const auto at = values + (place - adjacency.indices.begin());
      out.values.insert(out.values.end(), values + adjacency.indptr[i], at);
      out.values.push_back(stored ? *at : 1.0f);
      out.values.insert(out.values.end(), stored ? at + 1 : at, values + adjacency.indptr[i + 1]);
    }
    out.indptr.push_back(out.entries());
  }
  return out;
}

}  // namespace

Csr symmetrized(const Csr& adjacency) {
  expects(adjacency.rows == adjacency.cols, "a square adjacency");
  const Csr reverse = transposed(adjacency);
  const bool weighted = !adjacency.values.empty();
  Csr out = empty_like(adjacency);
  out.indices.reserve(adjacency.indices.size());
  for (std::int64_t i = 0; i < adjacency.rows; ++i) {
    std::int64_t a = adjacency.indptr[i], b = reverse.indptr[i];
    const std::int64_t a_end = adjacency.indptr[i + 1], b_end = reverse.indptr[i + 1];
    while (a < a_end || b < b_end) {
      const bool from_a = a < a_end && (b == b_end || adjacency.indices[a] <= reverse.indices[b]);
      const bool from_b = b < b_end && (a == a_end || reverse.indices[b] <= adjacency.indices[a]);
      out.indices.push_back(from_a ? adjacency.indices[a] : reverse.indices[b]);
      if (weighted) {
        const float larger = from_a && from_b ? std::max(adjacency.values[a], reverse.values[b])
                             : from_a         ? adjacency.values[a]
                                              : reverse.values[b];
        out.values.push_back(larger);
      }
      a += from_a;
      b += from_b;
    }
    out.indptr.push_back(out.entries());
  }
  return out;
}

Csr gathering(Csr adjacency, Direction direction) {
  return direction == Direction::in ? transposed(adjacency) : std::move(adjacency);
}

Csr without_self_loops(const Csr& adjacency) {
  Csr out = empty_like(adjacency);
  out.indices.reserve(adjacency.indices.size());
  for (std::int64_t i = 0; i < adjacency.rows; ++i) {
    for (std::int64_t e = adjacency.indptr[i]; e < adjacency.indptr[i + 1]; ++e) {
      if (adjacency.indices[e] == i) continue;
      out.indices.push_back(adjacency.indices[e]);
      if (!adjacency.values.empty()) out.values.push_back(adjacency.values[e]);
    }
    out.indptr.push_back(out.entries());
  }
  return out;
}

Csr propagation_matrix(const Csr& adjacency, PropagationOperator op) {
  expects(adjacency.rows == adjacency.cols, "a square adjacency");
  Csr out = with_self_loops(adjacency);
  std::vector<double> scale(static_cast<std::size_t>(out.rows));
  for (std::int64_t i = 0; i < out.rows; ++i) {
    auto degree = static_cast<double>(out.indptr[i + 1] - out.indptr[i]);  // loop included, so never 0
    if (!out.values.empty()) {
      degree = std::accumulate(out.values.begin() + out.indptr[i], out.values.begin() + out.indptr[i + 1], 0.0);
    }
    scale[i] = op == PropagationOperator::symmetric ? 1.0 / std::sqrt(degree) : 1.0 / degree;
  }
  const bool weighted = !out.values.empty();
  out.values.resize(out.indices.size());
  for (std::int64_t i = 0; i < out.rows; ++i) {
    for (std::int64_t e = out.indptr[i]; e < out.indptr[i + 1]; ++e) {
      const double right = op == PropagationOperator::symmetric ? scale[out.indices[e]] : 1.0;
      const double value = scale[i] * right;
      out.values[e] = static_cast<float>(weighted ? value * static_cast<double>(out.values[e]) : value);
    }
  }
  return out;
}

}  // namespace gamlp
