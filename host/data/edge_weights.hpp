// Weights of edges, as a file holds them and as dataset.edge_weights asks for them.
#pragma once

#include "host/config/dataset.hpp"
#include "host/data/dataset.hpp"

namespace gamlp {

// For a loader whose adjacency still has its duplicates: drops entries of value 0, which are no edges, notes the first
// negative weight, then sorts and merges. Weights that are all 1 are dropped, and duplicates become one edge; otherwise
// the weights of duplicates add up. DataError where a sum is not finite.
void settle_weights(Dataset& dataset, const std::string& where);

// use: DataError naming the edge where a weight was negative. ignore: every edge weighs 1, with a note where some do
// not.
void choose_weights(Dataset& dataset, EdgeWeights choice);

}  // namespace gamlp
