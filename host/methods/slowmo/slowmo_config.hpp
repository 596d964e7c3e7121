// The keys of config section `method` that SlowMo owns. configs/schema.json describes them, and a test holds the
// defaults of both together.
#pragma once

#include "host/methods/local/local_config.hpp"

namespace gamlp {

struct SlowMoOptions {
  double rate = 1.0;      // α
  double momentum = 0.5;  // β
};
struct SlowMoConfig : LocalMethodConfig {
  SlowMoOptions slowmo;
};

template <SectionOf<SlowMoOptions> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("rate", c.rate);
  visit("momentum", c.momentum);
}
template <SectionOf<SlowMoConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  base_fields<LocalMethodConfig>(c, visit);
  visit("slowmo", c.slowmo);
}

}  // namespace gamlp
