// Graph augmentation (docs/algorithm.md §1): from the features H it makes the inputs X = [H, ÃH, …, Ã^{K-1}H]. A run
// does this once, before training.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "host/core/matrix.hpp"
#include "host/graph/csr.hpp"
#include "host/graph/node_features.hpp"

namespace gamlp {

struct AugmentOptions {
  std::int64_t hops = 4;            // K >= 1: the number of blocks of X
  int threads = 1;                  // >= 1; changes no bit of the result
  std::int64_t column_block = 256;  // >= 1; features worked on at a time; changes no bit of the result
};

// Returns the rows `nodes` of X, as a matrix of nodes.size() × K·d whose block k has the columns k·d … (k+1)·d. `nodes`
// may have any order and may repeat ids, which are in [0, N). Every value is a float32 sum over the node's neighbours
// in ascending order. No N × N and no N × K·d matrix is made: beside the result, the work needs
// augment_workspace_bytes(). A row of an inner hop is computed only if a wanted row needs it.
Matrix augment(const Csr& propagation, const NodeFeatures& node_features, std::span<const std::int32_t> nodes,
               const AugmentOptions& options);

// Returns the K weights of the blocks of X, proportional to growth^k, with 1 as the mean of their squares. `growth` is
// above 0. Every weight is at least 1e-30.
std::vector<float> hop_weights(std::int64_t hops, double growth);

// Multiplies block k of the columns of x, which are weights.size() blocks of equal width, by weights[k].
void scale_hops(Matrix& x, const std::vector<float>& weights);

// Returns Ã x for a matrix x with a row per node, N × cols. Sums are as above. `threads` changes no bit of them.
Matrix propagate(const Csr& propagation, ConstMat x, int threads);

// Returns an upper bound of the memory that augment() allocates beside its result. These are at most two float
// buffers of N rows × min(column_block, d) columns, two cursors per node, and a list of up to N row ids per inner hop.
std::size_t augment_workspace_bytes(std::int64_t nodes, std::int64_t features, const AugmentOptions& options);

}  // namespace gamlp
