// Graph augmentation, done once before training (docs/algorithm.md §1): X = [H, ÃH, …, Ã^{K-1}H].
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "host/core/matrix.hpp"
#include "host/graph/csr.hpp"
#include "host/graph/node_features.hpp"

namespace gamlp {

struct AugmentOptions {
  std::int64_t hops = 4;            // K >= 1: the number of blocks of X
  int threads = 1;                  // >= 1; changes no bit of the result
  std::int64_t column_block = 256;  // >= 1; features worked on at a time; changes no bit of the result
};

// Rows `nodes` (any order, repeats allowed, ids in [0, N)) of X: nodes.size() × K·d, block k in columns k·d … (k+1)·d.
// Every value is a float32 sum over the node's neighbours in ascending order. No N × N and no N × K·d matrix is made:
// beside the result, the work needs augment_workspace_bytes(). A row of an inner hop that no wanted row needs is not
// computed.
Matrix augment(const Csr& propagation, const NodeFeatures& node_features, std::span<const std::int32_t> nodes,
               const AugmentOptions& options);

// Upper bound of the memory that augment() allocates beside its result: at most two float buffers of N rows ×
// min(column_block, d) columns, two cursors per node and a list of at most N row ids per inner hop.
std::size_t augment_workspace_bytes(std::int64_t nodes, std::int64_t features, const AugmentOptions& options);

}  // namespace gamlp
