// The keys of config section `method` that DiLoCo owns. configs/schema.json describes them, and a test holds the
// defaults of both together.
#pragma once

#include "host/methods/local/local_config.hpp"

namespace gamlp {

struct DiLoCoOptions {
  double learning_rate = 0.7;  // of the outer step
  double momentum = 0.9;       // likewise, Nesterov's
  std::int64_t bits = 32;      // of a changed weight on its way: 1, 4, 8, or 32, which are not compressed
  std::int64_t block = 2048;   // values that share a scale, at most
  bool error_feedback = true;  // what compression loses is added to the next change
};
struct DiLoCoConfig : LocalMethodConfig {
  DiLoCoOptions diloco;
};

template <SectionOf<DiLoCoOptions> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("learning_rate", c.learning_rate);
  visit("momentum", c.momentum);
  visit("bits", c.bits);
  visit("block", c.block);
  visit("error_feedback", c.error_feedback);
}
template <SectionOf<DiLoCoConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  base_fields<LocalMethodConfig>(c, visit);
  visit("diloco", c.diloco);
}

}  // namespace gamlp
