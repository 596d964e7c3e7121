// How p and q may travel: one of every kind.
#pragma once

#include <vector>

#include "host/config/exchange.hpp"

namespace gamlp::test {

struct Wire {
  const char* name;
  ExchangeConfig exchange;
};

inline CodecConfig codec(std::int64_t bits, Coding coding, Range range, Rounding rounding, bool feedback) {
  CodecConfig c;
  c.bits = bits, c.coding = coding, c.range = range, c.rounding = rounding, c.error_feedback = feedback;
  c.block = 32;
  return c;
}

inline std::vector<Wire> wires() {
  const auto both = [](const CodecConfig& c) { return ExchangeConfig{c, c, {}}; };
  const CodecConfig float32 = codec(32, Coding::value, Range::tensor, Rounding::nearest, false);
  const CodecConfig block2 = codec(2, Coding::difference, Range::block, Rounding::nearest, false);
  CodecConfig paper = codec(8, Coding::value, Range::fixed, Rounding::nearest, false);
  ExchangeConfig scheduled = both(codec(8, Coding::difference, Range::tensor, Rounding::nearest, false));
  scheduled.schedule = {{2, 4}, {4, 1}, {6, 16}};
  return {{"float32", both(float32)},
          {"8-bit values", both(codec(8, Coding::value, Range::tensor, Rounding::nearest, false))},
          {"4-bit differences", both(codec(4, Coding::difference, Range::tensor, Rounding::nearest, false))},
          {"2-bit block differences", both(block2)},
          {"4 bits stochastic", both(codec(4, Coding::value, Range::tensor, Rounding::stochastic, false))},
          {"4 bits with feedback", both(codec(4, Coding::value, Range::block, Rounding::nearest, true))},
          {"the paper's grid, p only", {paper, float32, {}}},
          {"schedule", scheduled}};
}

}  // namespace gamlp::test
