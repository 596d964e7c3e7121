#include "host/data/generate.hpp"

#include <algorithm>
#include <cmath>

#include "host/core/error.hpp"
#include "host/core/number_text.hpp"
#include "host/core/parallel.hpp"
#include "host/core/threads.hpp"
#include "host/data/check.hpp"
#include "host/data/normal.hpp"
#include "host/data/shuffle.hpp"
#include "host/graph/csr_build.hpp"
#include "host/math/random.hpp"

namespace gamlp {
namespace {

// Streams of random_key(seed, stream, …): one per thing that is drawn.
enum Stream : std::uint64_t { label_stream, edge_stream, mean_stream, feature_stream, mask_stream, class_mask_stream };

GenerateConfig with_shape(GenerateConfig config, const std::optional<GraphShape>& shape) {
  if (!shape) return config;
  config.nodes = shape->nodes;
  config.classes = shape->classes;
  config.features = shape->features;
  config.mean_degree = shape->mean_degree;
  return config;
}

std::optional<GraphShape> find_shape(const GenerateConfig& config) {
  if (!config.shape) return std::nullopt;
  std::string known;
  for (const GraphShape& shape : graph_shapes()) {
    if (*config.shape == shape.name) return shape.scaled(config.scale);
    known += (known.empty() ? "" : ", ") + std::string(shape.name);
  }
  throw ConfigError("dataset.generate.shape: found \"" + *config.shape + "\", expected one of " + known);
}

// The largest whole number that all JSON readers keep exact: the schema's limit of seeds.
constexpr std::uint64_t max_seed = 9007199254740991;

void check(const GenerateConfig& config) {
  const auto require = [](bool holds, const char* key, const std::string& found, const std::string& expected) {
    if (!holds)
      throw ConfigError(std::string("dataset.generate.") + key + ": found " + found + ", expected " + expected);
  };
  const auto in_range = [&](const char* key, std::int64_t value, std::int64_t low, std::int64_t high) {
    require(value >= low && value <= high, key, std::to_string(value),
            std::to_string(low) + " to " + std::to_string(high));
  };
  in_range("nodes", config.nodes, 1, max_nodes);
  in_range("classes", config.classes, 1, std::min(config.nodes, max_classes));
  in_range("features", config.features, 1, max_features);
  require(config.mean_degree >= 0.0 && config.mean_degree <= static_cast<double>(config.nodes - 1), "mean_degree",
          number_text(config.mean_degree), "0 to one less than the number of nodes");
  require(config.homophily >= 0.0 && config.homophily <= 1.0, "homophily", number_text(config.homophily), "0 to 1");
  require(std::isfinite(config.feature_signal) && std::abs(config.feature_signal) <= 1e6, "feature_signal",
          number_text(config.feature_signal), "at most 1e6");
  require(config.seed <= max_seed, "seed", std::to_string(config.seed), "0 to " + std::to_string(max_seed));
}

std::vector<std::int32_t> draw_labels(const GenerateConfig& config) {
  std::vector<std::int32_t> labels(static_cast<std::size_t>(config.nodes));
  for (std::int64_t i = 0; i < config.nodes; ++i) labels[i] = static_cast<std::int32_t>(i % config.classes);
  shuffle(std::span(labels), random_key(config.seed, label_stream));
  return labels;
}

// Node ids sorted by class: class c is order[start[c]] … order[start[c + 1] - 1].
struct ClassLists {
  std::vector<std::int64_t> start;
  std::vector<std::int32_t> order;
};

ClassLists class_lists(const std::vector<std::int32_t>& labels, std::int64_t classes) {
  ClassLists lists;
  lists.start.assign(static_cast<std::size_t>(classes + 1), 0);
  for (const std::int32_t label : labels) ++lists.start[static_cast<std::size_t>(label) + 1];
  for (std::size_t c = 1; c < lists.start.size(); ++c) lists.start[c] += lists.start[c - 1];
  lists.order.resize(labels.size());
  std::vector<std::int64_t> next(lists.start.begin(), lists.start.end() - 1);
  for (std::size_t i = 0; i < labels.size(); ++i) lists.order[next[labels[i]]++] = static_cast<std::int32_t>(i);
  return lists;
}

// Undirected edges seen so far: open addressing, at most half full.
class EdgeSet {
 public:
  explicit EdgeSet(std::size_t expected) {
    std::size_t size = 16;
    while (size < 2 * expected) size *= 2;
    slots_.assign(size, empty);
  }
  bool insert(std::uint64_t a, std::uint64_t b) {
    const std::uint64_t key = std::min(a, b) << 32 | std::max(a, b);
    std::size_t at = mix64(key) & (slots_.size() - 1);
    while (slots_[at] != empty) {
      if (slots_[at] == key) return false;
      at = (at + 1) & (slots_.size() - 1);
    }
    slots_[at] = key;
    return true;
  }

