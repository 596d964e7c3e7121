// Backpropagation with one of PyTorch's optimisers, as a method. Gradients are added up over all shards:
// exactly (GradientProgram), or rounded to bfloat16 (rounded_program.hpp).
#pragma once

#include "host/methods/backprop/backprop_config.hpp"
#include "host/methods/gradient/gradient_method.hpp"

namespace gamlp {

class BackpropMethod final : public GradientMethod {
 public:
  BackpropMethod(std::string name, Optimizer optimizer, const BackpropConfig& config)
      : GradientMethod(std::move(name), optimizer, config), gradients_(config.gradients) {}

  std::vector<std::string> keys() const override { return keys_of<BackpropConfig>(); }
  void resolve(MethodConfig& method, const ModelConfig& model, const ProblemShape& shape,
               std::string* why) const override;
  std::string text() const override;
  bool shards_are_workers() const override { return gradients_ == GradientFormat::bf16; }
  std::shared_ptr<const Method> frozen_at(std::int64_t, std::int64_t) const override {
    return std::make_shared<BackpropMethod>(*this);
  }
  std::shared_ptr<const Method> uncompressed() const override;
  std::unique_ptr<StageProgram> create_program(const DeviceContext& context, const StageSpec& spec, int rank,
                                               DeviceInput* input) const override;
  std::vector<Calibration> calibrations(bool quick) const override;

 private:
  GradientFormat gradients_;
};

}  // namespace gamlp
