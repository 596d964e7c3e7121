// SlowMo (Wang, Tantia, Ballas, Rabbat, ICLR 2020) as a method: local SGD whose means take a step with slow momentum.
// host/methods/local/outer_program.hpp has the exchange, host/math/replicas.hpp the formula.
#pragma once

#include "host/methods/local/local_method.hpp"
#include "host/methods/slowmo/slowmo_config.hpp"

namespace gamlp {

class SlowMoMethod final : public LocalMethod {
 public:
  static constexpr std::int64_t kTau = 48;

  SlowMoMethod(const std::string& name, const SlowMoConfig& config);

  std::vector<std::string> keys() const override { return keys_of<SlowMoConfig>(); }
  std::unique_ptr<StageProgram> create_program(const DeviceContext& context, const StageSpec& spec, int rank,
                                               DeviceInput* input) const override;

 private:
  void write_own(MethodConfig& method) const override { method.options.json()["slowmo"] = json_of(slowmo_.slowmo); }
  std::string exchange_text() const override { return "the mean of weights, with slow momentum"; }
  std::vector<std::string> common_tensors() const override;

  SlowMoConfig slowmo_;
};

}  // namespace gamlp
