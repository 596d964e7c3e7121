// The config sections `model` and `stages`.
#pragma once

#include <cstdint>

#include "host/math/activation.hpp"

namespace gamlp {

struct ModelConfig {
  std::int64_t width = 100;
  Activation activation = Activation::relu;
  double leaky_slope = 0.01;
};

// A model may grow in stages. Each stage trains `layers` layers for `epochs` epochs. One stage trains without growth.
struct StageConfig {
  std::int64_t layers = 10;
  std::int64_t epochs = 200;
};

}  // namespace gamlp
