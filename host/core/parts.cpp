#include "host/core/parts.hpp"

#include <algorithm>

namespace gamlp {

std::vector<RowTensor> row_blocks(std::span<const RowTensor> tensors, std::int64_t block) {
  std::vector<RowTensor> blocks;
  for (const RowTensor& tensor : tensors) {
    for (std::int64_t at = 0; at < tensor.padded; at += block) {
      const std::int64_t padded = std::min(block, tensor.padded - at);
      blocks.push_back({tensor.first + at, std::clamp<std::int64_t>(tensor.values - at, 0, padded), padded});
    }
  }
  return blocks;
}

Parts::Parts(std::span<const std::int64_t> sizes) {
  for (const std::int64_t size : sizes) {
    expects(size >= 0, "a part has no negative size");
    ends_.push_back(ends_.back() + size);
  }
}

Parts Parts::even(std::int64_t total, int count, std::int64_t unit) {
  const std::int64_t units = (total + unit - 1) / unit;
  Parts parts;
  for (int i = 1; i <= count; ++i) parts.ends_.push_back(std::min(total, units * i / count * unit));
  return parts;
}

Parts Parts::times(std::int64_t items) const {
  Parts scaled = *this;
  for (std::int64_t& end : scaled.ends_) end *= items;
  return scaled;
}

}  // namespace gamlp
