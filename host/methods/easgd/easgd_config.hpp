// The keys of config section `method` that EASGD owns. configs/schema.json describes them, and a test holds the
// defaults of both together.
#pragma once

#include "host/methods/local/local_config.hpp"

namespace gamlp {

struct EasgdOptions {
  double beta = 0.43;  // how far the centre moves toward the mean of the replicas
};
struct EasgdConfig : LocalMethodConfig {
  EasgdOptions easgd;
};

template <SectionOf<EasgdOptions> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("beta", c.beta);
}
template <SectionOf<EasgdConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  base_fields<LocalMethodConfig>(c, visit);
  visit("easgd", c.easgd);
}

}  // namespace gamlp