 private:
  static constexpr std::uint64_t empty = ~std::uint64_t{0};  // no key: node ids are below 2^31
  std::vector<std::uint64_t> slots_;
};

Csr draw_edges(const GenerateConfig& config, const std::vector<std::int32_t>& labels) {
  constexpr int attempts = 64;
  const ClassLists lists = class_lists(labels, config.classes);
  const auto n = static_cast<std::uint64_t>(config.nodes);
  const auto wanted =
      static_cast<std::size_t>(std::llround(static_cast<double>(config.nodes) * config.mean_degree / 2));
  Random random(random_key(config.seed, edge_stream));
  EdgeSet seen(wanted);
  std::vector<Edge> edges;
  edges.reserve(2 * wanted);
  for (std::size_t drawn = 0; drawn < wanted; ++drawn) {
    // Decided before the draws, so that rejected ones do not bend the share of edges inside classes.
    const bool inside = config.classes == 1 || random.uniform() < config.homophily;
    for (int attempt = 0; attempt < attempts; ++attempt) {
      const auto a = static_cast<std::int32_t>(random.below(n));
      const std::int64_t begin = lists.start[labels[a]];
      const std::int64_t size = lists.start[labels[a] + 1] - begin;
      // Outside: one of the n - size nodes of other classes, which surround the class in `order`.
      const auto pick =
          static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(inside ? size : config.nodes - size)));
      const std::int32_t b = lists.order[inside ? begin + pick : pick < begin ? pick : pick + size];
      if (a == b || !seen.insert(static_cast<std::uint64_t>(a), static_cast<std::uint64_t>(b))) continue;
      edges.push_back({a, b});
      edges.push_back({b, a});
      break;
    }
  }
  return csr_from_edges(config.nodes, edges);
}

Matrix draw_features(const GenerateConfig& config, const std::vector<std::int32_t>& labels) {
  std::vector<double> means(static_cast<std::size_t>(config.classes * config.features));
  for (std::int64_t c = 0; c < config.classes; ++c) {
    const auto mean = std::span(means).subspan(c * config.features, config.features);
    NormalSource normal(random_key(config.seed, mean_stream, c));
    double squares = 0.0;
    for (double& value : mean) {
      value = normal.next();
      squares += value * value;
    }
    for (double& value : mean) value *= config.feature_signal / std::sqrt(squares);
  }
  Matrix features(config.nodes, config.features);
  // A stream per node: how nodes are shared among threads changes nothing.
  const auto fill = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      NormalSource normal(random_key(config.seed, feature_stream, i));
      const double* mean = means.data() + labels[i] * config.features;
      for (std::int64_t j = 0; j < config.features; ++j) features(i, j) = static_cast<float>(mean[j] + normal.next());
    }
  };
  parallel_slices(hardware_threads(), config.nodes, 64, fill);
  return features;
}

struct MaskSizes {
  std::int64_t train = 0, validation = 0, test = 0;
};

// Marks the training nodes `per_class` gives (a number for each class), then the sizes from the others.
void draw_masks(Dataset& dataset, std::uint64_t seed, const std::vector<std::int64_t>& per_class, MaskSizes sizes) {
  const auto n = static_cast<std::size_t>(dataset.nodes());
  dataset.train_mask.assign(n, 0);
  dataset.validation_mask.assign(n, 0);
  dataset.test_mask.assign(n, 0);
  ClassLists lists = class_lists(dataset.labels, dataset.classes);
  for (std::size_t c = 0; c < per_class.size(); ++c) {
    const auto nodes = std::span(lists.order).subspan(lists.start[c], lists.start[c + 1] - lists.start[c]);
    shuffle(nodes, random_key(seed, class_mask_stream, c));
    for (const std::int32_t i : nodes.first(per_class[c])) dataset.train_mask[i] = 1;
  }
  std::vector<std::int32_t> rest;
  for (std::size_t i = 0; i < n; ++i) {
    if (!dataset.train_mask[i]) rest.push_back(static_cast<std::int32_t>(i));
  }
  shuffle(std::span(rest), random_key(seed, mask_stream));
  auto next = rest.begin();
  for (; sizes.train > 0; --sizes.train) dataset.train_mask[*next++] = 1;
  for (; sizes.validation > 0; --sizes.validation) dataset.validation_mask[*next++] = 1;
  for (; sizes.test > 0; --sizes.test) dataset.test_mask[*next++] = 1;
}

