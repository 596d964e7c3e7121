// The keys of config section `method` that all methods have whose replicas train by steps of their own.
// configs/schema.json describes them, and a test holds the defaults of both together.
#pragma once

#include <optional>

#include "host/methods/gradient/gradient_config.hpp"
#include "host/methods/gradient/mini_batches.hpp"

namespace gamlp {

template <>
inline constexpr std::array<EnumName<Optimizer>, 5> enum_names<Optimizer>{{{Optimizer::gd, kOptimizerNames[0]},
                                                                           {Optimizer::nesterov, kOptimizerNames[1]},
                                                                           {Optimizer::adadelta, kOptimizerNames[2]},
                                                                           {Optimizer::adagrad, kOptimizerNames[3]},
                                                                           {Optimizer::adam, kOptimizerNames[4]}}};
template <>
inline constexpr std::array<EnumName<ReplicaData>, 3> enum_names<ReplicaData>{
    {{ReplicaData::replicated, "replicated"}, {ReplicaData::reshuffled, "reshuffled"}, {ReplicaData::fixed, "fixed"}}};

struct LocalConfig {
  std::optional<Optimizer> optimizer;  // of each replica's steps; null: nesterov, for diloco adam
  std::optional<std::int64_t> tau;     // steps between two exchanges; null: by the method
  ReplicaData data = ReplicaData::replicated;
};
// GradientConfig with it.
struct LocalMethodConfig : GradientConfig {
  LocalConfig local;
};

template <SectionOf<LocalConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("optimizer", c.optimizer);
  visit("tau", c.tau);
  visit("data", c.data);
}
template <SectionOf<LocalMethodConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  base_fields<GradientConfig>(c, visit);
  visit("local", c.local);
}

}  // namespace gamlp
