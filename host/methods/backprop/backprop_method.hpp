// Full-batch backpropagation with one of PyTorch's optimisers, as a method: exact gradients, added up over all shards
// (GradientProgram).
#pragma once

#include "host/methods/gradient/gradient_method.hpp"

namespace gamlp {

class BackpropMethod final : public GradientMethod {
 public:
  BackpropMethod(std::string name, Optimizer optimizer, const GradientConfig& config)
      : GradientMethod(std::move(name), optimizer, config) {}

  std::vector<std::string> keys() const override { return keys_of<GradientConfig>(); }
  std::shared_ptr<const Method> frozen_at(std::int64_t, std::int64_t) const override {
    return std::make_shared<BackpropMethod>(*this);
  }
  std::unique_ptr<StageProgram> create_program(const DeviceContext& context, const StageSpec& spec, int rank,
                                               DeviceInput* input) const override;
  std::vector<Calibration> calibrations(bool quick) const override;
};

}  // namespace gamlp
