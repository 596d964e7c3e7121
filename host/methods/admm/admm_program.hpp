// The ADMM iteration (pdADMM-G, pdADMM-G-Q) as a program over the seam (host/device/device.hpp). Neighbouring devices
// exchange p and q (docs/algorithm.md §7).
//
// A device that owns the layers first … last enqueues in iteration k, on its streams `compute` and `exchange`:
//   compute   p of layers last … first | W, b of all layers | z, q, u of layers last … first
//   exchange  [p group: send p_first left, receive p_{last+1}]   [q group: send q_last right, receive q_{first−1}]
// The p group runs beside the W steps. The q group runs beside the rest of the z steps and the next p steps. Messages
// are double-buffered by the parity of k.
//
// A device has all training nodes or a shard of them. Shards keep their rows of p, z, q, u and have W and b in common.
// Every op that sums over nodes, and every product that has a row per node, runs block by block (node_blocks.hpp), and
// so does quantisation: a block of a tensor is a message of its own, with a range of its own. So results do not depend
// on the placement. Devices of the same layers add up
//   the products of the W step           a Reduction per layer, behind the products of the next layers
//   the step sizes, and the means of r   in double, likewise (gradient)
//   the sums for the next τ              in double, of all layers at once, behind the W steps (gradient, quantised p)
//   what only the objective needs        in double, of all layers at once, at the end of an iteration
// In the exact update they deal the layers out among themselves: the owner of a layer factors its two systems, and
// gives the others W and b, and what solves for p.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "host/config/exchange.hpp"
#include "host/methods/admm/admm_input.hpp"
#include "host/methods/common/stage_program.hpp"

namespace gamlp {

class AdmmProgram final : public StageProgram {
 public:
  // Allocates this device's share. No other call allocates. `admm` is resolved. Only the devices of layer 1 have an
  // `input`.
  AdmmProgram(const DeviceContext& context, const StageSpec& spec, int rank, AdmmInput* input, const AdmmConfig& admm,
              const ExchangeConfig& exchange);
  ~AdmmProgram() override;

  // Computes z, q and p by a forward pass, and sets u = v = 0. The float32 activations that cross are the keyframe.
  void enqueue_start() override;
  void enqueue_iteration(std::int64_t epoch, bool metrics) override;
  void enqueue_weights(Network& network) override;

 private:
  struct Layer;
  struct Boundary;
  struct Products;

  WeightViews weights_of(int layer) const override;
  std::vector<Entry> entries() const override;
  std::vector<Entry> neighbour_entries() const override;
  void restored(const TrainingState&) override { q_pending_ = false; }
  bool saves_scalars() const override { return true; }  // τ of p lags by an iteration

  Layer& layer(int index) const { return *layers_[static_cast<std::size_t>(index - range_.first)]; }
  bool sharded() const { return group_.size() > 1; }
  // Layers take turns in what several need one after the other.
  template <class T>
  const T& turn(const Layer& l, const std::vector<T>& of) const;
  Mat workspace(const Layer& l, int which, std::int64_t cols) const;
  template <class Take>
  static void for_products(const Layer& l, bool exact, Take take);
  static std::int64_t products_row(const Layer& l, bool exact);  // floats
  static Products products_in(const Layer& l, bool exact, float* row);
  Mat partials(const Layer& l) const;      // rows for sums over blocks
  Products partial(const Layer& l) const;  // in the first of them
  Products summed(const Layer& l) const;   // over all nodes
  Mat summed_row(const Layer& l) const;
  // A scalar of layer l that is a sum over nodes, from kLinear2 on: where a block puts its own.
  MatView<double> sum_of(const Layer& l, int block, int which, int count = 1) const;

  // Where a message has what each block sends.
  Parts message_parts(const WireFormat& format, std::int64_t width) const;
  Bytes message_of(const Buffer& buffer, const WireFormat& format, std::int64_t width) const;
  Bytes block_message(const Buffer& buffer, const WireFormat& format, std::int64_t width, int block) const;
  // `message` is null where no other device wants the tensor.
  Quantize quantize(const CodecConfig& codec, const WireFormat& format, const Layer& l, bool is_p, int block,
                    const Buffer* message) const;
  WireFormat format_of(const CodecConfig& codec, std::int64_t epoch) const;

  // admm_memory.cpp
  void allocate_all();
  void allocate_variables(Layer& l);
  void allocate_codecs(Layer& l);
  void allocate_sums(Layer& l);
  void allocate_boundaries();
  void allocate_workspace();
  void allocate_reductions();

  void label(const char* step, const Layer& l, std::int64_t epoch);
  void start(const Rows& rows);
  void receive_q(std::int64_t epoch);
  void exchange_p(std::int64_t epoch);
  void exchange_q(std::int64_t epoch);
  void send_float32(const Layer& l, const WireFormat& format, const Buffer* message);
  void p_steps(std::int64_t epoch);
  int exact_lag() const;
  void w_steps(std::int64_t epoch);
  void zq_step(Layer& l, std::int64_t epoch, bool metrics);
  void start_tau(std::int64_t epoch);
  void finish_tau(std::int64_t epoch);
  void sum_up(std::int64_t epoch);

  // gradient_steps.cpp
  void gradient_p(Layer& l, std::int64_t epoch, const Buffer* message);
  void sum_gradient(Layer& l, std::int64_t epoch, Mat g, Mat image, bool sampled);
  void gradient_p_end(Layer& l, std::int64_t epoch, const Buffer* message);
  void update_tau(const Layer& l, double floor);
  void lower_tau(const Layer& l);
  void gradient_products(Layer& l, std::int64_t epoch);
  void gradient_image(Layer& l, std::int64_t epoch);
  void gradient_w(Layer& l, std::int64_t epoch);
  void gradient_b(Layer& l);
  void gradient_zq(Layer& l, std::int64_t epoch, const Buffer* message);
  // exact_steps.cpp
  void exact_operators(int index, std::int64_t epoch);
  Products operators_of(const Layer& l) const;
  void share_weights(Layer& l);
  void share_operators(Layer& l);
  void exact_p(Layer& l, std::int64_t epoch, const Buffer* message);
  void exact_products(Layer& l, std::int64_t epoch);
  void exact_w(Layer& l);
  void exact_w_narrow(Layer& l, const Products& sums);  // its form for fewer nodes than inputs
  void exact_product(Layer& l, const Rows& rows);       // W p; its zq step must follow at once
  void exact_zq(Layer& l, std::int64_t epoch, const Buffer* message, bool with_product);

  AdmmConfig admm_;  // resolved
  ExchangeConfig exchange_;
  AdmmInput* admm_input_;
  bool exact_;
  float nu_, rho_, nu2_;

  std::vector<std::unique_ptr<Layer>> layers_;
  std::unique_ptr<Boundary> left_, right_;
  std::vector<std::array<Buffer, 3>> workspace_;
  // Rows of Products. Without shards only partials_; summed_ is the gradient update's, operators_ the exact one's.
  std::vector<Buffer> partials_, summed_, received_, operators_;
  std::array<std::unique_ptr<Event>, 2> p_ready_, p_exchanged_, q_ready_, q_exchanged_;
  std::unique_ptr<Round> tau_round_, sums_round_;
  bool q_pending_ = false;  // a q message of the last iteration has not been applied yet
};

}  // namespace gamlp
