// Gradients in bfloat16: half the bytes of float32. Each worker rounds the gradient of its own nodes, and whoever
// serves a part of it the mean (CompressedMean). Where hosts have several workers each, these add up their gradients in
// float32 first, and what they have together is rounded.
#pragma once

#include "host/methods/backprop/gradient_exchange.hpp"
#include "host/methods/gradient/compressed_mean.hpp"

namespace gamlp {

class RoundedExchange final : public GradientExchange {
 public:
  static constexpr std::int64_t kUnit = CompressedMean::kUnit;  // where tensors of the row begin
  static constexpr CompressedMean::Coding kCoding{16, 2048, false};

  // `each`: so many workers add up their gradients in float32 first.
  RoundedExchange(const DeviceContext& context, const RankGroup& group, const LayerRow& row, int each)
      : context_(context), workers_(group.size()), mean_(context, group, row, kCoding, each) {}

  void enqueue_constants() override { mean_.enqueue_table(); }
  // What workers have are parts of a sum: their mean, times their number.
  void enqueue(Mat gradient, std::int64_t epoch) override {
    mean_.enqueue({}, 0.0f, gradient, static_cast<float>(workers_), epoch);
    context_.compute->enqueue(ops::ExpandRow{mean_.message(), gradient, mean_.blocks()});
  }

 private:
  DeviceContext context_;
  int workers_;
  CompressedMean mean_;
};

}  // namespace gamlp
