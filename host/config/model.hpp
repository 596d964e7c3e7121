// The config sections `model` and `stages`.
#pragma once

#include <cstdint>
#include <optional>

#include "host/config/method.hpp"
#include "host/math/activation.hpp"

namespace gamlp {

struct ModelConfig {
  std::int64_t width = 100;
  Activation activation = Activation::relu;
  double leaky_slope = 0.01;
};

// The weights of the stage before that a stage starts from: those that validated best, or those of its last epoch.
enum class StageStart { best, last };

// A model may grow in stages. Each stage trains `layers` layers for `epochs` epochs. One stage trains without growth.
struct StageConfig {
  std::int64_t layers = 10;
  std::int64_t epochs = 200;
  StageStart start = StageStart::best;
  std::optional<MethodConfig> method = std::nullopt;  // whole: it replaces the config's; empty: the config's
};

}  // namespace gamlp
