// A graph as the loaders return it: its adjacency, node features (sparse or dense), labels, and the masks of its file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/graph/csr.hpp"
#include "host/graph/node_features.hpp"

namespace gamlp {

// The label of a node whose class nobody knows. Such a node propagates its features, and its class can be predicted.
inline constexpr std::int32_t no_class = -1;

struct Dataset : NodeFeatures {
  std::string name;    // file name without its ending, or the generator's description
  std::string origin;  // path or generator: what error messages name
  // As stored, row u holds v for every edge "u v". It may be directed and may hold self-loops, but has no duplicates.
  // The values are the weights, empty where all are 1. After load_dataset() row i holds what node i gathers from
  // (host/graph/normalize.hpp).
  Csr adjacency;
  std::string negative_weight;       // the first edge of the file with a weight below 0, in words; empty: there is none
  std::vector<std::int32_t> labels;  // one per node: 0 <= label < classes, or no_class
  bool has_labels = true;            // false: the file has none, all labels are no_class
  std::int32_t classes = 0;
  std::vector<std::int32_t> class_ids;  // the file's id of every class; empty: 0, 1, … (classes.hpp)
  std::int64_t file_splits = 1;         // splits that the masks of the file hold; the masks below are one of them
  // The masks of the file have one byte per node. They are empty where the file has none. They never overlap.
  std::vector<std::uint8_t> train_mask, validation_mask, test_mask;
  std::vector<std::string> notes;  // what a user should know of how the file was read

  std::int64_t nodes() const { return adjacency.rows; }
};

// The node ids of each part. They are ascending, and the parts are disjoint.
struct Split {
  std::vector<std::int32_t> train, validation, test;
};

}  // namespace gamlp
