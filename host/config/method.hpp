// The config section `method`. It holds the keys that all methods share, and beside them a method's own keys, whose
// types the method defines (host/methods/admm/admm_config.hpp, for instance).
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace gamlp {

enum class GrowthHead { keep, restart };
enum class Init { identity, normal, pytorch };

// The section's keys that are not in MethodConfig, as a JSON object. Keys with their default values may be missing.
// options_of() and set_options() (options.hpp) turn the object into a method's type and back.
class MethodOptions {
 public:
  MethodOptions();
  MethodOptions(const MethodOptions& other);
  MethodOptions(MethodOptions&& other) noexcept;
  MethodOptions& operator=(MethodOptions other) noexcept;
  ~MethodOptions();

  const nlohmann::json& json() const { return *json_; }
  nlohmann::json& json() { return *json_; }

 private:
  std::unique_ptr<nlohmann::json> json_;  // null only after a move from it
};

struct MethodConfig {
  std::string name = "pdadmm-g";   // a method of host/methods/registry.cpp
  double init_scale_first = 0.01;  // standard deviation of W_1; not with init "pytorch"
  // How the other layers start. identity: as (rectangular) identities. normal: as N(0, 0.1²), also the biases, as in
  // the paper. pytorch: all layers as PyTorch's Linear starts, uniform in ±1/sqrt(inputs).
  Init init = Init::identity;
  GrowthHead growth_head = GrowthHead::keep;
  MethodOptions options;
};

}  // namespace gamlp
