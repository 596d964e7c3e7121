// Summarises what a graph looks like: sizes, degrees, features, classes, masks.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/data/dataset.hpp"
#include "host/data/standardize.hpp"

namespace gamlp::cli {

struct GraphSummary {
  std::string origin;
  std::int64_t nodes = 0, entries = 0, self_loops = 0, isolated = 0, max_degree = 0;
  bool symmetric = false;
  double mean_degree = 0;  // neighbours per node, self-loops not counted
  // Share of the edges that join nodes of one class. Self-loops, and nodes without a class, do not count. NaN without
  // edges.
  double homophily = 0;
  std::int64_t features = 0, nonzero_features = 0;
  bool sparse_features = false;  // as stored
  std::string feature_values;    // "binary", "counts", "non-negative", "real"
  ScaleSummary scales;
  std::vector<float> weights;                        // smallest and largest of the edges; empty: all are 1
  std::vector<std::int64_t> class_nodes;             // by the file's ids
  std::int64_t unlabelled = 0;                       // nodes without a class
  std::int64_t train = 0, validation = 0, test = 0;  // in the file's masks
  bool masks = false;
  std::int64_t splits = 1;  // of the masks

  std::int64_t used_classes() const;
  double feature_density() const {
    return static_cast<double>(nonzero_features) / (static_cast<double>(nodes) * static_cast<double>(features));
  }
};

// Summarises the graph as stored.
GraphSummary summarize(const Dataset& dataset);

nlohmann::ordered_json to_json(const GraphSummary& summary);
std::string to_text(const GraphSummary& summary);

}  // namespace gamlp::cli
