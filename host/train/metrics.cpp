#include "host/train/metrics.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "host/config/json_number.hpp"
#include "host/core/error.hpp"

namespace gamlp {
namespace {

struct NamedScalar {
  LayerScalar which;
  const char* name;
};
// In the order in which a layer's step computes them, so that the first bad one names the cause.
constexpr NamedScalar kChecked[] = {{kGradientP2, "the gradient of p"},
                                    {kGradientW2, "the gradient of W"},
                                    {kLinear2, "z − W p − b"},
                                    {kRisk, "the risk of z"},
                                    {kFit2, "q − f(z)"},
                                    {kDualGap, "u"},
                                    {kGap2, "p − q"},
                                    {kWeight2, "W"}};

}  // namespace

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
  json["bits"] = {{"p", r.bits_p}, {"q", r.bits_q}};
  return json;
}

void read_scalars(const std::vector<double>& scalars, const MethodConfig& method, bool dual, EpochRecord& record) {
  const int layers = static_cast<int>(scalars.size()) / kLayerScalars;
  if (is_backprop(method)) {
    record.risk = record.objective = scalars[static_cast<std::size_t>(layers - 1) * kLayerScalars + kRisk];
    record.residual = record.relative_residual = std::nan("");
    if (std::isfinite(record.risk)) return;
    throw DivergenceError("training diverged at epoch " + std::to_string(record.epoch) +
                          ": the loss is not finite; try a smaller method.optimizer.learning_rate, or features on one "
                          "scale (dataset.standardize)");
  }
  const double nu = *method.nu, rho = *method.rho;
  const double nu2 = method.update == Update::exact ? method.exact.nu2 * rho : nu;
  double objective = 0, residual = 0, q2 = 0, step2 = 0;
  for (int l = 1; l <= layers; ++l) {
    const double* s = scalars.data() + static_cast<std::ptrdiff_t>(l - 1) * kLayerScalars;
    for (const NamedScalar& checked : kChecked) {
      if (!std::isfinite(s[checked.which])) {
        throw DivergenceError(
            "training diverged at epoch " + std::to_string(record.epoch) + ", layer " + std::to_string(l) + ": " +
            checked.name +
            " is not finite; try a smaller method.nu, more bits, coding \"difference\", or features on one scale "
            "(dataset.standardize)");
      }
    }
    objective += s[kRisk] + 0.5 * nu * s[kLinear2] + 0.5 * weight_decay_of(method, l, layers) * s[kWeight2];
    if (l < layers) objective += 0.5 * nu2 * s[kFit2] + s[kDualGap] + 0.5 * rho * s[kGap2];
    residual += s[kGap2];
    q2 += s[kQ2];
    if (dual && l < layers) step2 += s[kQStep2];
  }
  record.objective = objective;
  record.residual = residual;
  record.relative_residual = q2 > 0 ? residual / q2 : 0.0;
  if (dual) record.dual_residual = q2 > 0 ? step2 / q2 : 0.0;
  record.risk = scalars[static_cast<std::size_t>(layers - 1) * kLayerScalars + kRisk];
}

}  // namespace gamlp
