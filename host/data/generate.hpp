// Contextual stochastic block model: labelled graphs of any size from a seed.
#pragma once

#include <string>
#include <vector>

#include "host/config/dataset.hpp"
#include "host/data/dataset.hpp"

namespace gamlp {

// Sizes of a public dataset, for graphs that cost as much time and memory as it does.
struct GraphShape {
  const char* name;
  std::int64_t nodes, classes, features;
  double mean_degree;  // neighbours per node
  std::int64_t train, validation, test;
  bool balanced_train;  // as many training nodes of every class (a public split of 20 per class)
};

const std::vector<GraphShape>& graph_shapes();

// A graph with `nodes` nodes in `classes` classes of (nearly) equal size, randomly assigned.
//
// Edges: round(nodes · mean_degree / 2) distinct undirected edges without self-loops, stored in both directions. Each
// stays inside its class with probability `homophily`, and joins two uniformly drawn nodes otherwise of different
// classes. Where the graph cannot hold them (a class that is nearly a clique), it gets fewer. O(edges).
// Features: float32, dense; a node's are N(m_c, I), m_c a random direction of length `feature_signal` per class.
// Masks: with a shape, its sizes (20 training nodes of every class for cora and pubmed; random nodes for flickr and
// arxiv), and the shape replaces nodes, classes, features and mean_degree. Without a shape: of every class, a third of
// its nodes, at least 1 and at most 20, train; of the r nodes left, min(500, ⌊r/3⌋) validate and min(1000, what is
// left) test.
//
// Bits depend on the config only: every number comes from Random (core/random.hpp) through operations that IEEE 754
// defines exactly. ConfigError for impossible values and unknown shapes.
Dataset generate_csbm(const GenerateConfig& config);

// What generate_csbm() would give, without generating it.
struct GraphCounts {
  std::int64_t nodes = 0, edges = 0, features = 0;  // edges: entries of the adjacency (both directions), at most
  std::vector<std::int64_t> class_nodes;
  std::int64_t train = 0, validation = 0, test = 0;  // of the masks
};
GraphCounts count_csbm(const GenerateConfig& config);

}  // namespace gamlp
