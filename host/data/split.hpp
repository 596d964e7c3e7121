// Chooses which nodes train, validate and test.
#pragma once

#include "host/config/dataset.hpp"
#include "host/data/dataset.hpp"

namespace gamlp {

// Makes the split that a config asks for:
//   file:      takes the masks of the file. Throws a DataError when it has no train mask.
//   per_class: draws, by `seed`, `train_per_class` nodes of every class, then `validation` and `test` nodes from all
//              the others. Throws a ConfigError when a class, or the rest, has too few nodes.
//   fraction:  draws, by `seed`, train_fraction and validation_fraction of each class, and takes the rest for test. It
//              rounds to whole nodes, of which at least one trains. Throws a ConfigError unless train_fraction > 0,
//              validation_fraction >= 0, and they add up to at most 1.
// Ids are ascending. With `stratify` the training nodes are spread instead, by `seed`: so that any neighbours among
// them, a shard or a micro-batch for instance, have of each class about its share.
// The same dataset and config give the same split on every platform.
// Random splits draw from the nodes that have a class. Masks may hold others, whose classes can only be predicted.
Split make_split(const Dataset& dataset, const SplitConfig& config);

// Returns the ids, ascending, at which a mask of one byte per node is not 0.
std::vector<std::int32_t> members_of(const std::vector<std::uint8_t>& mask);

// Returns the labels of some nodes.
std::vector<std::int32_t> labels_of(const Dataset& dataset, const std::vector<std::int32_t>& nodes);

// Checks that every node of the split has a class, as training and evaluation need it. Throws a DataError that names a
// node and its mask.
void check_split_labels(const Dataset& dataset, const Split& split);

// Returns the sizes of the parts (train, validation, test) that make_split() draws, and throws its errors.
// `class_nodes` has the number of nodes of each class. config.kind must not be file.
std::array<std::int64_t, 3> split_sizes(const std::vector<std::int64_t>& class_nodes, const SplitConfig& config);

}  // namespace gamlp
