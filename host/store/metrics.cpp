#include "host/store/metrics.hpp"

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "host/config/json_number.hpp"
#include "host/core/error.hpp"

namespace gamlp {
nlohmann::ordered_json to_json(const EpochRecord& r) {
  nlohmann::ordered_json json = {{"epoch", r.epoch},
                                 {"stage", r.stage},
                                 {"stage_epoch", r.stage_epoch},
                                 {"layers", r.layers},
                                 {"objective", r.objective},
                                 {"residual", number_or_null(r.residual)},
                                 {"relative_residual", number_or_null(r.relative_residual)},
                                 {"risk", r.risk}};
  if (std::isfinite(r.dual_residual)) json["dual_residual"] = r.dual_residual;
  const double nan = std::nan("");
  json["train_accuracy"] = number_or_null(r.accuracy ? r.accuracy->train : nan);
  json["validation_accuracy"] = number_or_null(r.accuracy ? r.accuracy->validation : nan);
  json["test_accuracy"] = number_or_null(r.accuracy ? r.accuracy->test : nan);
  json["seconds"] = r.seconds;
  json["bytes_sent"] = r.bytes_sent;
  if (r.weights_hash) {
    char hash[17];
    std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(*r.weights_hash));
    json["weights_hash"] = hash;
  }
  for (const auto& [message, bits] : r.bits) json["bits"][message] = bits;
  return json;
}

}  // namespace gamlp
