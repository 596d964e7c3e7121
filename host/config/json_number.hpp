// Writes numbers as JSON, which has neither NaN nor infinity: they become null.
#pragma once

#include <cmath>
#include <nlohmann/json.hpp>

namespace gamlp {

inline nlohmann::ordered_json number_or_null(double x) {
  return std::isfinite(x) ? nlohmann::ordered_json(x) : nlohmann::ordered_json(nullptr);
}

}  // namespace gamlp
