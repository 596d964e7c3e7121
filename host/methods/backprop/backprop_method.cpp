#include "host/methods/backprop/backprop_method.hpp"

#include "host/methods/backprop/rounded_program.hpp"

namespace gamlp {

void BackpropMethod::resolve(MethodConfig& method, const ModelConfig& model, const ProblemShape& shape,
                             std::string* why) const {
  GradientMethod::resolve(method, model, shape, why);
  BackpropConfig all;
  static_cast<GradientConfig&>(all) = options_of<GradientConfig>(method);
  all.gradients = gradients_;
  set_options(method, all);
}

std::string BackpropMethod::text() const {
  return GradientMethod::text() + (gradients_ == GradientFormat::bf16 ? ", gradients in bf16 between shards" : "");
}

std::shared_ptr<const Method> BackpropMethod::uncompressed() const {
  if (gradients_ == GradientFormat::float32) return nullptr;
  auto plain = std::make_shared<BackpropMethod>(*this);
  plain->gradients_ = GradientFormat::float32;
  return plain;
}

std::unique_ptr<StageProgram> BackpropMethod::create_program(const DeviceContext& context, const StageSpec& spec,
                                                             int rank, DeviceInput* input) const {
  if (gradients_ == GradientFormat::bf16 && spec.placement.shards > 1) {
    return std::make_unique<RoundedGradientProgram>(context, spec, rank, input, rule(), config());
  }
  return std::make_unique<GradientProgram>(context, spec, rank, input, rule(), config());
}

std::vector<Calibration> BackpropMethod::calibrations(bool) const {
  if (optimizer() != Optimizer::adam) return {};  // its step moves most: it stands for the others
  MethodConfig method;
  method.name = name();
  return {{Calibration::Sizes::all, method, {}}};
}

}  // namespace gamlp
