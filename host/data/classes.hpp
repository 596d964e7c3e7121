// Class ids of a file and the classes that a model is trained for. Ids need not be 0, 1, …: labels that are years would
// else make 2,012 classes, of which the network would learn outputs that no node has.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "host/data/dataset.hpp"

namespace gamlp {

// Renumbers the classes so that every one has a node, where some id below the largest has none: dataset.class_ids then
// has the ids of the file, ascending, and a note says so.
void compact_classes(Dataset& dataset);

// Renumbers the labels of a freshly loaded dataset to the classes of a model, whose ids are `ids` (empty: 0, 1, …). Ids
// that the model does not know follow as further classes.
void use_class_ids(Dataset& dataset, std::span<const std::int32_t> ids);

// The file's id of a class.
inline std::int32_t class_id(std::span<const std::int32_t> ids, std::int64_t c) {
  return ids.empty() ? static_cast<std::int32_t>(c) : ids[static_cast<std::size_t>(c)];
}

// How many nodes each id from 0 to the largest has.
std::vector<std::int64_t> nodes_per_class(const Dataset& dataset);

}  // namespace gamlp
