// Config section `method`. A method's own keys stand beside the ones that all methods share; their types are the
// method's (host/methods/admm/admm_config.hpp, for instance).
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace gamlp {

enum class GrowthHead { keep, restart };
enum class Init { identity, normal, pytorch };

// The section's keys that are not in MethodConfig, as JSON: an object, in which keys with their defaults may be
// missing. options_of() and set_options() (options.hpp) turn it into a method's type and back.
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
  std::unique_ptr<nlohmann::json> json_;  // never null, but where it was moved from
};

struct MethodConfig {
  std::string name = "pdadmm-g";   // of a method in host/methods/registry.cpp
  double init_scale_first = 0.01;  // standard deviation of W_1; not with init "pytorch"
  // The other layers: (rectangular) identities; N(0, 0.1²) with such biases, as in the paper; or all layers as
  // PyTorch's Linear starts, uniform in ±1/sqrt(inputs).
  Init init = Init::identity;
  GrowthHead growth_head = GrowthHead::keep;
  MethodOptions options;
};

}  // namespace gamlp
