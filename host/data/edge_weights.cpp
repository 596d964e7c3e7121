#include "host/data/edge_weights.hpp"

#include <algorithm>
#include <string>

#include "host/core/error.hpp"
#include "host/data/check.hpp"
#include "host/graph/csr_build.hpp"

namespace gamlp {
namespace {

void drop_zeros(Csr& adjacency) {
  std::int64_t written = 0, begin = 0;
  for (std::int64_t i = 0; i < adjacency.rows; ++i) {
    const std::int64_t end = adjacency.indptr[i + 1];
    for (std::int64_t e = begin; e < end; ++e) {
      if (adjacency.values[e] == 0.0f) continue;
      adjacency.indices[written] = adjacency.indices[e];
      adjacency.values[written++] = adjacency.values[e];
    }
    adjacency.indptr[i + 1] = written;
    begin = end;
  }
  adjacency.indices.resize(static_cast<std::size_t>(written));
  adjacency.values.resize(static_cast<std::size_t>(written));
}

std::string first_negative(const Csr& adjacency) {
  for (std::int64_t i = 0; i < adjacency.rows; ++i) {
    for (std::int64_t e = adjacency.indptr[i]; e < adjacency.indptr[i + 1]; ++e) {
      if (adjacency.values[e] >= 0.0f) continue;
      return "edge " + std::to_string(i) + " -> " + std::to_string(adjacency.indices[e]) + ": found weight " +
             float_text(adjacency.values[e]);
    }
  }
  return {};
}

}  // namespace

void settle_weights(Dataset& dataset, const std::string& where) {
  Csr& adjacency = dataset.adjacency;
  drop_zeros(adjacency);
  dataset.negative_weight = first_negative(adjacency);
  if (std::all_of(adjacency.values.begin(), adjacency.values.end(), [](float w) { return w == 1.0f; })) {
    adjacency.values.clear();
  }
  sort_and_merge(adjacency);
  check_finite(adjacency.values, 0, where + ", duplicates added up");
}

void choose_weights(Dataset& dataset, EdgeWeights choice) {
  std::vector<float>& weights = dataset.adjacency.values;
  if (choice == EdgeWeights::use) {
    if (dataset.negative_weight.empty()) return;
    throw DataError(dataset.origin + ": " + dataset.negative_weight +
                    ", expected weights of at least 0 with dataset.edge_weights \"use\"; \"ignore\" counts every edge "
                    "as 1");
  }
  if (weights.empty()) return;
  const auto [low, high] = std::minmax_element(weights.begin(), weights.end());
  dataset.notes.push_back(dataset.origin + ": edges have weights (" + float_text(*low) + " to " + float_text(*high) +
                          "), which are ignored; dataset.edge_weights \"use\" takes them into account");
  weights.clear();
}

}  // namespace gamlp
