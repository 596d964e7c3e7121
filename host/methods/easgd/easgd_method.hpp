// EASGD as a method. easgd_program.hpp has the exchange.
#pragma once

#include "host/methods/easgd/easgd_config.hpp"
#include "host/methods/local/local_method.hpp"

namespace gamlp {

class EasgdMethod final : public LocalMethod {
 public:
  static constexpr std::int64_t kTau = 16;

  EasgdMethod(const std::string& name, const EasgdConfig& config);

  std::vector<std::string> keys() const override { return keys_of<EasgdConfig>(); }
  std::unique_ptr<StageProgram> create_program(const DeviceContext& context, const StageSpec& spec, int rank,
                                               DeviceInput* input) const override;

 private:
  void write_own(MethodConfig& method) const override { method.options.json()["easgd"] = json_of(easgd_.easgd); }
  std::string exchange_text() const override { return "weights with an elastic centre"; }
  std::vector<std::string> common_tensors() const override { return {"centre"}; }

  EasgdConfig easgd_;
};

}  // namespace gamlp
