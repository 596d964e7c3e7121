// Which nodes train, validate and test.
#pragma once

#include "host/config/dataset.hpp"
#include "host/data/dataset.hpp"

namespace gamlp {

// file:      the masks of the file. DataError when it has no train mask.
// per_class: `train_per_class` nodes of every class, then `validation` and `test` nodes from all the others, drawn by
//            `seed`. ConfigError when a class, or the rest, has too few nodes.
// fraction:  of each class, drawn by `seed`: train_fraction, validation_fraction, and the rest for test, rounded to
//            whole nodes, at least one of them for training. ConfigError for fractions outside (0, 1], or that add up
//            to more than 1.
// Ids are ascending; the same dataset and config give the same split on every platform.
// Random splits draw from the nodes that have a class; masks may hold others, whose classes can only be predicted.
Split make_split(const Dataset& dataset, const SplitConfig& config);

// The ids, ascending, at which a mask of one byte per node is not 0.
std::vector<std::int32_t> members_of(const std::vector<std::uint8_t>& mask);

// Every node of the split has a class, as training and evaluation need it: DataError that names a node and its mask.
void check_split_labels(const Dataset& dataset, const Split& split);

// Sizes of the parts (train, validation, test) that make_split() draws by class, and its errors; kind is not file.
std::array<std::int64_t, 3> split_sizes(const std::vector<std::int64_t>& class_nodes, const SplitConfig& config);

}  // namespace gamlp
