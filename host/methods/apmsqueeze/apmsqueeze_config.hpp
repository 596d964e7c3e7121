// The keys of config section `method` that APMSqueeze owns, beside those of all methods that follow gradients.
// configs/schema.json describes them, and a test holds the defaults of both together.
#pragma once

#include <cstdint>
#include <optional>

#include "host/methods/gradient/gradient_config.hpp"

namespace gamlp {

// How momentum is compressed, and what keeps its steps in bounds.
struct SqueezeConfig {
  std::int64_t bits = 1;               // of a value: 1 or 8; 32: not compressed, to compare with
  std::int64_t block = 2048;           // values with one scale, at most: 128 … 4096, a power of two
  std::optional<std::int64_t> warmup;  // epochs of a stage before the compression; null: by warmup_share
  double warmup_share = 0.15;          // of a stage's epochs
  // The warm-up ends before, two epochs after the mean of √v has become this share of what it was 10 epochs earlier, or
  // less far from it. null: it does not.
  std::optional<double> settled;
  // So many neighbouring workers add up their gradients in float32 before what they have together is compressed. null:
  // those of a host, where hosts have as many each.
  std::optional<std::int64_t> group;
  double clip = 0.3;           // how far a step moves a weight at most, in learning rates; 0: any distance
  double floor = 0.0;          // least √v of a tensor after the warm-up, as a share of its mean; 0: none
  bool error_feedback = true;  // what compression loses is added to what is compressed next
};
struct ApmConfig : GradientConfig {
  SqueezeConfig squeeze;
};

template <SectionOf<SqueezeConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("bits", c.bits);
  visit("block", c.block);
  visit("warmup", c.warmup);
  visit("warmup_share", c.warmup_share);
  visit("settled", c.settled);
  visit("group", c.group);
  visit("clip", c.clip);
  visit("floor", c.floor);
  visit("error_feedback", c.error_feedback);
}
template <SectionOf<ApmConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  base_fields<GradientConfig>(c, visit);
  visit("squeeze", c.squeeze);
}

}  // namespace gamlp
