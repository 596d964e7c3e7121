// Gradients as products of two thin matrices: PowerSGD (Vogels, Karimireddy, Jaggi, NeurIPS 2019). Of a layer with an
// m × n gradient all workers have the same n × r matrix Q, random at first. Worker i has the gradient G_i of its own
// nodes, and E_i, which it has yet to make good. A step of power iteration:
//   M_i = G_i + E_i,   P = Σ M_i Q with orthonormal columns,   Q ← Σ M_iᵀ P
//   gradient ≈ P Qᵀ,   E_i ← M_i − P Qᵀ/workers
// The E_i add up to what the workers together have yet to make good. Q goes on to the next step, which so begins where
// this one has ended. P and Q of all layers of a device travel in one reduction each, which over several hosts adds up
// within each host first. Biases, and layers with 2 r (m + n) ≥ m n, are added up exactly, beside P.
#pragma once

#include <memory>
#include <vector>

#include "host/device/collectives.hpp"
#include "host/methods/backprop/backprop_config.hpp"
#include "host/methods/backprop/gradient_exchange.hpp"
#include "host/methods/gradient/layer_row.hpp"

namespace gamlp {

class PowerSgdExchange final : public GradientExchange {
 public:
  static constexpr std::int64_t kUnit = 4;

  // `widths` as in StageSpec, `row` of the layers of `range`.
  PowerSgdExchange(const DeviceContext& context, const RankGroup& group, const std::vector<std::int64_t>& widths,
                   const LayerRange& range, const LayerRow& row, const PowerSgdConfig& config, std::uint64_t seed);

  void enqueue_reset() override;
  void enqueue(Mat gradient, std::int64_t epoch) override;
  Mat error() const override { return error_; }
  Mat basis(int layer) const override;

  // Whether the gradient of an m × n matrix is sent as a product.
  static bool compresses(std::int64_t m, std::int64_t n, std::int64_t rank) { return 2 * rank * (m + n) < m * n; }
  // What all of `workers` workers together send in a step, in bytes.
  static std::int64_t bytes_sent(const std::vector<std::int64_t>& widths, const LayerRange& range, std::int64_t rank,
                                 int workers);

 private:
  struct Matrices {
    int layer = 0;
    std::int64_t m = 0, n = 0;
    std::int64_t first = 0;  // of the gradient in the row
    Mat p, q;
  };
  // Values that are added up as they are: where they lie in the row of the gradient, and beside P.
  struct Plain {
    std::int64_t first = 0, values = 0, at = 0;
  };
  // Where everything lies in what is added up.
  struct Layout {
    std::vector<Matrices> matrices;  // without views
    std::vector<Plain> plain;
    std::vector<std::int64_t> p_first, q_first;
    std::int64_t p_values = 0, q_values = 0;  // P with what is plain, and Q
  };
  static Layout layout_of(const std::vector<std::int64_t>& widths, const LayerRange& range, const LayerRow& row,
                          std::int64_t rank);
  void enqueue(const Op& op) { context_.compute->enqueue(op); }
  // all ← the sum over the workers.
  void add_up(Reduction& reduction, Mat own, Mat all, std::int64_t epoch);

  DeviceContext context_;
  RankGroup group_;
  std::vector<Matrices> matrices_;
  std::vector<Plain> plain_;
  std::vector<float> first_q_;
  Buffer p_memory_, q_memory_, own_memory_, received_memory_, error_memory_;
  Mat p_, q_;  // the sums
  Mat own_;    // what this worker gives of them, one after the other
  Mat error_;
  std::unique_ptr<Reduction> p_sum_, q_sum_;
};

}  // namespace gamlp
