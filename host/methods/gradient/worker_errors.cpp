#include "host/methods/gradient/worker_errors.hpp"

#include <span>

#include "host/methods/gradient/layer_row.hpp"

namespace gamlp {
namespace {

template <class T>
std::vector<std::byte> shared_out(const std::vector<std::byte>& data, std::int64_t before, std::int64_t after,
                                  double divisor) {
  const auto each = static_cast<std::int64_t>(data.size() / sizeof(T)) / before;
  const auto* values = reinterpret_cast<const T*>(data.data());
  std::vector<T> share;
  for (std::int64_t i = 0; i < each; ++i) {
    double sum = 0.0;
    for (std::int64_t member = 0; member < before; ++member) sum += static_cast<double>(values[member * each + i]);
    share.push_back(static_cast<T>(sum / divisor));
  }
  const auto bytes = std::as_bytes(std::span(share));
  std::vector<std::byte> all;
  for (std::int64_t member = 0; member < after; ++member) all.insert(all.end(), bytes.begin(), bytes.end());
  return all;
}

}  // namespace

void share_out(HostTensor& tensor, std::int64_t before, std::int64_t after, double divisor) {
  tensor.data = tensor.item_bytes == 8 ? shared_out<double>(tensor.data, before, after, divisor)
                                       : shared_out<float>(tensor.data, before, after, divisor);
  tensor.rows = tensor.rows / before * after;
}

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
    fresh.rows = before * values, fresh.cols = 1;  // of a version that had a row for each worker, too
    if (before == workers) continue;
    if (fitted->note.empty()) {
      fitted->note = "the errors of compression of " + std::to_string(before) + " workers become those of " +
                     std::to_string(workers) + ": what they have yet to make good stays the same, further bits do not";
    }
    share_out(fresh, before, workers, static_cast<double>(together == ErrorsAre::averaged ? before : workers));
  }
  return fitted;
}

}  // namespace gamlp
