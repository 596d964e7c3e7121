#include "host/methods/apmsqueeze/apmsqueeze_method.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "host/config/config.hpp"
#include "host/core/number_text.hpp"
#include "host/methods/apmsqueeze/apmsqueeze_program.hpp"
#include "host/methods/gradient/worker_errors.hpp"

namespace gamlp {
namespace {

ApmConfig with_base(const GradientConfig& base, const SqueezeConfig& squeeze) {
  ApmConfig all;
  static_cast<GradientConfig&>(all) = base;
  all.squeeze = squeeze;
  return all;
}

std::string momentum_text(const SqueezeConfig& squeeze) {
  return "momentum of " + std::to_string(squeeze.bits) + (squeeze.bits == 1 ? " bit" : " bits");
}

}  // namespace

ApmMethod::ApmMethod(const std::string& name, const ApmConfig& config)
    : GradientMethod(name, Optimizer::adam, config, ApmProgram::scalars_of(config.squeeze)), squeeze_(config.squeeze) {}

// The group divides the number of workers, which may be another one too.
std::vector<std::string> ApmMethod::changeable_keys() const {
  std::vector<std::string> keys = GradientMethod::changeable_keys();
  keys.push_back("method.squeeze.group");
  return keys;
}

std::vector<std::string> ApmMethod::problems(const Config& all) const {
  std::vector<std::string> out = GradientMethod::problems(all);
  const auto bits = squeeze_.bits;
  if (bits != 1 && bits != 8 && bits != 32) {
    out.push_back(
        "`method.squeeze.bits` is " + std::to_string(bits) +
        ": must be 1 or 8 (32: momentum is not compressed); with a few bits between them training was seen to "
        "diverge, and they save little beside 1 bit");
  }
  if (!std::has_single_bit(static_cast<std::uint64_t>(squeeze_.block))) {
    out.push_back("`method.squeeze.block` is " + std::to_string(squeeze_.block) + ": must be a power of two");
  }
  if (config().optimizer.weight_decay > 0.0 && !config().optimizer.decoupled_weight_decay) {
    out.push_back(
        "`method.optimizer.weight_decay` is " + short_number(config().optimizer.weight_decay) +
        " with `method.name` \"" + name() +
        "\": must be 0, or `method.optimizer.decoupled_weight_decay` must be true, since what the workers exchange is "
        "momentum");
  }
  if (!squeeze_.warmup) return out;
  const std::string problem = warmup_problem(all, "squeeze.warmup", *squeeze_.warmup, [&](const MethodConfig& method) {
    return options_of<ApmConfig>(method).squeeze.warmup == squeeze_.warmup;
  });
  if (!problem.empty()) out.push_back(problem);
  return out;
}

std::vector<std::string> ApmMethod::warnings(const Config& all) const {
  std::vector<std::string> out = GradientMethod::warnings(all);
  if (squeeze_.clip == 0.0 && squeeze_.floor == 0.0 && squeeze_.bits < 32) {
    out.push_back(
        "`method.squeeze.clip` and `floor` are 0: weights whose gradients were tiny in the warm-up then move without "
        "bounds");
  }
  return out;
}

void ApmMethod::resolve(MethodConfig& method, const ModelConfig& model, const ProblemShape& shape,
                        std::string* why) const {
  GradientMethod::resolve(method, model, shape, why);
  if (squeeze_.group && shape.shards > 1 && shape.shards % *squeeze_.group != 0) {
    throw ConfigError("`method.squeeze.group` is " + std::to_string(*squeeze_.group) + ": must divide the " +
                      std::to_string(shape.shards) + " workers");
  }
  set_options(method, with_base(options_of<GradientConfig>(method), squeeze_));
}

std::string ApmMethod::text() const {
  const std::string after = squeeze_.warmup ? std::to_string(*squeeze_.warmup) + " epochs"
                                            : short_number(100.0 * squeeze_.warmup_share) + " % of the epochs";
  return GradientMethod::text() + ", " + momentum_text(squeeze_) + " after " + after +
         (squeeze_.settled ? " or when v has settled" : "") +
         (squeeze_.group.value_or(1) > 1 ? ", in groups of " + std::to_string(*squeeze_.group) + " workers" : "") +
         (squeeze_.error_feedback ? "" : ", no error feedback");
}

std::vector<std::pair<std::string, std::string>> ApmMethod::summary() const {
  auto lines = GradientMethod::summary();
  lines.emplace_back("between workers", "gradients in float32, then " + momentum_text(squeeze_));
  return lines;
}

nlohmann::ordered_json ApmMethod::report() const { return {{"momentum_bits", squeeze_.bits}}; }

std::int64_t ApmMethod::warmup(std::int64_t epochs) const {
  if (compresses_) return *compresses_ ? 0 : std::numeric_limits<std::int32_t>::max();
  if (squeeze_.warmup) return *squeeze_.warmup;
  const double share = squeeze_.warmup_share * static_cast<double>(epochs);
  return std::max<std::int64_t>(static_cast<std::int64_t>(std::ceil(share)), 1);
}

std::shared_ptr<const Method> ApmMethod::frozen_at(std::int64_t epoch, std::int64_t epochs) const {
  auto frozen = std::make_shared<ApmMethod>(*this);
  frozen->compresses_ = epoch >= warmup(epochs);
  return frozen;
}

std::shared_ptr<const Method> ApmMethod::uncompressed() const {
  auto plain = std::make_shared<ApmMethod>(*this);
  plain->compresses_ = false;
  return plain;
}

std::unique_ptr<StageProgram> ApmMethod::create_program(const DeviceContext& context, const StageSpec& spec, int rank,
                                                        DeviceInput* input) const {
  return std::make_unique<ApmProgram>(context, spec, rank, input, rule(), with_base(config(), squeeze_),
                                      warmup(spec.epochs));
}

std::optional<FittedState> ApmMethod::fitted_state(const TrainingState& state, const StageSpec& spec) const {
  const int each = ApmProgram::group_size(squeeze_, spec);
  return fitted_errors(state, spec, ErrorsAre::averaged, spec.placement.shards / each, CompressedMean::kUnit);
}

// Momentum of 8 bits, and of 1.
std::vector<Calibration> ApmMethod::calibrations(bool quick) const {
  std::vector<Calibration> all;
  for (const int bits : {1, 8}) {
    ApmConfig squeezed;
    squeezed.squeeze.bits = bits;
    MethodConfig method;
    method.name = name();
    set_options(method, squeezed);
    all.push_back({quick ? Calibration::Sizes::one : Calibration::Sizes::large, method, {}});
  }
  return all;
}

}  // namespace gamlp
