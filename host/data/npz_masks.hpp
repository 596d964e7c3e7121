// Reads the masks of a .npz, which hold one split or several. Refuses members whose names are nearly those of masks or
// of another wanted member.
#pragma once

#include <cstdint>
#include <optional>

#include "host/data/dataset.hpp"
#include "host/data/npz.hpp"

namespace gamlp {

// Reads train_mask, val_mask and test_mask. Each holds N booleans (or 0/1), or nodes × splits, or splits × nodes. A
// square one is nodes × splits. Of several splits this takes split `index`. A mask of one split belongs to every split.
// Throws a DataError for another shape or value, and for a name that nearly is a mask's. Throws a ConfigError for an
// index beyond the splits. Without an index no mask is wanted. Then this reads the first split, of members with the
// right names.
void read_masks(NpzReader& reader, std::optional<std::int64_t> index, Dataset& dataset);

// Throws a DataError where the member `wanted` is missing and the file has one that its author most likely meant by it.
// `form` tells the user what the member has to hold.
void refuse_near_miss(const NpzReader& reader, const char* wanted, const char* form);

}  // namespace gamlp
