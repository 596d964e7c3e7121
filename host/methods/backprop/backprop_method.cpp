#include "host/methods/backprop/backprop_method.hpp"

#include <bit>
#include <limits>
#include <nlohmann/json.hpp>

#include "host/config/config.hpp"
#include "host/core/number_text.hpp"
#include "host/methods/backprop/exchanged_program.hpp"
#include "host/methods/backprop/powersgd_exchange.hpp"
#include "host/methods/backprop/top_k_exchange.hpp"
#include "host/methods/gradient/worker_errors.hpp"

namespace gamlp {
namespace {

// "" for float32.
std::string gradients_text(const BackpropConfig& c) {
  std::string text;
  bool feedback = true;
  switch (c.gradients) {
    case GradientFormat::float32:
      break;
    case GradientFormat::bf16:
      text = "gradients in bf16";
      break;
    case GradientFormat::powersgd:
      text = "gradients by PowerSGD of rank " + std::to_string(c.powersgd.rank);
      feedback = c.powersgd.error_feedback;
      break;
    case GradientFormat::top_k:
      text = "the largest " + short_number(100.0 * c.top_k.share) + " % of gradients";
      feedback = c.top_k.error_feedback;
      break;
  }
  return text + (feedback ? "" : " without error feedback");
}

}  // namespace

BackpropConfig BackpropMethod::with_base(const GradientConfig& base) const {
  BackpropConfig all = exchange_;
  static_cast<GradientConfig&>(all) = base;
  return all;
}

std::int64_t BackpropMethod::warmup() const {
  if (compresses_) return *compresses_ ? 0 : std::numeric_limits<std::int32_t>::max();
  return configured_warmup(exchange_);
}

std::vector<std::string> BackpropMethod::problems(const Config& config) const {
  std::vector<std::string> out = GradientMethod::problems(config);
  if (exchange_.gradients == GradientFormat::top_k &&
      !std::has_single_bit(static_cast<std::uint64_t>(exchange_.top_k.block))) {
    out.push_back("`method.top_k.block` is " + std::to_string(exchange_.top_k.block) + ": must be a power of two");
  }
  if (warmup() == 0) return out;
  const std::string key = exchange_.gradients == GradientFormat::top_k ? "top_k.warmup" : "powersgd.warmup";
  const std::string problem = warmup_problem(config, key, warmup(), [&](const MethodConfig& method) {
    const auto other = options_of<BackpropConfig>(method);
    return other.gradients == exchange_.gradients && configured_warmup(other) == warmup();
  });
  if (!problem.empty()) out.push_back(problem);
  return out;
}

std::vector<std::string> BackpropMethod::warnings(const Config& config) const {
  std::vector<std::string> out = GradientMethod::warnings(config);
  const auto unused = [&](const char* section) {
    out.push_back("`method." + std::string(section) + "` has no effect with `method.gradients` \"" +
                  std::string(name_of(exchange_.gradients)) + "\": it belongs to \"" + section + "\"");
  };
  const bool powersgd = exchange_.gradients == GradientFormat::powersgd,
             top_k = exchange_.gradients == GradientFormat::top_k;
  if (!powersgd && exchange_.powersgd != PowerSgdConfig()) unused("powersgd");
  if (!top_k && exchange_.top_k != TopKConfig()) unused("top_k");
  return out;
}

void BackpropMethod::resolve(MethodConfig& method, const ModelConfig& model, const ProblemShape& shape,
                             std::string* why) const {
  GradientMethod::resolve(method, model, shape, why);
  set_options(method, with_base(options_of<GradientConfig>(method)));
}

std::string BackpropMethod::text() const {
  const std::string exchanged = gradients_text(exchange_);
  return GradientMethod::text() + (exchanged.empty() ? "" : ", " + exchanged + " between shards");
}

std::vector<std::pair<std::string, std::string>> BackpropMethod::summary() const {
  auto lines = GradientMethod::summary();
  const std::string exchanged = gradients_text(exchange_);
  if (!exchanged.empty()) lines.emplace_back("between workers", exchanged);
  return lines;
}

nlohmann::ordered_json BackpropMethod::report() const {
  if (exchange_.gradients == GradientFormat::float32) return GradientMethod::report();
  return {{"gradients", name_of(exchange_.gradients)}};
}

std::vector<std::int64_t> BackpropMethod::message_changes(std::int64_t epochs) const {
  std::vector<std::int64_t> changes = {0};
  if (warmup() > 0 && warmup() < epochs) changes.push_back(warmup());
  return changes;
}

std::shared_ptr<const Method> BackpropMethod::frozen_at(std::int64_t epoch, std::int64_t) const {
  auto frozen = std::make_shared<BackpropMethod>(*this);
  frozen->compresses_ = epoch >= warmup();
  return frozen;
}

std::shared_ptr<const Method> BackpropMethod::uncompressed() const {
  if (!shards_are_workers()) return nullptr;
  auto plain = std::make_shared<BackpropMethod>(*this);
  plain->exchange_.gradients = GradientFormat::float32;
  return plain;
}

std::unique_ptr<StageProgram> BackpropMethod::create_program(const DeviceContext& context, const StageSpec& spec,
                                                             int rank, DeviceInput* input) const {
  const GradientFormat format = exchange_.gradients;
  // One worker rounds nothing.
  if (format == GradientFormat::float32 || (format == GradientFormat::bf16 && spec.placement.shards == 1)) {
    return std::make_unique<GradientProgram>(context, spec, rank, input, rule(), config());
  }
  return std::make_unique<ExchangedGradientProgram>(context, spec, rank, input, rule(), with_base(config()), warmup());
}

std::optional<FittedState> BackpropMethod::fitted_state(const TrainingState& state, const StageSpec& spec) const {
  static_assert(PowerSgdExchange::kUnit == TopKExchange::kUnit);
  return fitted_errors(state, spec, ErrorsAre::added, spec.placement.shards, PowerSgdExchange::kUnit);
}

std::vector<Calibration> BackpropMethod::calibrations(bool quick) const {
  if (optimizer() != Optimizer::adam) return {};  // its step moves most: it stands for the others
  MethodConfig method;
  method.name = name();
  std::vector<Calibration> out = {{Calibration::Sizes::all, method, {}}};
  for (const GradientFormat format : {GradientFormat::bf16, GradientFormat::powersgd, GradientFormat::top_k}) {
    BackpropConfig exchanged;
    exchanged.gradients = format;
    exchanged.powersgd.warmup = exchanged.top_k.warmup = 0;
    set_options(method, exchanged);
    out.push_back({quick ? Calibration::Sizes::one : Calibration::Sizes::large, method, {}});
  }
  return out;
}

}  // namespace gamlp
