#include "host/methods/local_sgd/local_sgd_method.hpp"

#include "host/methods/local_sgd/local_sgd_program.hpp"

namespace gamlp {

LocalSgdMethod::LocalSgdMethod(const std::string& name, const LocalMethodConfig& config)
    : LocalMethod(name, config, Optimizer::nesterov, kTau, GradientProgram::kScalars) {}

std::unique_ptr<StageProgram> LocalSgdMethod::create_program(const DeviceContext& context, const StageSpec& spec,
                                                             int rank, DeviceInput* input) const {
  return std::make_unique<LocalSgdProgram>(context, spec, rank, input, rule(), with_base(LocalMethodConfig()));
}

}  // namespace gamlp
