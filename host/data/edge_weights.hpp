// Handles the weights of edges: settles those that a file holds, and takes or drops them as dataset.edge_weights asks.
#pragma once

#include "host/config/dataset.hpp"
#include "host/data/dataset.hpp"

namespace gamlp {

// A loader calls this when its adjacency still has its duplicates. It drops entries of value 0, which are no edges,
// notes the first negative weight, then sorts and merges. If all weights are 1, it drops the weights, and duplicates
// become one edge. Otherwise the weights of duplicates add up. Throws a DataError where a sum is not finite.
void settle_weights(Dataset& dataset, const std::string& where);

// use: takes the weights, and throws a DataError that names the edge where one was negative. ignore: every edge weighs
// 1 from now on. A note tells the user where some did not.
void choose_weights(Dataset& dataset, EdgeWeights choice);

}  // namespace gamlp
