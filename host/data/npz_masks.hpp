// The masks of a .npz, one split or several, and members whose names are nearly those that are read.
#pragma once

#include <cstdint>
#include <optional>

#include "host/data/dataset.hpp"
#include "host/data/npz.hpp"

namespace gamlp {

// train_mask, val_mask and test_mask: N booleans (or 0/1) each; or nodes × splits or splits × nodes, of which split
// `index` is taken (square ones: nodes × splits). Masks of one split belong to every split. DataError for a shape or
// value that is none of these or a name that nearly is a mask's, ConfigError for an index beyond the splits. Without an
// index no mask is wanted: the first split is read, of members with the right names.
void read_masks(NpzReader& reader, std::optional<std::int64_t> index, Dataset& dataset);

// DataError where `wanted` is missing and the file has a member that its author most likely meant by it.
void refuse_near_miss(const NpzReader& reader, const char* wanted, const char* form);

}  // namespace gamlp
