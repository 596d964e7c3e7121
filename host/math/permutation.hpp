// A permutation of 0 … count − 1 that is a function of a key: nobody has to store or send it.
#pragma once

#include "host/math/random.hpp"

namespace gamlp {

// A Feistel network permutes the numbers below the next power of 4. What falls outside is permuted again until it is
// below `count` (cycle walking: Black, Rogaway 2002), which takes less than four turns on average.
class Permutation {
 public:
  // count: 1 … 2^31.
  GAMLP_HD Permutation(std::uint32_t key, std::uint32_t count) : key_(key), count_(count) {
    while (half_ < 16 && (std::uint64_t{1} << (2 * half_)) < count) ++half_;
  }
  GAMLP_HD std::uint32_t operator()(std::uint32_t i) const {
    do {
      i = turned(i);
    } while (i >= count_);
    return i;
  }

 private:
  GAMLP_HD std::uint32_t turned(std::uint32_t i) const {
    const std::uint32_t mask = (1u << half_) - 1u;
    std::uint32_t left = i >> half_, right = i & mask;
    for (std::uint32_t round = 0; round < 4; ++round) {
      const std::uint32_t next = left ^ (random_u32(key_at(key_, round + 1u), right) & mask);
      left = right;
      right = next;
    }
    return left << half_ | right;
  }

  std::uint32_t key_, count_, half_ = 1;  // half_: bits of each half
};

}  // namespace gamlp
