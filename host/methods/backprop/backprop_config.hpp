// The keys of config section `method` that backpropagation owns, beside those of all methods that follow gradients.
// configs/schema.json describes them, and a test holds the defaults of both together.
#pragma once

#include <type_traits>

#include "host/methods/gradient/gradient_config.hpp"

namespace gamlp {

// What shards of the training nodes send each other of gradients. bf16: their sum is that of rounded parts, so it
// depends on the number of shards.
enum class GradientFormat { float32, bf16 };
template <>
inline constexpr std::array<EnumName<GradientFormat>, 2> enum_names<GradientFormat>{
    {{GradientFormat::float32, "float32"}, {GradientFormat::bf16, "bf16"}}};

struct BackpropConfig : GradientConfig {
  GradientFormat gradients = GradientFormat::float32;
};

template <SectionOf<BackpropConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  using Base = std::conditional_t<std::is_const_v<T>, const GradientConfig, GradientConfig>;
  fields(static_cast<Base&>(c), visit);
  visit("gradients", c.gradients);
}

}  // namespace gamlp
