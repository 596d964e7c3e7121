// Maps the class ids of a file to the classes that a model is trained for. Ids need not be 0, 1, …: without this,
// labels that are years would make 2,012 classes, and the network would learn outputs for classes that no node has.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "host/data/dataset.hpp"

namespace gamlp {

// Where some id below the largest has no node, renumbers the classes so that every class has a node. dataset.class_ids
// then has the ids of the file, ascending, and a note tells the user.
void compact_classes(Dataset& dataset);

// Renumbers the labels of a freshly loaded dataset to the classes of a model. `ids` are the ids of the model's classes
// (empty: 0, 1, …). Ids that the model does not know follow as further classes.
void use_class_ids(Dataset& dataset, std::span<const std::int32_t> ids);

// Returns the file's id of class c.
inline std::int32_t class_id(std::span<const std::int32_t> ids, std::int64_t c) {
  return ids.empty() ? static_cast<std::int32_t>(c) : ids[static_cast<std::size_t>(c)];
}

// Returns how many nodes each id from 0 to the largest has.
std::vector<std::int64_t> nodes_per_class(const Dataset& dataset);

}  // namespace gamlp
