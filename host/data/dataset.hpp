// A graph as loaded: adjacency, node features (sparse or dense), labels, and the masks of its file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/core/matrix.hpp"
#include "host/graph/csr.hpp"

namespace gamlp {

struct Dataset {
  std::string name;    // file name without its ending, or the generator's description
  std::string origin;  // path or generator: what error messages name
  Csr adjacency;  // as stored: may be directed, may hold self-loops; after prepare_graph(): symmetric, no duplicates
  bool sparse_features = false;
  Csr features_sparse;               // nodes × features, used when sparse_features
  Matrix features_dense;             // nodes × features, used otherwise
  std::vector<std::int32_t> labels;  // one per node, 0 <= label < classes
  std::int32_t classes = 0;
  // Masks of the file, one byte per node, empty where the file has none. They never overlap.
  std::vector<std::uint8_t> train_mask, validation_mask, test_mask;

  std::int64_t nodes() const { return adjacency.rows; }
  std::int64_t features() const { return sparse_features ? features_sparse.cols : features_dense.cols(); }
};

// Node ids of each part, ascending and disjoint.
struct Split {
  std::vector<std::int32_t> train, validation, test;
};

}  // namespace gamlp
