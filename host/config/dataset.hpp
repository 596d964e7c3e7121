// Config section `dataset`: where the graph comes from, what is done to its features, and the split.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace gamlp {

// Contextual stochastic block model; `shape` presets nodes, features, classes and split sizes.
struct GenerateConfig {
  std::optional<std::string> shape;  // cora | pubmed | flickr | arxiv
  std::int64_t nodes = 1000;
  std::int64_t classes = 4;
  std::int64_t features = 32;
  double mean_degree = 8.0;     // expected neighbours per node
  double homophily = 0.8;       // probability that an edge stays inside its class
  double feature_signal = 0.5;  // distance of class means from the origin, in noise standard deviations
  std::uint64_t seed = 0;
};

struct TextConfig {      // plain text: an edge list beside CSV files
  std::string edges;     // two node ids per line, separated by space, tab or comma
  std::string features;  // CSV: one row per node
  std::string labels;    // one integer per line
};

enum class SplitKind { file, per_class, fraction };
struct SplitConfig {
  SplitKind kind = SplitKind::file;   // file: the masks of the dataset's file (its public split)
  std::int64_t train_per_class = 20;  // per_class
  std::int64_t validation = 1000;     // per_class: number of nodes
  std::int64_t test = 1000;           // per_class: number of nodes
  double train_fraction = 0.6;        // fraction
  double validation_fraction = 0.2;   // fraction; the rest is the test part
  std::uint64_t seed = 0;
  std::int64_t index = 0;  // file: which of its splits, where masks have one column per split
};

enum class PropagationOperator { symmetric, random_walk };  // (D+I)^-1/2 (A+I) (D+I)^-1/2 ; (D+I)^-1 (A+I)

enum class Direction { in, out };        // of an edge "u v": v gathers from u, or u from v
enum class EdgeWeights { ignore, use };  // every edge counts 1, or what the file says
enum class ClassIds { compact, keep };   // ids that no node has: left out, or classes without nodes
enum class Standardize { none, columns, scale };

struct DatasetConfig {
  // .npz; a relative path is looked up beside the config file, then in the working folder
  std::optional<std::string> path;
  std::optional<TextConfig> text;
  std::optional<GenerateConfig> generate;  // exactly one of path, text, generate
  bool symmetrize = true;
  Direction direction = Direction::in;  // matters without symmetrize only
  EdgeWeights edge_weights = EdgeWeights::ignore;
  bool drop_self_loops = false;
  bool binarize_features = false;
  bool row_normalize = false;              // each node's features divided by their L1 norm
  std::optional<Standardize> standardize;  // null: by the features (data/standardize.hpp)
  ClassIds class_ids = ClassIds::compact;
  std::int64_t hops = 4;                                             // K: inputs are [H, ÃH, …, Ã^{K-1}H]
  PropagationOperator propagation = PropagationOperator::symmetric;  // JSON key "operator"
  SplitConfig split;
};

}  // namespace gamlp
