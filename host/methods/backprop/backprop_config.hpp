// The keys of config section `method` that backpropagation owns, beside those of all methods that follow gradients.
// configs/schema.json describes them, and a test holds the defaults of both together.
#pragma once

#include "host/methods/gradient/gradient_config.hpp"

namespace gamlp {

// What shards of the training nodes send each other of gradients. All but float32 depend on the number of shards, which
// are then workers. powersgd: products of thin matrices (powersgd_exchange.hpp). top_k: the largest values
// (top_k_exchange.hpp).
enum class GradientFormat { float32, bf16, powersgd, top_k };
template <>
inline constexpr std::array<EnumName<GradientFormat>, 4> enum_names<GradientFormat>{
    {{GradientFormat::float32, "float32"},
     {GradientFormat::bf16, "bf16"},
     {GradientFormat::powersgd, "powersgd"},
     {GradientFormat::top_k, "top_k"}}};

struct PowerSgdConfig {
  std::int64_t rank = 2;       // columns of the thin matrices
  std::int64_t warmup = 10;    // epochs of a stage in float32
  bool error_feedback = true;  // what a step loses is added to the next gradient
  bool operator==(const PowerSgdConfig&) const = default;
};
struct TopKConfig {
  double share = 0.01;         // of the values
  std::int64_t block = 4096;   // of how many neighbouring values the largest are chosen, at most
  std::int64_t warmup = 10;    // epochs of a stage in float32
  bool error_feedback = true;  // what is not sent is added to the next gradient
  bool operator==(const TopKConfig&) const = default;
};
struct BackpropConfig : GradientConfig {
  GradientFormat gradients = GradientFormat::float32;
  PowerSgdConfig powersgd;
  TopKConfig top_k;
};

// Epochs of a stage before gradients are compressed.
inline std::int64_t configured_warmup(const BackpropConfig& c) {
  if (c.gradients == GradientFormat::powersgd) return c.powersgd.warmup;
  return c.gradients == GradientFormat::top_k ? c.top_k.warmup : 0;
}

template <SectionOf<PowerSgdConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("rank", c.rank);
  visit("warmup", c.warmup);
  visit("error_feedback", c.error_feedback);
}
template <SectionOf<TopKConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("share", c.share);
  visit("block", c.block);
  visit("warmup", c.warmup);
  visit("error_feedback", c.error_feedback);
}

template <SectionOf<BackpropConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  base_fields<GradientConfig>(c, visit);
  visit("gradients", c.gradients);
  visit("powersgd", c.powersgd);
  visit("top_k", c.top_k);
}

}  // namespace gamlp
