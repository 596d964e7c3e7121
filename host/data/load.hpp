// Loads and saves graphs.
//
// The layout of a .npz is that of the gnn-benchmark collection. For N nodes and d features its members are:
//   adj_data, adj_indices, adj_indptr, adj_shape      adjacency in CSR form: row u, column v for an edge "u v"; its
//                                                     value is its weight, and 0 is no edge
//   attr_data, attr_indices, attr_indptr, attr_shape  features in CSR form, or attr_matrix (N × d), dense
//   labels                                            N integers, or floats with integral values, 0 <= label < 65,536;
//                                                     -1 or NaN: a node without a class. Without this member only
//                                                     predictions can be made
//   train_mask, val_mask, test_mask                   optional, N booleans each (or 0/1), disjoint; or N × S or S × N
//                                                     for S splits, of which `split` is read
// A list of numbers may also be a column or a row of a matrix. The loader ignores other members, and does not read
// them. But where a wanted member is missing, it refuses a member whose name nearly is that of the missing one. It
// sorts unsorted rows. Duplicate edges become one edge where all weights are 1, and otherwise their weights add up.
// Duplicate features add up. Every defect of a file is a DataError that names the file, the member, what was found and
// what was expected.
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

// Reads a graph with the reader for its file's ending (kFormats in load.cpp), or as .npz where the ending is unknown.
// `split` is as below.
Dataset load_graph_file(const std::filesystem::path& path, std::optional<std::int64_t> split = 0);
// Whether a file's ending is that of a format that gamlp reads.
bool is_graph_file(const std::filesystem::path& path);

// `split` is the one of the masks' splits that is wanted. It is none where a split is drawn. A name that nearly is that
// of a mask is then ignored like any other.
Dataset load_npz_dataset(const std::filesystem::path& path, const NpzLimits& limits = {},
                         std::optional<std::int64_t> split = 0);
// The same from memory. `name` stands for the file in messages and in the result.
Dataset parse_npz_dataset(std::span<const std::byte> bytes, const std::string& name, const NpzLimits& limits = {},
                          std::optional<std::int64_t> split = 0);

// Loads a graph from plain text files.
// Commas, spaces or tabs separate fields. '#' starts a comment. Empty lines are skipped.
//   edges:    two node ids (from 0) per line; or, on every line, two ids and a weight
//   features: one line per node, every line with the same number of values; values too small for a float become 0,
//             with a note
//   labels:   one line per node, with one integer; -1 or nan: a node without a class
// Integers may be written as floats ("1.0"). Errors name file:line. Paths are used as they are.
Dataset load_text_dataset(const TextConfig& config);

// The same from memory. The names stand for the files in messages.
struct TextSource {
  std::string_view content;
  std::string name;
};
Dataset parse_text_dataset(const TextSource& edges, const TextSource& features, const TextSource& labels);

// Writes a .npz of the layout above, deflated and atomically. What is loaded from it equals `dataset` in everything but
// name and origin. Throws an IoError on failure.
void save_npz_dataset(const std::filesystem::path& path, const Dataset& dataset);

// Returns the dataset that a config asks for. It loads or generates the graph. Then, as configured, it takes or drops
// weights, symmetrises or directs, drops self-loops, binarises and row-normalises the features, and renumbers the
// classes. Features are not standardised yet: that needs the split (standardize.hpp). Paths are used as they are: see
// locate_dataset() of host/config. Throws a DataError where no node has a class. Where `class_ids` are given, those are
// the classes, whatever the config says, and ids that are not among them follow (use_class_ids()).
Dataset load_dataset(const DatasetConfig& config, std::span<const std::int32_t> class_ids = {});

// The same for a trained model. Classes and features become as they were prepared for its training. There may be no
// labels at all.
Dataset load_dataset(const DatasetConfig& config, const Preparation& trained);

// Throws a DataError where no node has a class.
void check_has_labels(const Dataset& dataset);

// Features ≠ 0 become 1.
void binarize_features(Dataset& dataset);
// Divides each node's features by the sum of their absolute values. Rows of zeros stay.
void row_normalize_features(Dataset& dataset);

}  // namespace gamlp
