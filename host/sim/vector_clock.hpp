// A vector clock: which points of which streams are known to have passed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace gamlp::sim {

// It has one counter per stream. A stream that it does not hold counts 0.
class VectorClock {
 public:
  std::uint32_t at(std::size_t stream) const { return stream < counts_.size() ? counts_[stream] : 0; }
  std::uint32_t tick(std::size_t stream) {
    if (counts_.size() <= stream) counts_.resize(stream + 1);
    return ++counts_[stream];
  }
  void join(const VectorClock& other) {
    if (counts_.size() < other.counts_.size()) counts_.resize(other.counts_.size());
    for (std::size_t i = 0; i < other.counts_.size(); ++i) counts_[i] = std::max(counts_[i], other.counts_[i]);
  }

 private:
  std::vector<std::uint32_t> counts_;
};

}  // namespace gamlp::sim
