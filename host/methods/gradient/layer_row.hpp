// Where the tensors of a device's layers lie in one row of float32 values: W of its first layer, b of it, W of the next
// layer … So a single op, or a single message, takes all of them.
#pragma once

#include <cstdint>
#include <vector>

#include "host/core/matrix.hpp"
#include "host/core/parts.hpp"
#include "host/methods/common/partition.hpp"

namespace gamlp {

class LayerRow {
 public:
  // `widths` as in StageSpec. Every tensor begins at a multiple of `unit` values.
  LayerRow(const std::vector<std::int64_t>& widths, const LayerRange& range, std::int64_t unit);

  std::int64_t size() const { return size_; }
  const std::vector<RowTensor>& tensors() const { return tensors_; }  // W and b of each layer
  // The share of a layer (1-based): where it begins, and how long it is.
  std::int64_t first(int layer) const { return w(layer).first; }
  std::int64_t size(int layer) const { return w(layer).padded + b(layer).padded; }
  // W and b of a layer. `share`: where the layer's share of a row begins.
  Mat w_of(int layer, float* share) const;
  Mat b_of(int layer, float* share) const { return {share + w(layer).padded, 1, b(layer).values}; }

 private:
  const RowTensor& w(int layer) const { return tensors_[2 * static_cast<std::size_t>(layer - first_layer_)]; }
  const RowTensor& b(int layer) const { return tensors_[2 * static_cast<std::size_t>(layer - first_layer_) + 1]; }

  int first_layer_;
  std::vector<std::int64_t> outputs_;  // by layer
  std::vector<RowTensor> tensors_;
  std::int64_t size_ = 0;
};

}  // namespace gamlp
