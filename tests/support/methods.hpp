// The keys of section `method` that a method owns, in a config.
#pragma once

#include "host/config/config.hpp"
#include "host/methods/admm/admm_config.hpp"
#include "host/methods/backprop/backprop_config.hpp"

namespace gamlp::test {

inline AdmmConfig admm_of(const Config& config) { return options_of<AdmmConfig>(config.method); }
inline BackpropConfig backprop_of(const Config& config) { return options_of<BackpropConfig>(config.method); }

// change(AdmmConfig&)
template <class Change>
void change_admm(Config& config, Change change) {
  AdmmConfig admm = admm_of(config);
  change(admm);
  set_options(config.method, admm);
}

}  // namespace gamlp::test
