// Loading and saving graphs.
//
// The .npz layout is that of the gnn-benchmark collection (N nodes, d features):
//   adj_data, adj_indices, adj_indptr, adj_shape      adjacency in CSR form; any non-zero value is an edge of weight 1
//   attr_data, attr_indices, attr_indptr, attr_shape  features in CSR form, or attr_matrix (N × d), dense
//   labels                                            N integers, 0 <= label < 65,536
//   train_mask, val_mask, test_mask                   optional, N booleans each (or 0/1), disjoint
// Other members are ignored unread. Unsorted rows are sorted; duplicate edges become one, duplicate features are
// added up. Every defect of a file is a DataError that names the file, the member, what was found and expected.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "host/config/config.hpp"
#include "host/data/dataset.hpp"
#include "host/data/npz.hpp"

namespace gamlp {

Dataset load_npz_dataset(const std::filesystem::path& path, const NpzLimits& limits = {});
// From memory; `name` stands for the file in messages and in the result.
Dataset parse_npz_dataset(std::span<const std::byte> bytes, const std::string& name, const NpzLimits& limits = {});

// Plain text. Fields are separated by commas, spaces or tabs; '#' starts a comment; empty lines are skipped.
//   edges:    two node ids (from 0) per line
//   features: as many numbers on every line, one line per node
//   labels:   one integer per line, one line per node
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

// What a config asks for: loads or generates, then symmetrises, drops self-loops, binarises and row-normalises the
// features as configured. Paths are used as they are: see locate_dataset() of host/config.
Dataset load_dataset(const DatasetConfig& config);

// Features ≠ 0 become 1. / Each node's features are divided by the sum of their absolute values (zero rows stay).
void binarize_features(Dataset& dataset);
void row_normalize_features(Dataset& dataset);

}  // namespace gamlp
