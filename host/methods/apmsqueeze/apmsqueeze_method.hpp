// APMSqueeze as a method. apmsqueeze_program.hpp has the iteration.
#pragma once

#include "host/methods/apmsqueeze/apmsqueeze_config.hpp"
#include "host/methods/gradient/gradient_method.hpp"

namespace gamlp {

class ApmMethod final : public GradientMethod {
 public:
  ApmMethod(const std::string& name, const ApmConfig& config);

  std::vector<std::string> keys() const override { return keys_of<ApmConfig>(); }
  std::vector<std::string> changeable_keys() const override;
  std::vector<std::string> problems(const Config& config) const override;
  std::vector<std::string> warnings(const Config& config) const override;
  void resolve(MethodConfig& method, const ModelConfig& model, const ProblemShape& shape,
               std::string* why) const override;
  std::string text() const override;
  std::vector<std::pair<std::string, std::string>> summary() const override;
  nlohmann::ordered_json report() const override;

  bool shards_are_workers() const override { return true; }
  bool observes() const override { return squeeze_.settled.has_value(); }
  // Epochs of a stage of `epochs` epochs before the compression begins.
  std::int64_t warmup(std::int64_t epochs) const;
  std::vector<std::int64_t> message_changes(std::int64_t epochs) const override { return {0, warmup(epochs)}; }
  std::shared_ptr<const Method> frozen_at(std::int64_t epoch, std::int64_t epochs) const override;
  std::shared_ptr<const Method> uncompressed() const override;
  std::unique_ptr<StageProgram> create_program(const DeviceContext& context, const StageSpec& spec, int rank,
                                               DeviceInput* input) const override;
  // The errors of another number of workers become those of this one's: each gets their mean, so that what the workers
  // together have yet to make good stays the same.
  std::optional<FittedState> fitted_state(const TrainingState& state, const StageSpec& spec) const override;
  std::vector<Calibration> calibrations(bool quick) const override;

 private:
  SqueezeConfig squeeze_;
  std::optional<bool> compresses_;  // of frozen_at(): in all epochs, or in none
};

}  // namespace gamlp
