#include "host/data/split.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "host/core/error.hpp"
#include "host/core/number_text.hpp"
#include "host/data/shuffle.hpp"
#include "host/math/random.hpp"

namespace gamlp {
namespace {

// The class drawn for the rest of the nodes, which is no class.
constexpr std::uint64_t rest_stream = ~std::uint64_t{0};

std::vector<std::vector<std::int32_t>> nodes_by_class(const Dataset& dataset) {
  std::vector<std::vector<std::int32_t>> nodes(static_cast<std::size_t>(dataset.classes));
  for (std::size_t i = 0; i < dataset.labels.size(); ++i) {
    if (dataset.labels[i] != no_class) nodes[dataset.labels[i]].push_back(static_cast<std::int32_t>(i));
  }
  return nodes;
}

Split from_file(const Dataset& dataset) {
  if (dataset.train_mask.empty()) {
    throw DataError(
        dataset.origin +
        ": train_mask: missing, but dataset.split.kind is \"file\"; use \"per_class\" or \"fraction\" to draw "
        "a split");
  }
  return {members_of(dataset.train_mask), members_of(dataset.validation_mask), members_of(dataset.test_mask)};
}

// Throws ConfigError when the classes, or what they leave, have too few nodes; a class without nodes gives none.
// `origin` and `ids`: the dataset and its class ids, for messages.
void check_per_class(const std::vector<std::int64_t>& class_nodes, const SplitConfig& config, const std::string& origin,
                     const std::vector<std::int32_t>& ids) {
  if (config.train_per_class < 1 || config.validation < 0 || config.test < 0) {
    throw ConfigError("dataset.split: expected train_per_class >= 1, validation >= 0 and test >= 0");
  }
  std::int64_t left = 0;
  for (std::size_t c = 0; c < class_nodes.size(); ++c) {
    if (class_nodes[c] == 0) continue;
    if (class_nodes[c] < config.train_per_class) {
      throw ConfigError("dataset.split.train_per_class: found " + std::to_string(config.train_per_class) +
                        ", but class " + std::to_string(ids.empty() ? static_cast<std::int32_t>(c) : ids[c]) + " of " +
                        origin + " has only " + std::to_string(class_nodes[c]) + " nodes");
    }
    left += class_nodes[c] - config.train_per_class;
  }
  if (config.validation > left || config.test > left - config.validation) {
    throw ConfigError("dataset.split: found validation " + std::to_string(config.validation) + " and test " +
                      std::to_string(config.test) + ", but only " + std::to_string(left) + " nodes of " + origin +
                      " are left after the training nodes");
  }
}

Split per_class(const Dataset& dataset, const SplitConfig& config) {
  Split split;
  std::vector<std::int32_t> rest;
  auto classes = nodes_by_class(dataset);
  std::vector<std::int64_t> class_nodes;
  for (const auto& nodes : classes) class_nodes.push_back(static_cast<std::int64_t>(nodes.size()));
  check_per_class(class_nodes, config, dataset.origin, dataset.class_ids);
  for (std::size_t c = 0; c < classes.size(); ++c) {
    std::vector<std::int32_t>& nodes = classes[c];
    if (nodes.empty()) continue;
    shuffle(std::span(nodes), random_key(config.seed, c));
    split.train.insert(split.train.end(), nodes.begin(), nodes.begin() + config.train_per_class);
    rest.insert(rest.end(), nodes.begin() + config.train_per_class, nodes.end());
  }
  std::sort(rest.begin(), rest.end());
  shuffle(std::span(rest), random_key(config.seed, rest_stream));
  split.validation.assign(rest.begin(), rest.begin() + config.validation);
  split.test.assign(rest.begin() + config.validation, rest.begin() + config.validation + config.test);
  return split;
}

struct ClassParts {
  std::int64_t train, known;  // training nodes; training and validation nodes
};
ClassParts class_parts(std::int64_t nodes, const SplitConfig& config) {
  const double count = static_cast<double>(nodes), both = config.train_fraction + config.validation_fraction;
  const auto rounded = [&](double fraction) { return std::min<std::int64_t>(std::llround(count * fraction), nodes); };
  const std::int64_t train = std::max<std::int64_t>(1, rounded(config.train_fraction));
  return {train, std::max(train, rounded(both))};
}

void check_fractions(const SplitConfig& config) {
  const double both = config.train_fraction + config.validation_fraction;
  // A rounding error of 0.7 + 0.3 is no error of the user's.
  if (!(config.train_fraction > 0.0) || !(config.validation_fraction >= 0.0) || !(both <= 1.0 + 1e-9)) {
    throw ConfigError("dataset.split: found train_fraction " + number_text(config.train_fraction) +
                      " and validation_fraction " + number_text(config.validation_fraction) +
                      ", expected a positive and a non-negative number that add up to at most 1");
  }
}

Split by_fraction(const Dataset& dataset, const SplitConfig& config) {
  check_fractions(config);
  Split split;
  auto classes = nodes_by_class(dataset);
  for (std::size_t c = 0; c < classes.size(); ++c) {
    std::vector<std::int32_t>& nodes = classes[c];
    if (nodes.empty()) continue;
    shuffle(std::span(nodes), random_key(config.seed, c));
    const auto [train, known] = class_parts(static_cast<std::int64_t>(nodes.size()), config);
    split.train.insert(split.train.end(), nodes.begin(), nodes.begin() + train);
    split.validation.insert(split.validation.end(), nodes.begin() + train, nodes.begin() + known);
    split.test.insert(split.test.end(), nodes.begin() + known, nodes.end());
  }
  return split;
}

// The nodes of each class are shuffled, and lie as far from each other as can be.
void spread_classes(const Dataset& dataset, std::uint64_t seed, std::vector<std::int32_t>& nodes) {
  std::vector<std::vector<std::int32_t>> classes(static_cast<std::size_t>(dataset.classes) + 1);
  for (const std::int32_t node : nodes) {
    const std::int32_t label = dataset.labels[static_cast<std::size_t>(node)];
    classes[label == no_class ? classes.size() - 1 : static_cast<std::size_t>(label)].push_back(node);
  }
  struct Placed {
    double at;
    std::int32_t node;
  };
  std::vector<Placed> all;
  for (std::size_t c = 0; c < classes.size(); ++c) {
    const std::uint64_t key = random_key(seed, 0x737072656164, c);
    shuffle(std::span(classes[c]), key);
    const double start = Random(key).uniform();
    for (std::size_t i = 0; i < classes[c].size(); ++i) {
      all.push_back({(static_cast<double>(i) + start) / static_cast<double>(classes[c].size()), classes[c][i]});
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const Placed& a, const Placed& b) { return a.at < b.at; });
  std::transform(all.begin(), all.end(), nodes.begin(), [](const Placed& one) { return one.node; });
}

}  // namespace

void check_split_labels(const Dataset& dataset, const Split& split) {
  const auto check = [&](const std::vector<std::int32_t>& part, const char* mask) {
    for (const std::int32_t node : part) {
      if (dataset.labels[static_cast<std::size_t>(node)] != no_class) continue;
      throw DataError(dataset.origin + ": " + mask + ": node " + std::to_string(node) +
                      " is in the mask and has no class (label -1 or NaN), expected nodes with a class: take it out of "
                      "the mask, or give it its label");
    }
  };
  check(split.train, "train_mask");
  check(split.validation, "val_mask");
  check(split.test, "test_mask");
}

std::vector<std::int32_t> labels_of(const Dataset& dataset, const std::vector<std::int32_t>& nodes) {
  std::vector<std::int32_t> labels;
  labels.reserve(nodes.size());
  for (const std::int32_t node : nodes) labels.push_back(dataset.labels[static_cast<std::size_t>(node)]);
  return labels;
}

std::vector<std::int32_t> members_of(const std::vector<std::uint8_t>& mask) {
  std::vector<std::int32_t> ids;
  for (std::size_t i = 0; i < mask.size(); ++i) {
    if (mask[i]) ids.push_back(static_cast<std::int32_t>(i));
  }
  return ids;
}

Split make_split(const Dataset& dataset, const SplitConfig& config) {
  Split split = config.kind == SplitKind::file        ? from_file(dataset)
                : config.kind == SplitKind::per_class ? per_class(dataset, config)
                                                      : by_fraction(dataset, config);
  for (auto* part : {&split.train, &split.validation, &split.test}) std::sort(part->begin(), part->end());
  if (config.stratify) spread_classes(dataset, config.seed, split.train);
  return split;
}

std::array<std::int64_t, 3> split_sizes(const std::vector<std::int64_t>& class_nodes, const SplitConfig& config) {
  expects(config.kind != SplitKind::file, "a split that is drawn");
  std::array<std::int64_t, 3> sizes{};
  if (config.kind == SplitKind::per_class) {
    check_per_class(class_nodes, config, "the graph", {});
    const auto used = std::count_if(class_nodes.begin(), class_nodes.end(), [](std::int64_t n) { return n > 0; });
    return {config.train_per_class * used, config.validation, config.test};
  }
  check_fractions(config);
  for (const std::int64_t nodes : class_nodes) {
    if (nodes == 0) continue;
    const auto [train, known] = class_parts(nodes, config);
    sizes[0] += train;
    sizes[1] += known - train;
    sizes[2] += nodes - known;
  }
  return sizes;
}

}  // namespace gamlp
