// Leader SGD as a method. lsgd_program.hpp has the iteration.
#pragma once

#include "host/methods/local/local_method.hpp"
#include "host/methods/lsgd/lsgd_config.hpp"

namespace gamlp {

class LsgdMethod final : public LocalMethod {
 public:
  static constexpr std::int64_t kTau = 16;

  LsgdMethod(const std::string& name, const LsgdConfig& config);

  std::vector<std::string> keys() const override { return keys_of<LsgdConfig>(); }
  std::vector<std::string> problems(const Config& config) const override;
  TrainingFigures figures(const StageSpec& spec, const std::vector<double>& scalars, std::int64_t epoch) const override;
  // Where there are groups that the run did not have before, each replica takes the leader of all for that of its
  // group.
  std::optional<FittedState> fitted_state(const TrainingState& state, const StageSpec& spec) const override;
  std::unique_ptr<StageProgram> create_program(const DeviceContext& context, const StageSpec& spec, int rank,
                                               DeviceInput* input) const override;

 private:
  void write_own(MethodConfig& method) const override { method.options.json()["lsgd"] = json_of(lsgd_.lsgd); }
  std::string exchange_text() const override { return "the weights of the leader"; }
  std::int64_t period_steps(const StageSpec& spec) const override;

  LsgdConfig lsgd_;
};

}  // namespace gamlp
