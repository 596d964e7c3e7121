// Full-batch backpropagation as a program over the seam (host/device/device.hpp), partitioned by layers and by training
// nodes. Neighbours in layers send activations upwards and gradients downwards, in float32. The optimisers are those of
// host/math/optimizer.hpp. They minimise the mean cross-entropy.
//
// In one iteration the training nodes of a shard pass in parts, one after the other, so that devices work at the same
// time (as in GPipe, Huang et al. 2019). Then every device makes one step with the gradients of all parts:
//   compute   forward of part 0 … M−1 | gradients of the layers' inputs, part 0 … M−1 | W, b of all layers
//   exchange  receive activations i, send those of i−1   | receive gradients i, send those of i−1
// The gradients of W and b come after those that the neighbour waits for. They are sums over the parts, and over the
// shards: the devices of the same layers add them up (Reduction), one layer while the next is computed. All parts
// together are the M = `microbatches` blocks of the training nodes (StageSpec), whichever shard has them. Parts are
// rows of the same tensors, and each is a product of its own. So what is computed depends on microbatches, and neither
// on the partition of the layers nor on the number of shards.
#pragma once

#include <cstdint>
#include <vector>

#include "host/device/collectives.hpp"
#include "host/math/optimizer.hpp"
#include "host/methods/backprop/backprop_config.hpp"
#include "host/methods/common/stage_program.hpp"

namespace gamlp {

// The key (host/math/dropout.hpp) of the inputs of a layer (1-based).
std::uint32_t dropout_key(std::uint64_t seed, int layer);

class BackpropProgram final : public StageProgram {
 public:
  // The scalars of a layer. Only the last layer's loss, Σ cross-entropy, is used.
  static constexpr int kLoss = 0, kScalars = 1;

  // Allocates this device's share. No other call allocates. `input` is null but on the devices of layer 1. `config` is
  // resolved.
  BackpropProgram(const DeviceContext& context, const StageSpec& spec, int rank, DeviceInput* input,
                  const OptimizerRule& rule, const BackpropConfig& config);

  // The optimiser of a new stage starts anew.
  void enqueue_start() override;
  // The risk that it sums is that of the weights before the step.
  void enqueue_iteration(std::int64_t epoch, bool metrics) override;
  void enqueue_weights(Network& network) override;

 private:
  // A layer of n inputs and m outputs. y is f(W x + b), or W x + b in the last layer. g is the gradient of the risk
  // with respect to W x + b.
  struct Layer {
    int index = 0;
    bool first = false, last = false;
    std::int64_t n = 0, m = 0;
    Buffer x_memory, y_memory, g_memory, w_memory, b_memory, w_kept_memory[2], b_kept_memory[2];
    Mat w, b, y, g;
    Mat w_kept[2], b_kept[2];  // what the optimiser keeps; empty where it keeps fewer
    ConstMat x;                // y of the layer below, or the inputs
    double dropout = 0.0;      // of x
    Mat dropped;               // x after dropout; empty without it
    ConstMat used() const { return dropped.data ? ConstMat(dropped) : x; }
    std::int64_t gradient_values = 0;      // of W and b, in one row
    std::unique_ptr<Reduction> reduction;  // of them over the shards; null: there is one
  };
  WeightViews weights_of(int index) const override { return {layer(index).w, layer(index).b}; }
  std::vector<Entry> entries() const override;

  const Layer& layer(int index) const { return layers_[static_cast<std::size_t>(index - range_.first)]; }
  int parts() const { return blocks_.count(); }
  // Enqueues one group on the exchange stream. It sends what was enqueued last, and what is enqueued next uses what it
  // receives. `protects` names the memory for which it waits for the compute stream (Stream::wait). null: it does not
  // wait.
  void exchange(const std::vector<Send>& sends, const std::vector<Receive>& receives, const char* protects,
                const char* received);
  // pass_up() receives the activations of part `receive` from below, and sends those of part `send` upwards.
  // pass_down() does the same with gradients, from above and downwards. A number outside of 0 … parts − 1 means none.
  void pass_up(int receive, int send, std::int64_t epoch);
  void pass_down(int receive, int send, std::int64_t epoch);
  // Enqueues the dropout (ops::Dropout) of rows of the inputs of a layer, or of their gradient, from row `first` on.
  void drop(const Layer& l, ConstMat in, Mat out, std::int64_t first);
  void restored() override { upload_rates(); }
  void upload_rates();
  void forward(int part, std::int64_t epoch);
  void backward(int part, std::int64_t epoch);
  // The gradients of a layer's W and b, one behind the other.
  struct Gradients {
    Mat w, b;
  };
  static Gradients gradients_in(const Layer& l, float* row);
  // Workspace: `count` sums over parts of them, and the sum over all parts and shards. Layers take turns.
  Mat partials(const Layer& l, int count) const;
  Mat summed(const Layer& l) const;
  // The steps of a layer's update: gradients of this device's parts, their sum over the shards, new W and b.
  void gradients(const Layer& l, std::int64_t epoch);
  void sum(const Layer& l, std::int64_t epoch);
  void step(const Layer& l, std::int64_t epoch);
  void update(std::int64_t epoch);

  OptimizerRule rule_;
  std::vector<double> rates_host_;  // by step; empty: the rule's
  Buffer rates_memory_;
  MatView<const double> rates_;
  std::vector<Layer> layers_;
  Buffer below_memory_, down_memory_;
  std::vector<Buffer> partials_, sums_, received_;
  std::unique_ptr<NodeSums> losses_;  // with the last layer: of all parts
  Mat below_;                         // activations of the layer below, from the left
  Mat down_;                          // gradients for it
  std::unique_ptr<Event> ready_, exchanged_;
};

}  // namespace gamlp
