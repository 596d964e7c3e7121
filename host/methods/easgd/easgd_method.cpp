#include "host/methods/easgd/easgd_method.hpp"

#include "host/methods/easgd/easgd_program.hpp"

namespace gamlp {

EasgdMethod::EasgdMethod(const std::string& name, const EasgdConfig& config)
    : LocalMethod(name, config, Optimizer::nesterov, kTau, GradientProgram::kScalars), easgd_(config) {}

std::unique_ptr<StageProgram> EasgdMethod::create_program(const DeviceContext& context, const StageSpec& spec, int rank,
                                                          DeviceInput* input) const {
  return std::make_unique<EasgdProgram>(context, spec, rank, input, rule(), with_base(easgd_));
}

}  // namespace gamlp
