#include "host/methods/diloco/diloco_method.hpp"

#include <bit>
#include <nlohmann/json.hpp>

#include "host/methods/gradient/worker_errors.hpp"
#include "host/methods/local/outer_program.hpp"

namespace gamlp {

DiLoCoMethod::DiLoCoMethod(const std::string& name, const DiLoCoConfig& config)
    : LocalMethod(name, config, Optimizer::adam, kTau, GradientProgram::kScalars), diloco_(config) {}

std::vector<std::string> DiLoCoMethod::problems(const Config& config) const {
  std::vector<std::string> out = LocalMethod::problems(config);
  const std::int64_t bits = diloco_.diloco.bits, block = diloco_.diloco.block;
  if (bits != 1 && bits != 4 && bits != 8 && bits != 32) {
    out.push_back("`method.diloco.bits` is " + std::to_string(bits) + ": must be 1, 4, 8 or 32");
  }
  if (!std::has_single_bit(static_cast<std::uint64_t>(block))) {
    out.push_back("`method.diloco.block` is " + std::to_string(block) + ": must be a power of two");
  }
  return out;
}

nlohmann::ordered_json DiLoCoMethod::report() const {
  nlohmann::ordered_json json = LocalMethod::report();
  json["change_bits"] = diloco_.diloco.bits;
  return json;
}

std::string DiLoCoMethod::exchange_text() const {
  const DiLoCoOptions& o = diloco_.diloco;
  return "the mean of changes" +
         (o.bits < 32 ? " of " + std::to_string(o.bits) + (o.bits == 1 ? " bit" : " bits") : "") +
         (o.bits < 32 && !o.error_feedback ? " without error feedback" : "") + ", by an outer step";
}

std::vector<std::string> DiLoCoMethod::common_tensors() const {
  return {OuterProgram::kAnchor, OuterProgram::kMomentum};
}

std::shared_ptr<const Method> DiLoCoMethod::uncompressed() const {
  if (diloco_.diloco.bits == 32) return nullptr;
  auto plain = std::make_shared<DiLoCoMethod>(*this);
  plain->diloco_.diloco.bits = 32;
  return plain;
}

std::unique_ptr<StageProgram> DiLoCoMethod::create_program(const DeviceContext& context, const StageSpec& spec,
                                                           int rank, DeviceInput* input) const {
  const DiLoCoOptions& o = diloco_.diloco;
  const OuterRule outer{o.learning_rate, o.momentum, true};
  const CompressedMean::Coding coding{static_cast<int>(o.bits), o.block, o.bits < 32 && o.error_feedback};
  return std::make_unique<OuterProgram>(context, spec, rank, input, rule(), with_base(diloco_), outer, false, coding,
                                        each(spec));
}

std::optional<FittedState> DiLoCoMethod::fitted_state(const TrainingState& state, const StageSpec& spec) const {
  std::optional<FittedState> fitted = LocalMethod::fitted_state(state, spec);
  std::optional<FittedState> errors =
      fitted_errors(fitted ? fitted->state : state, spec, ErrorsAre::averaged, spec.placement.replicas / each(spec),
                    CompressLayout::unit(static_cast<int>(diloco_.diloco.bits)));
  if (!errors) return fitted;
  if (fitted && !fitted->note.empty()) errors->note = fitted->note + (errors->note.empty() ? "" : "; " + errors->note);
  return errors;
}

}  // namespace gamlp
