// Gradients of which each worker sends the largest values of every block alone, with their places, to all others
// (sparsified SGD with memory: Stich, Cordonnier, Jaggi, NeurIPS 2018). With error feedback what a worker does not send
// is added to its next gradient.
#pragma once

#include <vector>

#include "host/device/collectives.hpp"
#include "host/methods/backprop/backprop_config.hpp"
#include "host/methods/backprop/gradient_exchange.hpp"
#include "host/methods/gradient/layer_row.hpp"

namespace gamlp {

class TopKExchange final : public GradientExchange {
 public:
  static constexpr std::int64_t kUnit = 4;

  TopKExchange(const DeviceContext& context, const RankGroup& group, const LayerRow& row, const TopKConfig& config);

  void enqueue_constants() override;
  void enqueue_reset() override;
  void enqueue(Mat gradient, std::int64_t epoch) override;
  Mat error() const override { return error_; }

  // What each of `workers` workers sends in a step, in bytes.
  static std::int64_t bytes_sent(const LayerRow& row, const TopKConfig& config, int workers);

 private:
  DeviceContext context_;
  RankGroup group_;
  std::vector<std::int32_t> table_host_;
  Buffer table_memory_, messages_memory_, error_memory_;
  ops::ChosenBlocks blocks_;
  Bytes messages_;  // of each worker
  Mat error_;
  Round round_;
};

}  // namespace gamlp
