#include "host/graph/normalize.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
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

// A + I with one loop per node.
Csr with_self_loops(const Csr& adjacency) {
  Csr out = empty_like(adjacency);
  out.indices.reserve(static_cast<std::size_t>(adjacency.entries() + adjacency.rows));
  for (std::int64_t i = 0; i < adjacency.rows; ++i) {
    const auto self = static_cast<std::int32_t>(i);
    const auto begin = adjacency.indices.begin() + adjacency.indptr[i];
    const auto end = adjacency.indices.begin() + adjacency.indptr[i + 1];
    const auto place = std::lower_bound(begin, end, self);
    out.indices.insert(out.indices.end(), begin, place);
    out.indices.push_back(self);
    out.indices.insert(out.indices.end(), place != end && *place == self ? place + 1 : place, end);
    out.indptr.push_back(out.entries());
  }
  return out;
}

}  // namespace

Csr symmetrized(const Csr& adjacency) {
  expects(adjacency.rows == adjacency.cols, "a square adjacency");
  const Csr reverse = transposed(adjacency);
  Csr out = empty_like(adjacency);
  out.indices.reserve(adjacency.indices.size());
  for (std::int64_t i = 0; i < adjacency.rows; ++i) {
    std::set_union(adjacency.indices.begin() + adjacency.indptr[i], adjacency.indices.begin() + adjacency.indptr[i + 1],
                   reverse.indices.begin() + reverse.indptr[i], reverse.indices.begin() + reverse.indptr[i + 1],
                   std::back_inserter(out.indices));
    out.indptr.push_back(out.entries());
  }
  return out;
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
    const auto degree = static_cast<double>(out.indptr[i + 1] - out.indptr[i]);  // loop included, so never 0
    scale[i] = op == PropagationOperator::symmetric ? 1.0 / std::sqrt(degree) : 1.0 / degree;
  }
  out.values.resize(out.indices.size());
  for (std::int64_t i = 0; i < out.rows; ++i) {
    for (std::int64_t e = out.indptr[i]; e < out.indptr[i + 1]; ++e) {
      const double right = op == PropagationOperator::symmetric ? scale[out.indices[e]] : 1.0;
      out.values[e] = static_cast<float>(scale[i] * right);
    }
  }
  return out;
}

}  // namespace gamlp
