#include "host/methods/gradient/layer_row.hpp"

namespace gamlp {

LayerRow::LayerRow(const std::vector<std::int64_t>& widths, const LayerRange& range, std::int64_t unit)
    : first_layer_(range.first) {
  for (int layer = range.first; layer <= range.last; ++layer) {
    const std::int64_t n = widths[static_cast<std::size_t>(layer) - 1], m = widths[static_cast<std::size_t>(layer)];
    outputs_.push_back(m);
    for (const std::int64_t values : {m * n, m}) {
      tensors_.push_back({size_, values, (values + unit - 1) / unit * unit});
      size_ += tensors_.back().padded;
    }
  }
}

Mat LayerRow::w_of(int layer, float* share) const {
  const std::int64_t m = outputs_[static_cast<std::size_t>(layer - first_layer_)];
  return {share, m, w(layer).values / m};
}

}  // namespace gamlp
