// Checks what every loaded graph must satisfy, whatever its format. Each check throws a DataError that names `where`
// (file and member, or file), what was found, and what was expected.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "host/data/dataset.hpp"

namespace gamlp {

inline constexpr std::int64_t max_nodes = 2'000'000'000;  // ids are int32
inline constexpr std::int64_t max_features = 16'777'216;  // columns of H
inline constexpr std::int64_t max_classes = 65'536;

// Returns the shortest text that reads back as the same number.
std::string float_text(float value);

// There must be at least 1 node and 1 feature, and no more than the limits above.
void check_node_count(std::int64_t nodes, const std::string& where);
void check_feature_count(std::int64_t features, const std::string& where);

// Every number must be finite. The message names row and column of a table of `cols` columns, or the entry where `cols`
// is 0.
void check_finite(std::span<const float> values, std::int64_t cols, const std::string& where);

// Returns the labels as int32. Each must be in [0, max_classes), or no_class.
std::vector<std::int32_t> checked_labels(std::span<const std::int64_t> labels, const std::string& where);

// Tells the user why a node with several labels is refused, and what to do.
inline constexpr const char* several_labels =
    "several labels per node, expected one: a node belongs to one class here. Of one-hot rows take the position of the "
    "1 (numpy.argmax); where nodes have several labels at once, train one run per label, with classes 0 and 1";

// Returns one more than the largest label, or 0 where no node has a class.
std::int32_t class_count(std::span<const std::int32_t> labels);

// No node may be in two masks. Where there is any mask, there must be a train mask with at least one node. `where`
// names the file.
void check_masks(const Dataset& dataset, const std::string& where);

}  // namespace gamlp
