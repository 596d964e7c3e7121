#include <algorithm>
#include <cmath>

#include "host/core/error.hpp"
#include "host/core/number_text.hpp"
#include "host/data/check.hpp"
#include "host/data/edge_weights.hpp"
#include "host/data/load.hpp"
#include "host/data/npz_masks.hpp"
#include "host/graph/csr_build.hpp"

namespace gamlp {
namespace {

NpyArray read_vector(NpzReader& reader, const std::string& key) {
  NpyArray array = reader.read(key);
  const auto& shape = array.header().shape;
  // A column or a row is a vector as well: some exporters write N × 1, MATLAB's 1 × N.
  if (shape.size() == 1 || (shape.size() == 2 && (shape[0] == 1 || shape[1] == 1))) return array;
  throw DataError(array.where() + ": found shape " + array.header().shape_text() + ", expected a vector");
}

template <class T>
std::vector<T> read_vector_of(NpzReader& reader, const std::string& key) {
  return read_vector(reader, key).to<T>();
}

void expect_length(std::int64_t found, std::int64_t expected, const std::string& where) {
  if (found == expected) return;
  throw DataError(where + ": found " + std::to_string(found) + " entries, expected " + std::to_string(expected));
}

void check_indptr(const std::vector<std::int64_t>& indptr, std::int64_t entries, const std::string& where) {
  if (indptr.front() != 0)
    throw DataError(where + ": entry 0: found " + std::to_string(indptr.front()) + ", expected 0");
  for (std::size_t i = 1; i < indptr.size(); ++i) {
    if (indptr[i] >= indptr[i - 1]) continue;
    throw DataError(where + ": entry " + std::to_string(i) + ": found " + std::to_string(indptr[i]) + " after " +
                    std::to_string(indptr[i - 1]) + ", expected entries that never decrease");
  }
  if (indptr.back() != entries) {
    throw DataError(where + ": found a last entry of " + std::to_string(indptr.back()) + ", expected " +
                    std::to_string(entries) + ", the number of indices");
  }
}

void check_indices(const std::vector<std::int32_t>& indices, std::int64_t cols, const std::string& where) {
  const auto bad = std::find_if(indices.begin(), indices.end(), [&](std::int32_t c) { return c < 0 || c >= cols; });
  if (bad == indices.end()) return;
  throw DataError(where + ": entry " + std::to_string(bad - indices.begin()) + ": found " + std::to_string(*bad) +
                  ", expected a column in [0, " + std::to_string(cols) + ")");
}

// Members prefix_data, prefix_indices, prefix_indptr, prefix_shape, with rows as in the file. `check_shape` sees the
// shape before anything else is read.
template <class CheckShape>
Csr read_csr(NpzReader& reader, const std::string& prefix, const CheckShape& check_shape) {
  const std::string where = reader.name() + ": " + prefix;
  const auto shape = read_vector_of<std::int64_t>(reader, prefix + "_shape");
  expect_length(static_cast<std::int64_t>(shape.size()), 2, where + "_shape");
  check_shape(shape[0], shape[1], where + "_shape");
  Csr csr;
  csr.rows = shape[0];
  csr.cols = shape[1];
  csr.indptr = read_vector_of<std::int64_t>(reader, prefix + "_indptr");
  expect_length(static_cast<std::int64_t>(csr.indptr.size()), csr.rows + 1, where + "_indptr");
  csr.indices = read_vector_of<std::int32_t>(reader, prefix + "_indices");
  check_indptr(csr.indptr, csr.entries(), where + "_indptr");
  check_indices(csr.indices, csr.cols, where + "_indices");
  csr.values = read_vector_of<float>(reader, prefix + "_data");
  expect_length(static_cast<std::int64_t>(csr.values.size()), csr.entries(), where + "_data");
  check_finite(csr.values, 0, where + "_data");
  return csr;
}

void read_features(NpzReader& reader, Dataset& dataset) {
  const auto check_shape = [&](std::int64_t rows, std::int64_t cols, const std::string& where) {
    if (rows != dataset.nodes()) {
      throw DataError(where + ": found " + std::to_string(rows) + " rows, expected " + std::to_string(dataset.nodes()) +
                      ", the nodes of adj_shape");
    }
    check_feature_count(cols, where);
  };
  if (reader.contains("attr_matrix") && !reader.contains("attr_data")) {
    const NpyArray array = reader.read("attr_matrix");
    if (array.header().shape.size() != 2) {
      throw DataError(array.where() + ": found shape " + array.header().shape_text() + ", expected nodes × features");
    }
    check_shape(array.header().shape[0], array.header().shape[1], array.where());
    dataset.features_dense = array.to_matrix();
    check_finite(std::as_const(dataset.features_dense).view().flat(), dataset.features_dense.cols(), array.where());
    return;
  }
  if (!reader.contains("attr_data")) {
    throw DataError(reader.name() +
                    ": attr_data: missing, expected features as attr_data, attr_indices, attr_indptr "
                    "and attr_shape, or as attr_matrix");
  }
  dataset.sparse_features = true;
  dataset.features_sparse = read_csr(reader, "attr", check_shape);
  sort_and_merge(dataset.features_sparse);
  check_finite(dataset.features_sparse.values, 0, reader.name() + ": attr_data, duplicates added up");
}

// The largest number of a wide unsigned type is what becomes of -1 there.
void refuse_wrapped(const NpyArray& array) {
  const NpyHeader& header = array.header();
  if (header.kind != 'u' || header.itemsize < 4) return;
  const double top = header.itemsize == 8 ? 0x1p64 : 0x1p32 - 1;  // as a double
  const std::vector<double> values = array.to<double>();
  const auto at = std::find(values.begin(), values.end(), top);
  if (at == values.end()) return;
  throw DataError(array.where() + ": element " + std::to_string(at - values.begin()) + ": found the largest " +
                  header.dtype +
                  ", which -1 becomes in a type without signs; expected -1 for a node without a class in " +
                  "a signed type (labels.astype('int64'))");
}

// One integer per node; -1 and NaN are nodes without a class.
std::vector<std::int64_t> integral_labels(const NpyArray& array) {
  refuse_wrapped(array);
  if (array.header().kind != 'f') return array.to<std::int64_t>();
  constexpr double kExact = 9007199254740992.0;  // every integer up to here is a double
  std::vector<std::int64_t> labels;
  for (const double label : array.to<double>()) {
    if (!std::isnan(label) && !(std::fabs(label) <= kExact && label == std::floor(label))) {
      throw DataError(array.where() + ": element " + std::to_string(labels.size()) + ": found " + number_text(label) +
                      ", expected an integer, or -1 or NaN for a node without a class");
    }
    labels.push_back(std::isnan(label) ? no_class : static_cast<std::int64_t>(label));
  }
  return labels;
}

void read_labels(NpzReader& reader, Dataset& dataset) {
  refuse_near_miss(reader, "labels", "one integer per node (-1: no class)");
  if (!reader.contains("labels")) {
    dataset.has_labels = false;
    dataset.labels.assign(static_cast<std::size_t>(dataset.nodes()), no_class);
    return;
  }
  const NpyArray array = reader.read("labels");
  const auto& shape = array.header().shape;
  if (shape.size() == 2 && shape[0] > 1 && shape[1] > 1) {
    throw DataError(array.where() + ": found shape " + array.header().shape_text() + ": " + several_labels);
  }
  if (shape.empty()) throw DataError(array.where() + ": found shape (), expected one label per node");
  const std::vector<std::int64_t> labels = integral_labels(array);
  expect_length(static_cast<std::int64_t>(labels.size()), dataset.nodes(), array.where());
  dataset.labels = checked_labels(labels, array.where());
  dataset.classes = class_count(dataset.labels);
}

Dataset read_dataset(NpzReader& reader, std::optional<std::int64_t> split) {
  Dataset dataset;
  dataset.origin = reader.name();
  dataset.name = std::filesystem::path(reader.name()).stem().string();
  dataset.adjacency = read_csr(reader, "adj", [](std::int64_t rows, std::int64_t cols, const std::string& where) {
    if (rows != cols) {
      throw DataError(where + ": found " + std::to_string(rows) + " × " + std::to_string(cols) +
                      ", expected a square adjacency");
    }
    check_node_count(rows, where);
  });
  settle_weights(dataset, reader.name() + ": adj_data");
  read_features(reader, dataset);
  read_labels(reader, dataset);
  read_masks(reader, split, dataset);
  check_masks(dataset, reader.name());
  return dataset;
}

}  // namespace

Dataset load_npz_dataset(const std::filesystem::path& path, const NpzLimits& limits,
                         std::optional<std::int64_t> split) {
  NpzReader reader(path, limits);
  return read_dataset(reader, split);
}

Dataset parse_npz_dataset(std::span<const std::byte> bytes, const std::string& name, const NpzLimits& limits,
                          std::optional<std::int64_t> split) {
  NpzReader reader(bytes, name, limits);
  return read_dataset(reader, split);
}

}  // namespace gamlp
