// Loading and saving graphs.
//
// The .npz layout is that of the gnn-benchmark collection (N nodes, d features):
//   adj_data, adj_indices, adj_indptr, adj_shape      adjacency in CSR form: row u, column v for an edge "u v"; its
//                                                     value is its weight, and 0 is no edge
//   attr_data, attr_indices, attr_indptr, attr_shape  features in CSR form, or attr_matrix (N × d), dense
//   labels                                            N integers, or floats with integral values, 0 <= label < 65,536;
//                                                     -1 or NaN: a node without a class. Without this member only
//                                                     predictions can be made
//   train_mask, val_mask, test_mask                   optional, N booleans each (or 0/1), disjoint; or N × S or S × N
//                                                     for S splits, of which `split` is read
// A list of numbers may also be a column or a row of a matrix. Other members are ignored unread, but one whose name
// nearly is that of a missing one that is wanted is refused. Unsorted rows are sorted. Duplicate edges become one where
// all weights are 1, otherwise their weights add up; duplicate features are added up. Every defect of a file is a
// DataError that names the file, the member, what was found and expected.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "host/config/dataset.hpp"
#include "host/data/dataset.hpp"
#include "host/data/npz.hpp"
#include "host/data/standardize.hpp"

namespace gamlp {

// `split`: the one of the masks' splits that is wanted; none where a split is drawn, and then a name that nearly is
// that of a mask is ignored like any other.
Dataset load_npz_dataset(const std::filesystem::path& path, const NpzLimits& limits = {},
                         std::optional<std::int64_t> split = 0);
// From memory; `name` stands for the file in messages and in the result.
Dataset parse_npz_dataset(std::span<const std::byte> bytes, const std::string& name, const NpzLimits& limits = {},
                          std::optional<std::int64_t> split = 0);

// Plain text. Fields are separated by commas, spaces or tabs; '#' starts a comment; empty lines are skipped.
//   edges:    two node ids (from 0) per line; or, on every line, two ids and a weight
//   features: as many numbers on every line, one line per node; those below the smallest float become 0, with a note
//   labels:   one integer per line, one line per node; -1 or nan: a node without a class
// Integers may be written as floats ("1.0").
// Errors name file:line. Paths are used as they are.
Dataset load_text_dataset(const TextConfig& config);

// The same from memory; the names stand for the files in messages.
struct TextSource {
  std::string_view content;
  std::string name;
};
Dataset parse_text_dataset(const TextSource& edges, const TextSource& features, const TextSource& labels);

// Writes the layout above, deflated, atomically. Throws IoError. What is loaded from it equals `dataset` in everything
// but name and origin.
void save_npz_dataset(const std::filesystem::path& path, const Dataset& dataset);

// What a config asks for: loads or generates, then takes or drops weights, symmetrises or directs, drops self-loops,
// binarises and row-normalises the features and renumbers the classes as configured. DataError where no node has a
// class. Features are not standardised yet: that needs the split (standardize.hpp). Paths are used as they are: see
// locate_dataset() of host/config.
Dataset load_dataset(const DatasetConfig& config);

// The same for a trained model: classes and features as they were prepared for its training. There may be no labels.
Dataset load_dataset(const DatasetConfig& config, const Preparation& trained);

// DataError where no node has a class.
void check_has_labels(const Dataset& dataset);

// Features ≠ 0 become 1. / Each node's features are divided by the sum of their absolute values (zero rows stay).
void binarize_features(Dataset& dataset);
void row_normalize_features(Dataset& dataset);

}  // namespace gamlp
