// A hash of values, to tell whether two devices have the same bits. It is a sum over the values, so that it depends
// neither on their order nor on how they are dealt to devices or threads.
#pragma once

#include <bit>
#include <cstdint>

#include "host/math/random.hpp"

namespace gamlp {

// The halves of a hash, which are added up apart.
struct HashTerm {
  std::uint32_t low, high;
};

// What value number `place` of the tensor `key` adds. Another value, or another place, adds something else.
GAMLP_HD inline HashTerm hash_term(float value, std::uint32_t place, std::uint32_t key) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return {random_u32(key_at(key, bits), place), random_u32(key_at(~key, place), bits)};
}

// The hash of several tensors, from those of each.
inline std::uint64_t added_hash(std::uint64_t a, std::uint64_t b) {
  const std::uint64_t low = (a + b) & 0xFFFFFFFFu, high = ((a >> 32) + (b >> 32)) & 0xFFFFFFFFu;
  return high << 32 | low;
}

}  // namespace gamlp
