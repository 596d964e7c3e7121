#include "host/methods/gradient/learning_rates.hpp"

#include <cmath>

namespace gamlp {

std::vector<double> learning_rates(const OptimizerConfig& optimizer, std::int64_t epochs) {
  const ScheduleConfig& s = optimizer.schedule;
  const double base = *optimizer.learning_rate;
  std::vector<double> rates;
  if (s.kind == ScheduleKind::constant && s.warmup == 0) return rates;
  for (std::int64_t t = 0; t < epochs; ++t) {
    double share = 1.0;
    const auto after = static_cast<double>(t - s.warmup);
    if (t < s.warmup) {
      share = static_cast<double>(t + 1) / static_cast<double>(s.warmup + 1);
    } else if (s.kind == ScheduleKind::cosine) {
      const double angle = 3.141592653589793 * after / static_cast<double>(epochs - s.warmup);
      share = s.final + (1.0 - s.final) * (1.0 + std::cos(angle)) / 2.0;
    } else if (s.kind == ScheduleKind::step) {
      share = std::pow(s.factor, std::floor(after / static_cast<double>(s.every)));
    }
    rates.push_back(base * share);
  }
  return rates;
}

}  // namespace gamlp
