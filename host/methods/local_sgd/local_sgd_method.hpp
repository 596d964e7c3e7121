// Local SGD as a method. local_sgd_program.hpp has the exchange.
#pragma once

#include "host/methods/local/local_method.hpp"

namespace gamlp {

class LocalSgdMethod final : public LocalMethod {
 public:
  static constexpr std::int64_t kTau = 16;

  LocalSgdMethod(const std::string& name, const LocalMethodConfig& config);

  std::vector<std::string> keys() const override { return keys_of<LocalMethodConfig>(); }
  std::unique_ptr<StageProgram> create_program(const DeviceContext& context, const StageSpec& spec, int rank,
                                               DeviceInput* input) const override;

 private:
  std::string exchange_text() const override { return "the mean of weights"; }
};

}  // namespace gamlp
