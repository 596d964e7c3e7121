#include "host/data/classes.hpp"

#include <algorithm>
#include <map>
#include <string>

namespace gamlp {

std::vector<std::int64_t> nodes_per_class(const Dataset& dataset) {
  std::vector<std::int64_t> nodes(static_cast<std::size_t>(dataset.classes), 0);
  for (const std::int32_t label : dataset.labels) {
    if (label != no_class) ++nodes[static_cast<std::size_t>(label)];
  }
  return nodes;
}

void use_class_ids(Dataset& dataset, std::span<const std::int32_t> ids) {
  if (ids.empty()) return;
  std::map<std::int32_t, std::int32_t> classes;
  dataset.class_ids.assign(ids.begin(), ids.end());
  for (std::size_t c = 0; c < ids.size(); ++c) classes[ids[c]] = static_cast<std::int32_t>(c);
  for (std::int32_t& label : dataset.labels) {
    if (label == no_class) continue;
    const auto [place, unknown] = classes.try_emplace(label, static_cast<std::int32_t>(classes.size()));
    if (unknown) dataset.class_ids.push_back(label);
    label = place->second;
  }
  dataset.classes = static_cast<std::int32_t>(dataset.class_ids.size());
}

void compact_classes(Dataset& dataset) {
  const std::vector<std::int64_t> nodes = nodes_per_class(dataset);
  std::vector<std::int32_t> ids;
  for (std::size_t id = 0; id < nodes.size(); ++id) {
    if (nodes[id] > 0) ids.push_back(static_cast<std::int32_t>(id));
  }
  if (ids.size() == nodes.size()) return;
  dataset.notes.push_back(dataset.origin + ": labels: " + std::to_string(ids.size()) + " ids from " +
                          std::to_string(ids.front()) + " to " + std::to_string(ids.back()) +
                          " are in use and become that many classes; predictions are written with the file's ids "
                          "(dataset.class_ids \"keep\" trains a class for every id)");
  use_class_ids(dataset, ids);
}

}  // namespace gamlp
