#include "host/data/load.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "host/core/error.hpp"
#include "host/data/classes.hpp"
#include "host/data/edge_weights.hpp"
#include "host/data/generate.hpp"
#include "host/graph/normalize.hpp"

namespace gamlp {
namespace {

// A line per format of graph files: how their names end, and what reads them.
struct Format {
  const char* ending;
  Dataset (*load)(const std::filesystem::path& path, std::optional<std::int64_t> split);
};
constexpr Format kFormats[] = {
    {".npz", [](const std::filesystem::path& path,
                std::optional<std::int64_t> split) { return load_npz_dataset(path, {}, split); }},
};

const Format* format_of(const std::filesystem::path& path) {
  const auto found = std::find_if(std::begin(kFormats), std::end(kFormats),
                                  [&](const Format& format) { return path.extension() == format.ending; });
  return found != std::end(kFormats) ? found : nullptr;
}

Dataset obtained(const DatasetConfig& config) {
  const int sources = config.path.has_value() + config.text.has_value() + config.generate.has_value();
  if (sources != 1) {
    throw ConfigError("dataset: found " + std::to_string(sources) +
                      " of path, text and generate, expected exactly one");
  }
  if (config.path) {
    const bool masks = config.split.kind == SplitKind::file;
    return load_graph_file(*config.path, masks ? std::optional(config.split.index) : std::nullopt);
  }
  return config.text ? load_text_dataset(*config.text) : generate_csbm(*config.generate);
}

}  // namespace

bool is_graph_file(const std::filesystem::path& path) { return format_of(path) != nullptr; }

Dataset load_graph_file(const std::filesystem::path& path, std::optional<std::int64_t> split) {
  const Format* format = format_of(path);
  return (format != nullptr ? *format : kFormats[0]).load(path, split);
}

void binarize_features(Dataset& dataset) {
  const auto binarize = [](float& value) { value = value != 0.0f ? 1.0f : 0.0f; };
  for (float& value : dataset.features_sparse.values) binarize(value);
  for (float& value : dataset.features_dense.view().flat()) binarize(value);
}

void row_normalize_features(Dataset& dataset) {
  const auto normalize = [](std::span<float> row) {
    double norm = 0.0;
    for (const float value : row) norm += std::abs(static_cast<double>(value));
    if (norm == 0.0) return;
    for (float& value : row) value = static_cast<float>(value / norm);
  };
  Csr& sparse = dataset.features_sparse;
  if (dataset.sparse_features && sparse.values.empty()) sparse.values.assign(sparse.indices.size(), 1.0f);
  for (std::int64_t i = 0; i < sparse.rows; ++i) {
    normalize(std::span(sparse.values).subspan(sparse.indptr[i], sparse.indptr[i + 1] - sparse.indptr[i]));
  }
  Matrix& dense = dataset.features_dense;
  for (std::int64_t i = 0; i < dense.rows(); ++i) normalize({dense.row(i), static_cast<std::size_t>(dense.cols())});
}

namespace {

void prepare_adjacency(Dataset& dataset, const DatasetConfig& config) {
  choose_weights(dataset, config.edge_weights);
  Csr& adjacency = dataset.adjacency;
  adjacency = config.symmetrize ? symmetrized(adjacency) : gathering(std::move(adjacency), config.direction);
  if (config.drop_self_loops) adjacency = without_self_loops(adjacency);
}

Dataset prepared(const DatasetConfig& config) {
  Dataset dataset = obtained(config);
  if (dataset.file_splits > 1 && config.split.kind == SplitKind::file) {
    dataset.notes.push_back(dataset.origin + ": split " + std::to_string(config.split.index) + " of the file's " +
                            std::to_string(dataset.file_splits) + " (dataset.split.index)");
  }
  prepare_adjacency(dataset, config);
  if (config.binarize_features) binarize_features(dataset);
  if (config.row_normalize) row_normalize_features(dataset);
  return dataset;
}

}  // namespace

void check_has_labels(const Dataset& dataset) {
  if (!dataset.has_labels) {
    throw DataError(dataset.origin +
                    ": labels: missing, expected one integer per node (-1: no class); without labels only "
                    "`gamlp predict` works, without --smooth");
  }
  if (dataset.classes == 0) throw DataError(dataset.origin + ": labels: no node has a class, expected some that do");
}

Dataset load_dataset(const DatasetConfig& config, std::span<const std::int32_t> class_ids) {
  Dataset dataset = prepared(config);
  check_has_labels(dataset);
  use_class_ids(dataset, class_ids);
  if (class_ids.empty() && config.class_ids == ClassIds::compact) compact_classes(dataset);
  return dataset;
}

Dataset load_dataset(const DatasetConfig& config, const Preparation& trained) {
  Dataset dataset = prepared(config);
  use_class_ids(dataset, trained.class_ids);
  standardize(dataset, trained);
  return dataset;
}

}  // namespace gamlp
