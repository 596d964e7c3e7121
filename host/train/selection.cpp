#include "host/train/selection.hpp"

#include <cmath>

namespace gamlp {

bool takes_place(const BestWeights& best, double validation, std::int64_t nodes) {
  if (best.network.empty() || !std::isfinite(validation)) return true;
  const double a = best.accuracies.validation;
  const double error = best.stage_epoch == 0 ? std::sqrt(a * (1.0 - a) / static_cast<double>(nodes)) : 0.0;
  return validation > a + 0.5 * error;
}

}  // namespace gamlp
