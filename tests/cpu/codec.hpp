// A tensor that one side quantises and the other receives, round after round.
#pragma once

#include <cstring>
#include <vector>

#include "host/cpu/cpu_ops.hpp"
#include "host/device/ops.hpp"

namespace gamlp::test {

inline WireFormat wire(int bits, Coding coding, Range range, std::int64_t block = 64) {
  WireFormat format;
  format.bits = bits, format.coding = coding, format.range = range, format.block = block;
  if (range == Range::fixed) {
    format.grid_min = -3.0f, format.grid_max = 3.0f, format.grid_levels = static_cast<std::int32_t>(1 << bits);
  }
  return format;
}

// What a quantising op needs besides its tensors.
struct Codec {
  explicit Codec(const WireFormat& f, std::int64_t values, Rounding rounding = Rounding::nearest, bool feedback = false)
      : message(static_cast<std::size_t>(f.message_bytes(values))),
        scales(static_cast<std::size_t>(f.scale_floats(values))),
        errors(feedback ? static_cast<std::size_t>(values) : 0u) {
    quantize.format = f;
    quantize.rounding = rounding;
    quantize.message = {message.data(), 1, static_cast<std::int64_t>(message.size())};
    quantize.scales = {scales.data(), 1, static_cast<std::int64_t>(scales.size())};
    if (feedback) quantize.feedback = {errors.data(), 1, values};
    quantize.key = 77;
    quantize.iteration = {&iteration, 1, 1};
  }
  Codec(const Codec&) = delete;
  Codec& operator=(const Codec&) = delete;

  std::vector<std::byte> message;
  std::vector<float> scales, errors;
  std::uint32_t iteration = 0;
  Quantize quantize;
};

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

}  // namespace gamlp::test
