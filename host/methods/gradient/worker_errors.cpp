#include "host/methods/gradient/worker_errors.hpp"

#include <span>

#include "host/methods/gradient/layer_row.hpp"

namespace gamlp {

std::optional<FittedState> fitted_errors(const TrainingState& state, const StageSpec& spec, ErrorsAre together,
                                         std::int64_t workers, std::int64_t unit) {
  std::optional<FittedState> fitted;
  for (int layer = 1; layer <= spec.layers(); ++layer) {
    const std::string name = "worker_error" + std::to_string(layer);
    const auto found = state.find(name);
    if (found == state.end()) continue;
    const HostTensor& old = found->second;
    const std::int64_t values = LayerRow(spec.widths, {layer, layer}, unit).size(layer),
                       before = old.rows * old.cols / values;
    if (before == workers && old.cols == 1) continue;
    if (!fitted) fitted = FittedState{state, ""};
    HostTensor& fresh = fitted->state.at(name);
    fresh.rows = workers * values, fresh.cols = 1;
    if (before == workers) continue;  // of a version that had a row for each worker
    if (fitted->note.empty()) {
      fitted->note = "the errors of compression of " + std::to_string(before) + " workers become those of " +
                     std::to_string(workers) + ": what they have yet to make good stays the same, further bits do not";
    }
    const auto* errors = reinterpret_cast<const float*>(old.data.data());
    std::vector<float> row;
    for (std::int64_t j = 0; j < values; ++j) {
      double sum = 0.0;
      for (std::int64_t worker = 0; worker < before; ++worker) sum += static_cast<double>(errors[worker * values + j]);
      row.push_back(static_cast<float>(sum / static_cast<double>(together == ErrorsAre::averaged ? before : workers)));
    }
    fresh.data.clear();
    const auto bytes = std::as_bytes(std::span(row));
    for (std::int64_t worker = 0; worker < workers; ++worker) {
      fresh.data.insert(fresh.data.end(), bytes.begin(), bytes.end());
    }
  }
  return fitted;
}

}  // namespace gamlp
