// Finds the class that a row of scores chooses: the class with the largest score, and of several the first. NaN is
// never chosen over a number.
#pragma once

#include <cstdint>

#include "host/math/annotations.hpp"

namespace gamlp {

struct BestClass {
  float score;
  std::int64_t index;

  // Whether `other` has the higher score, or the same score at an earlier place.
  GAMLP_HD bool loses_to(const BestClass& other) const {
    if (score != score) return other.score == other.score || other.index < index;
    return other.score > score || (other.score == score && other.index < index);
  }
};

// Returns the best of the places first, first + stride, … below n. Where there are none, returns place n and NaN.
GAMLP_HD inline BestClass best_class(const float* scores, std::int64_t n, std::int64_t first = 0,
                                     std::int64_t stride = 1) {
  BestClass best{first < n ? scores[first] : __builtin_nanf(""), first < n ? first : n};
  for (std::int64_t i = first + stride; i < n; i += stride) {
    const BestClass other{scores[i], i};
    if (best.loses_to(other)) best = other;
  }
  return best;
}

}  // namespace gamlp
