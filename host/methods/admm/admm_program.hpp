// The ADMM iteration (pdADMM-G, pdADMM-G-Q) as a program over the seam (host/device/device.hpp). Neighbouring devices
// exchange p and q (docs/algorithm.md §7).
//
// A device that owns the layers first … last enqueues in iteration k, on its streams `compute` and `exchange`:
//   compute   p of layers last … first | W, b of all layers | z, q, u of layers last … first
//   exchange  [p group: send p_first left, receive p_{last+1}]   [q group: send q_last right, receive q_{first−1}]
// The p group runs beside the W steps. The q group runs beside the rest of the z steps and the next p steps. Messages
// are double-buffered by the parity of k.
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
  // Allocates this device's share. No other call allocates. `admm` is resolved. Only the first device has an `input`.
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

  WeightViews weights_of(int layer) const override;
  std::vector<Entry> entries() const override;
  std::vector<Entry> neighbour_entries() const override;
  void restored() override { q_pending_ = false; }
  bool saves_scalars() const override { return true; }  // τ of p lags by an iteration

  Layer& layer(int index) const { return *layers_[static_cast<std::size_t>(index - range_.first)]; }
  Mat workspace(const Layer& l, int which, std::int64_t rows, std::int64_t cols) const;
  Quantize quantize(const CodecConfig& codec, const WireFormat& format, Layer& l, bool is_p, Bytes message) const;
  WireFormat format_of(const CodecConfig& codec, std::int64_t epoch) const;

  // admm_memory.cpp
  void allocate_all();
  void allocate_variables(Layer& l);
  void allocate_codecs(Layer& l);
  void allocate_boundaries();
  void allocate_workspace();

  void label(const char* step, const Layer& l, std::int64_t epoch);
  void receive_q(std::int64_t epoch);
  void exchange_p(std::int64_t epoch);
  void exchange_q(std::int64_t epoch);

  // gradient_steps.cpp
  void gradient_p(Layer& l, std::int64_t epoch, Bytes message);
  void gradient_w(Layer& l);
  void gradient_zq(Layer& l, std::int64_t epoch, Bytes message);
  // exact_steps.cpp
  void exact_p(Layer& l, std::int64_t epoch, Bytes message);
  void exact_w(Layer& l);
  void exact_w_kernel(Layer& l);  // its form for fewer nodes than inputs
  void exact_product(Layer& l);   // W p; its zq step must follow at once
  void exact_zq(Layer& l, std::int64_t epoch, Bytes message);

  AdmmConfig admm_;  // resolved
  ExchangeConfig exchange_;
  AdmmInput* admm_input_;
  bool exact_;
  float nu_, rho_, nu2_;

  std::vector<std::unique_ptr<Layer>> layers_;
  std::unique_ptr<Boundary> left_, right_;
  std::vector<std::array<Buffer, 5>> workspace_;  // layers take them in turns
  std::array<std::unique_ptr<Event>, 2> p_ready_, p_exchanged_, q_ready_, q_exchanged_;
  bool q_pending_ = false;  // a q message of the last iteration has not been applied yet
};

}  // namespace gamlp
