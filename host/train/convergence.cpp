#include "host/train/convergence.hpp"

#include <algorithm>
#include <cmath>

namespace gamlp {
namespace {

void keep_last(std::vector<double>& values, double value, std::int64_t window) {
  values.push_back(value);
  if (static_cast<std::int64_t>(values.size()) > window + 1) values.erase(values.begin());
}

// False where one is NaN.
bool all_below(const std::vector<double>& values, double limit) {
  return std::all_of(values.begin(), values.end(), [&](double value) { return value < limit; });
}

bool rests(const std::vector<double>& objectives, double limit) {
  const auto [least, most] = std::minmax_element(objectives.begin(), objectives.end());
  return *most - *least < limit * std::fabs(objectives.back());
}

}  // namespace

void add_epoch(RecentEpochs& recent, const EpochRecord& record, const StopConfig& stop) {
  keep_last(recent.objectives, record.objective, stop.window);
  keep_last(recent.residuals, record.relative_residual, stop.window);
  keep_last(recent.dual_residuals, record.dual_residual, stop.window);
  recent.largest_residual = std::fmax(recent.largest_residual, record.relative_residual);
}

bool converged(const RecentEpochs& recent, const StopConfig& stop) {
  if (static_cast<std::int64_t>(recent.objectives.size()) <= stop.window) return false;
  if (stop.objective && rests(recent.objectives, *stop.objective)) return true;
  if (!stop.residual) return false;
  const double largest = *std::max_element(recent.residuals.begin(), recent.residuals.end());
  return largest < recent.largest_residual && all_below(recent.residuals, *stop.residual) &&
         all_below(recent.dual_residuals, *stop.residual) && rests(recent.objectives, *stop.residual);
}

bool exhausted(std::int64_t done, std::optional<std::int64_t> best, std::int64_t every, const StopConfig& stop) {
  const std::int64_t evaluated = (done - 1) - (done - 1) % every;
  return stop.patience && best && evaluated - *best >= *stop.patience;
}

}  // namespace gamlp