// Training nodes of a class, and the masks of the rest, where no shape says otherwise.
std::int64_t default_train_nodes(std::int64_t class_nodes) { return std::clamp<std::int64_t>(class_nodes / 3, 1, 20); }
MaskSizes default_rest(std::int64_t rest) {
  const std::int64_t validation = std::min<std::int64_t>(500, rest / 3);
  return {0, validation, std::min<std::int64_t>(1000, rest - validation)};
}

void draw_default_masks(Dataset& dataset, std::uint64_t seed) {
  const ClassLists lists = class_lists(dataset.labels, dataset.classes);
  std::vector<std::int64_t> per_class;
  std::int64_t rest = dataset.nodes();
  for (std::int64_t c = 0; c < dataset.classes; ++c) {
    per_class.push_back(default_train_nodes(lists.start[c + 1] - lists.start[c]));
    rest -= per_class.back();
  }
  draw_masks(dataset, seed, per_class, default_rest(rest));
}

}  // namespace

GraphShape GraphShape::scaled(std::int64_t by) const {
  GraphShape out = *this;
  for (std::int64_t* count : {&out.nodes, &out.train, &out.validation, &out.test})
    *count = std::max(*count / by, std::int64_t{1});
  if (balanced_train) out.train = std::max(train / classes / by, std::int64_t{1}) * classes;
  return out;
}

const std::vector<GraphShape>& graph_shapes() {
  static const std::vector<GraphShape> shapes = {
      {"cora", 2'708, 7, 1'433, 10'556.0 / 2'708, 140, 500, 1'000, true},
      {"pubmed", 19'717, 3, 500, 88'648.0 / 19'717, 60, 500, 1'000, true},
      {"flickr", 89'250, 7, 500, 899'756.0 / 89'250, 44'625, 22'312, 22'313, false},
      {"arxiv", 169'343, 40, 128, 2 * 1'166'243.0 / 169'343, 90'941, 29'799, 48'603, false},
      {"papers100m", 111'059'956, 172, 128, 2 * 1'615'685'872.0 / 111'059'956, 1'207'179, 125'265, 214'338, false},
  };
  return shapes;
}

Dataset generate_csbm(const GenerateConfig& given) {
  const std::optional<GraphShape> shape = find_shape(given);
  const GenerateConfig config = with_shape(given, shape);
  check(config);
  Dataset dataset;
  dataset.name = shape ? std::string("csbm-") + shape->name : "csbm";
  if (shape && given.scale > 1) dataset.name += "-1/" + std::to_string(given.scale);
  dataset.origin = "generated graph " + dataset.name + " (" + std::to_string(config.nodes) + " nodes, seed " +
                   std::to_string(config.seed) + ")";
  dataset.labels = draw_labels(config);
  dataset.classes = static_cast<std::int32_t>(config.classes);
  dataset.adjacency = draw_edges(config, dataset.labels);
  dataset.features_dense = draw_features(config, dataset.labels);
  if (!shape) {
    draw_default_masks(dataset, config.seed);
  } else if (shape->balanced_train) {
    const std::vector<std::int64_t> per_class(static_cast<std::size_t>(shape->classes), shape->train / shape->classes);
    draw_masks(dataset, config.seed, per_class, {0, shape->validation, shape->test});
  } else {
    draw_masks(dataset, config.seed, {}, {shape->train, shape->validation, shape->test});
  }
  return dataset;
}

GraphCounts count_csbm(const GenerateConfig& given) {
  const std::optional<GraphShape> shape = find_shape(given);
  const GenerateConfig config = with_shape(given, shape);
  check(config);
  GraphCounts counts;
  counts.nodes = config.nodes;
  counts.edges = 2 * std::llround(static_cast<double>(config.nodes) * config.mean_degree / 2);
  counts.features = config.features;
  std::int64_t rest = config.nodes;
  for (std::int64_t c = 0; c < config.classes; ++c) {  // draw_labels deals them out in turn
    counts.class_nodes.push_back(config.nodes / config.classes + (c < config.nodes % config.classes ? 1 : 0));
    counts.train += default_train_nodes(counts.class_nodes.back());
  }
  rest -= counts.train;
  counts.validation = default_rest(rest).validation;
  counts.test = default_rest(rest).test;
  if (shape) {
    counts.train = shape->balanced_train ? shape->train / shape->classes * shape->classes : shape->train;
    counts.validation = shape->validation;
    counts.test = shape->test;
  }
  return counts;
}

}  // namespace gamlp
