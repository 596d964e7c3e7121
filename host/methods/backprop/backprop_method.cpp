#include "host/methods/backprop/backprop_method.hpp"

#include "host/methods/gradient/gradient_program.hpp"

namespace gamlp {

std::unique_ptr<StageProgram> BackpropMethod::create_program(const DeviceContext& context, const StageSpec& spec,
                                                             int rank, DeviceInput* input) const {
  return std::make_unique<GradientProgram>(context, spec, rank, input, rule(), config());
}

std::vector<Calibration> BackpropMethod::calibrations(bool) const {
  if (optimizer() != Optimizer::adam) return {};  // its step moves most: it stands for the others
  MethodConfig method;
  method.name = name();
  return {{Calibration::Sizes::all, method, {}}};
}

}  // namespace gamlp
