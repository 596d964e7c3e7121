#include "host/data/load.hpp"

#include <cmath>

#include "host/core/error.hpp"
#include "host/data/generate.hpp"
#include "host/graph/normalize.hpp"

namespace gamlp {
namespace {

namespace fs = std::filesystem;

fs::path resolved(const std::string& path, const fs::path& config_folder, const std::string& key) {
  const fs::path beside = config_folder / path;  // an absolute `path` replaces the folder
  std::error_code ignored;
  if (fs::exists(beside, ignored)) return beside;
  if (fs::path(path).is_relative() && fs::exists(path, ignored)) return path;
  std::string message = path + ": no such file (" + key + ")";
  if (fs::path(path).is_relative()) {
    message += ": looked in " + (config_folder.empty() ? std::string(".") : config_folder.string()) + " and in " +
               fs::current_path(ignored).string();
  }
  throw DataError(message);
}

Dataset obtained(const DatasetConfig& config, const fs::path& folder) {
  const int sources = config.path.has_value() + config.text.has_value() + config.generate.has_value();
  if (sources != 1) {
    throw ConfigError("dataset: found " + std::to_string(sources) +
                      " of path, text and generate, expected exactly one");
  }
  if (config.path) return load_npz_dataset(resolved(*config.path, folder, "dataset.path"));
  if (config.generate) return generate_csbm(*config.generate);
  TextConfig text;
  text.edges = resolved(config.text->edges, folder, "dataset.text.edges").string();
  text.features = resolved(config.text->features, folder, "dataset.text.features").string();
  text.labels = resolved(config.text->labels, folder, "dataset.text.labels").string();
  return load_text_dataset(text);
}

}  // namespace

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

Dataset load_dataset(const DatasetConfig& config, const fs::path& config_folder) {
  Dataset dataset = obtained(config, config_folder);
  if (config.symmetrize) dataset.adjacency = symmetrized(dataset.adjacency);
  if (config.drop_self_loops) dataset.adjacency = without_self_loops(dataset.adjacency);
  if (config.binarize_features) binarize_features(dataset);
  if (config.row_normalize) row_normalize_features(dataset);
  return dataset;
}

}  // namespace gamlp
