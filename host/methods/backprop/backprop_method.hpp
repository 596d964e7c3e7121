// Backpropagation with one of PyTorch's optimisers, as a method. Gradients are added up over all shards: exactly
// (GradientProgram), or with fewer bytes (exchanged_program.hpp).
#pragma once

#include "host/methods/backprop/backprop_config.hpp"
#include "host/methods/gradient/gradient_method.hpp"

namespace gamlp {

class BackpropMethod final : public GradientMethod {
 public:
  BackpropMethod(std::string name, Optimizer optimizer, const BackpropConfig& config)
      : GradientMethod(std::move(name), optimizer, config), exchange_(config) {}

  std::vector<std::string> keys() const override { return keys_of<BackpropConfig>(); }
  std::vector<std::string> problems(const Config& config) const override;
  std::vector<std::string> warnings(const Config& config) const override;
  void resolve(MethodConfig& method, const ModelConfig& model, const ProblemShape& shape,
               std::string* why) const override;
  std::string text() const override;
  std::vector<std::pair<std::string, std::string>> summary() const override;
  nlohmann::ordered_json report() const override;

  bool shards_are_workers() const override { return exchange_.gradients != GradientFormat::float32; }
  std::vector<std::int64_t> message_changes(std::int64_t epochs) const override;
  std::shared_ptr<const Method> frozen_at(std::int64_t epoch, std::int64_t epochs) const override;
  std::shared_ptr<const Method> uncompressed() const override;
  std::unique_ptr<StageProgram> create_program(const DeviceContext& context, const StageSpec& spec, int rank,
                                               DeviceInput* input) const override;
  // The errors of another number of workers: each of this one's gets its share of their sum.
  std::optional<FittedState> fitted_state(const TrainingState& state, const StageSpec& spec) const override;
  std::vector<Calibration> calibrations(bool quick) const override;

 private:
  BackpropConfig with_base(const GradientConfig& base) const;
  std::int64_t warmup() const;  // epochs of a stage before gradients are compressed

  BackpropConfig exchange_;         // what shards send each other, without the base part
  std::optional<bool> compresses_;  // of frozen_at(): in all epochs, or in none
};

}  // namespace gamlp
