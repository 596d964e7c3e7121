// Generates labelled graphs of any size from a seed, by a contextual stochastic block model.
#pragma once

#include <string>
#include <vector>

#include "host/config/dataset.hpp"
#include "host/data/dataset.hpp"

namespace gamlp {

// The sizes of a public dataset. A graph of this shape costs as much time and memory as the dataset does.
struct GraphShape {
  const char* name;
  std::int64_t nodes, classes, features;
  double mean_degree;  // neighbours per node
  std::int64_t train, validation, test;
  bool balanced_train;  // every class has the same number of training nodes

  // The same with its numbers of nodes divided by `by`: training nodes of each class, where these are balanced.
  GraphShape scaled(std::int64_t by) const;
};

const std::vector<GraphShape>& graph_shapes();

// Returns a graph with `nodes` nodes, which are randomly assigned to `classes` classes of (nearly) equal size. A shape
// replaces nodes, classes, features and mean_degree. `scale` divides its numbers of nodes.
//
// Edges: there are round(nodes · mean_degree / 2) distinct undirected edges without self-loops, stored in both
// directions. Each edge stays inside its class with probability `homophily`. Otherwise it joins two nodes of different
// classes, drawn uniformly. Where the graph cannot hold as many (a class that is nearly a clique), it gets fewer.
// Drawing takes O(edges).
// Features: they are dense float32. A node's features are N(m_c, I), where its class c has a random direction m_c of
// length `feature_signal`.
// Masks: with a shape they have its sizes (20 training nodes of every class for cora and pubmed, random nodes for the
// others). Without a shape a third of the nodes of every class train, at least 1 and at most 20. Of the r
// nodes left, min(500, ⌊r/3⌋) validate and min(1000, what is left) test.
//
// The bits depend only on the config: every number comes from Random (host/math/random.hpp) through operations that
// IEEE 754 defines exactly. Throws a ConfigError for impossible values and unknown shapes.
Dataset generate_csbm(const GenerateConfig& config);

// The sizes of what generate_csbm() would return, without generating it.
struct GraphCounts {
  std::int64_t nodes = 0, edges = 0, features = 0;  // edges: entries of the adjacency (both directions), at most
  std::vector<std::int64_t> class_nodes;
  std::int64_t train = 0, validation = 0, test = 0;  // of the masks
};
GraphCounts count_csbm(const GenerateConfig& config);

}  // namespace gamlp
