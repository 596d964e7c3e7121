#include "host/methods/slowmo/slowmo_method.hpp"

#include "host/methods/local/outer_program.hpp"

namespace gamlp {

SlowMoMethod::SlowMoMethod(const std::string& name, const SlowMoConfig& config)
    : LocalMethod(name, config, Optimizer::nesterov, kTau, GradientProgram::kScalars), slowmo_(config) {}

std::vector<std::string> SlowMoMethod::common_tensors() const {
  return {OuterProgram::kAnchor, OuterProgram::kMomentum};
}

std::unique_ptr<StageProgram> SlowMoMethod::create_program(const DeviceContext& context, const StageSpec& spec,
                                                           int rank, DeviceInput* input) const {
  const OuterRule outer{slowmo_.slowmo.rate, slowmo_.slowmo.momentum};
  return std::make_unique<OuterProgram>(context, spec, rank, input, rule(), with_base(slowmo_), outer, true);
}

}  // namespace gamlp
