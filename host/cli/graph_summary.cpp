#include "host/cli/graph_summary.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include "host/cli/table.hpp"
#include "host/config/json_number.hpp"
#include "host/core/number_text.hpp"
#include "host/data/check.hpp"
#include "host/data/classes.hpp"
#include "host/graph/normalize.hpp"

namespace gamlp::cli {
namespace {

constexpr std::size_t kListedClasses = 60;

// Of a node's features: how many are not zero, and what kind of numbers they are.
void read_values(std::span<const float> values, GraphSummary& summary, bool& integral, bool& binary, bool& negative) {
  for (const float value : values) {
    if (value == 0.0f) continue;
    ++summary.nonzero_features;
    binary = binary && value == 1.0f;
    integral = integral && value == std::floor(value);
    negative = negative || value < 0.0f;
  }
}

void read_features(const Dataset& dataset, GraphSummary& summary) {
  bool integral = true, binary = true, negative = false;
  if (dataset.sparse_features && dataset.features_sparse.values.empty()) {
    summary.nonzero_features = dataset.features_sparse.entries();
  } else if (dataset.sparse_features) {
    read_values(dataset.features_sparse.values, summary, integral, binary, negative);
  } else {
    read_values(dataset.features_dense.view().flat(), summary, integral, binary, negative);
  }
  summary.feature_values = binary ? "binary" : negative ? "real" : integral ? "counts" : "non-negative";
}

void read_edges(const Dataset& dataset, GraphSummary& summary) {
  const Csr& a = dataset.adjacency;
  std::int64_t neighbours = 0, labelled = 0, same_class = 0;
  for (std::int64_t i = 0; i < a.rows; ++i) {
    const auto node = static_cast<std::size_t>(i);
    std::int64_t degree = 0;
    for (auto e = static_cast<std::size_t>(a.indptr[node]); e < static_cast<std::size_t>(a.indptr[node + 1]); ++e) {
      const auto other = static_cast<std::size_t>(a.indices[e]);
      if (other == node) {
        ++summary.self_loops;
        continue;
      }
      ++degree;
      if (dataset.labels[node] == no_class || dataset.labels[other] == no_class) continue;
      ++labelled;
      same_class += dataset.labels[node] == dataset.labels[other];
    }
    neighbours += degree;
    summary.max_degree = std::max(summary.max_degree, degree);
  }
  summary.mean_degree = static_cast<double>(neighbours) / static_cast<double>(a.rows);
  summary.homophily = labelled > 0 ? static_cast<double>(same_class) / static_cast<double>(labelled) : std::nan("");
}

// Nodes that no edge of either direction joins to another node.
std::int64_t isolated_nodes(const Csr& symmetric) {
  std::int64_t isolated = 0;
  for (std::int64_t i = 0; i < symmetric.rows; ++i) {
    const std::int64_t first = symmetric.indptr[static_cast<std::size_t>(i)];
    const std::int64_t entries = symmetric.indptr[static_cast<std::size_t>(i) + 1] - first;
    isolated += entries == 0 || (entries == 1 && symmetric.indices[static_cast<std::size_t>(first)] == i);
  }
  return isolated;
}

std::int64_t count(const std::vector<std::uint8_t>& mask) {
  return std::count_if(mask.begin(), mask.end(), [](std::uint8_t m) { return m != 0; });
}

std::string class_table(const GraphSummary& s) {
  Table table({"class", "nodes", "share"});
  std::size_t listed = 0;
  for (std::size_t c = 0; c < s.class_nodes.size() && listed < kListedClasses; ++c) {
    if (s.class_nodes[c] == 0) continue;  // ids that no node has, between years for example
    ++listed;
    table.row({std::to_string(c), grouped(s.class_nodes[c]),
               percent_text(static_cast<double>(s.class_nodes[c]) / static_cast<double>(s.nodes))});
  }
  std::string out = table.text();
  if (s.used_classes() > static_cast<std::int64_t>(listed))
    out += "  ... (--json lists all " + std::to_string(s.class_nodes.size()) + ")\n";
  return out;
}

}  // namespace

std::int64_t GraphSummary::used_classes() const {
  return std::count_if(class_nodes.begin(), class_nodes.end(), [](std::int64_t count) { return count > 0; });
}

GraphSummary summarize(const Dataset& dataset) {
  GraphSummary summary;
  summary.origin = dataset.origin;
  summary.nodes = dataset.nodes();
  summary.entries = dataset.adjacency.entries();
  const Csr both_ways = symmetrized(dataset.adjacency);
  summary.symmetric = both_ways.entries() == summary.entries;
  summary.isolated = isolated_nodes(both_ways);
  summary.features = dataset.features();
  summary.sparse_features = dataset.sparse_features;
  read_edges(dataset, summary);
  read_features(dataset, summary);
  summary.class_nodes = nodes_per_class(dataset);
  summary.unlabelled = std::count(dataset.labels.begin(), dataset.labels.end(), no_class);
  summary.splits = dataset.file_splits;
  summary.scales = summarize_scales(dataset);
  const std::vector<float>& weights = dataset.adjacency.values;
  if (!weights.empty()) {
    const auto [low, high] = std::minmax_element(weights.begin(), weights.end());
    summary.weights = {*low, *high};
  }
  summary.masks = !dataset.train_mask.empty();
  summary.train = count(dataset.train_mask);
  summary.validation = count(dataset.validation_mask);
  summary.test = count(dataset.test_mask);
  return summary;
}

nlohmann::ordered_json to_json(const GraphSummary& s) {
  nlohmann::ordered_json json = {{"kind", "dataset"},
                                 {"path", s.origin},
                                 {"nodes", s.nodes},
                                 {"adjacency_entries", s.entries},
                                 {"symmetric", s.symmetric},
                                 {"self_loops", s.self_loops},
                                 {"isolated_nodes", s.isolated},
                                 {"mean_degree", s.mean_degree},
                                 {"max_degree", s.max_degree}};
  json["edge_homophily"] = number_or_null(s.homophily);
  json["features"] = s.features;
  json["features_stored"] = s.sparse_features ? "sparse" : "dense";
  json["feature_values"] = s.feature_values;
  json["feature_density"] = s.feature_density();
  json["feature_scales"] = {{"columns", s.scales.columns},
                            {"smallest", s.scales.smallest},
                            {"smallest_at", s.scales.smallest_at},
                            {"largest", s.scales.largest},
                            {"largest_at", s.scales.largest_at}};
  json["edge_weights"] = s.weights;
  json["nodes_without_class"] = s.unlabelled;
  json["splits"] = s.splits;
  json["classes"] = s.class_nodes.size();
  json["class_nodes"] = s.class_nodes;
  json["masks"] = s.masks ? nlohmann::ordered_json{{"train", s.train}, {"validation", s.validation}, {"test", s.test}}
                          : nlohmann::ordered_json(nullptr);
  return json;
}

std::string to_text(const GraphSummary& s) {
  std::string out = s.origin + "\n";
  out += summary_line("nodes",
                      grouped(s.nodes) + (s.isolated > 0 ? " (" + grouped(s.isolated) + " without neighbours)" : ""));
  out += summary_line("adjacency entries", grouped(s.entries) + (s.symmetric ? ", symmetric" : ", not symmetric") +
                                               ", " + grouped(s.self_loops) + " self-loops");
  out += summary_line("degree", "mean " + short_number(s.mean_degree) + ", maximum " + grouped(s.max_degree));
  out += summary_line("edge homophily", short_number(s.homophily));
  out += summary_line("features", grouped(s.features) + ", " + s.feature_values + ", stored " +
                                      (s.sparse_features ? "sparse" : "dense") + ", " +
                                      percent_text(s.feature_density()) + " not zero");
  if (s.scales.columns > 0) {
    out += summary_line("feature scales", grouped(s.scales.columns) + " columns: " + scale_text(s.scales));
  }
  if (!s.weights.empty()) {
    out += summary_line("edge weights", float_text(s.weights[0]) + " to " + float_text(s.weights[1]));
  }
  out += summary_line("masks", s.masks ? grouped(s.train) + " train, " + grouped(s.validation) + " validation, " +
                                             grouped(s.test) + " test" +
                                             (s.splits > 1 ? " (split 0 of " + grouped(s.splits) + ")" : "")
                                       : "none");
  const auto ids = static_cast<std::int64_t>(s.class_nodes.size());
  out += summary_line("classes", grouped(s.used_classes()) +
                                     (s.used_classes() < ids ? ", ids up to " + std::to_string(ids - 1) : "") +
                                     (s.unlabelled > 0 ? " (" + grouped(s.unlabelled) + " nodes without one)" : ""));
  return out + class_table(s);
}

}  // namespace gamlp::cli
