// The features of the nodes of a graph, in sparse or in dense form. Every node has a row of them.
#pragma once

#include <cstdint>

#include "host/core/matrix.hpp"
#include "host/graph/csr.hpp"

namespace gamlp {

struct NodeFeatures {
  bool sparse_features = false;
  Csr features_sparse;    // nodes × features, used when sparse_features
  Matrix features_dense;  // nodes × features, used otherwise

  std::int64_t features() const { return sparse_features ? features_sparse.cols : features_dense.cols(); }
  std::int64_t feature_rows() const { return sparse_features ? features_sparse.rows : features_dense.rows(); }
};

}  // namespace gamlp
