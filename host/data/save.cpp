#include <utility>

#include "host/data/classes.hpp"
#include "host/data/load.hpp"

namespace gamlp {
namespace {

using Members = std::vector<std::pair<std::string, std::string>>;

void add_csr(Members& members, const std::string& prefix, const Csr& csr) {
  members.emplace_back(prefix + "_data",
                       npy_bytes(csr.values.empty() ? std::vector<float>(csr.indices.size(), 1.0f) : csr.values));
  members.emplace_back(prefix + "_indices", npy_bytes(csr.indices));
  members.emplace_back(prefix + "_indptr", npy_bytes(csr.indptr));
  members.emplace_back(prefix + "_shape", npy_bytes(std::vector<std::int64_t>{csr.rows, csr.cols}));
}

std::vector<std::int64_t> file_labels(const Dataset& dataset) {
  std::vector<std::int64_t> labels(dataset.labels.begin(), dataset.labels.end());
  for (std::int64_t& label : labels) label = label == no_class ? no_class : class_id(dataset.class_ids, label);
  return labels;
}

}  // namespace

void save_npz_dataset(const std::filesystem::path& path, const Dataset& dataset) {
  Members members;
  add_csr(members, "adj", dataset.adjacency);
  if (dataset.sparse_features) {
    add_csr(members, "attr", dataset.features_sparse);
  } else {
    members.emplace_back("attr_matrix", npy_bytes(dataset.features_dense.view()));
  }
  if (dataset.has_labels) members.emplace_back("labels", npy_bytes(file_labels(dataset)));
  if (!dataset.train_mask.empty()) members.emplace_back("train_mask", npy_bytes(dataset.train_mask));
  if (!dataset.validation_mask.empty()) members.emplace_back("val_mask", npy_bytes(dataset.validation_mask));
  if (!dataset.test_mask.empty()) members.emplace_back("test_mask", npy_bytes(dataset.test_mask));
  write_npz(path, members);
}

}  // namespace gamlp
