#include "host/methods/gradient/worker_errors.hpp"

#include <cstring>

namespace gamlp {

std::optional<FittedState> fitted_errors(const TrainingState& state, const StageSpec& spec, ErrorsAre together) {
  const std::int64_t workers = spec.placement.shards;
  std::optional<FittedState> fitted;
  for (int layer = 1; layer <= spec.layers(); ++layer) {
    const std::string name = "worker_error" + std::to_string(layer);
    const auto found = state.find(name);
    if (found == state.end() || found->second.rows == workers) continue;
    if (!fitted) {
      fitted = FittedState{state, "the errors of compression of " + std::to_string(found->second.rows) +
                                      " workers become those of " + std::to_string(workers) +
                                      ": what they have yet to make good stays the same, further bits do not"};
    }
    const HostTensor& old = found->second;
    std::vector<double> sum(static_cast<std::size_t>(old.cols), 0.0);
    std::vector<float> row(sum.size());
    for (std::int64_t worker = 0; worker < old.rows; ++worker) {
      std::memcpy(row.data(), old.row(worker), static_cast<std::size_t>(old.row_bytes()));
      for (std::size_t j = 0; j < row.size(); ++j) sum[j] += static_cast<double>(row[j]);
    }
    const std::int64_t shares = together == ErrorsAre::averaged ? old.rows : workers;
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = static_cast<float>(sum[j] / static_cast<double>(shares));
    HostTensor& fresh = fitted->state.at(name);
    fresh.rows = workers;
    fresh.data.resize(static_cast<std::size_t>(workers * fresh.row_bytes()));
    for (std::int64_t worker = 0; worker < workers; ++worker) {
      std::memcpy(fresh.row(worker), row.data(), static_cast<std::size_t>(fresh.row_bytes()));
    }
  }
  return fitted;
}

}  // namespace gamlp
