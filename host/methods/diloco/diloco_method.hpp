// DiLoCo (Douillard et al., arXiv 2311.08105) as a method: many steps of Adam in each replica, then a step of
// Nesterov's momentum along the mean of what they have changed. The changes may be compressed, with error feedback:
// that is gamlp's. host/methods/local/outer_program.hpp has the exchange, host/math/replicas.hpp the formula.
#pragma once

#include "host/methods/diloco/diloco_config.hpp"
#include "host/methods/local/local_method.hpp"

namespace gamlp {

class DiLoCoMethod final : public LocalMethod {
 public:
  static constexpr std::int64_t kTau = 50;

  DiLoCoMethod(const std::string& name, const DiLoCoConfig& config);

  std::vector<std::string> keys() const override { return keys_of<DiLoCoConfig>(); }
  std::vector<std::string> problems(const Config& config) const override;
  nlohmann::ordered_json report() const override;
  std::shared_ptr<const Method> uncompressed() const override;
  std::unique_ptr<StageProgram> create_program(const DeviceContext& context, const StageSpec& spec, int rank,
                                               DeviceInput* input) const override;
  std::optional<FittedState> fitted_state(const TrainingState& state, const StageSpec& spec) const override;

 private:
  void write_own(MethodConfig& method) const override { method.options.json()["diloco"] = json_of(diloco_.diloco); }
  std::string exchange_text() const override;
  std::vector<std::string> common_tensors() const override;
  // How many replicas make their mean in float32 before it is compressed: those of a host.
  int each(const StageSpec& spec) const { return diloco_.diloco.bits < 32 ? spec.replicas_per_host() : 1; }

  DiLoCoConfig diloco_;
};

}  // namespace gamlp
