// Full-batch backpropagation as a program over the seam, layer-partitioned: neighbours exchange activations upwards and
// gradients downwards, in float32. The optimisers are those of host/math/optimizer.hpp, on the mean cross-entropy.
//
// One iteration: the training nodes pass as `microbatches` parts, one after the other, so that devices work at the same
// time (as in GPipe, Huang et al. 2019), and then every device makes one step with the gradients of all of them:
//   compute   forward of part 0 … M−1 | gradients of the layers' inputs, part 0 … M−1 | W, b of all layers
//   exchange  receive activations i, send those of i−1   | receive gradients i, send those of i−1
// Gradients of W and b are products over all nodes, after those that the neighbour waits for. Parts are rows of the
// same tensors, so that what is computed depends on microbatches and not on the partition.
#pragma once

#include <cstdint>
#include <vector>

#include "host/math/optimizer.hpp"
#include "host/methods/common/stage_program.hpp"

namespace gamlp {

class BackpropProgram final : public StageProgram {
 public:
  // Scalars of a layer; the loss, Σ cross-entropy, is the last layer's.
  static constexpr int kLoss = 0, kScalars = 1;

  // Allocates this device's share; `input` on the first device, and on no other. The only call that allocates.
  BackpropProgram(const DeviceContext& context, const StageSpec& spec, int rank, DeviceInput* input,
                  const OptimizerRule& rule, std::int64_t microbatches);

  // A new stage's optimiser starts anew.
  void enqueue_start() override;
  // The risk is that of the weights before the step.
  void enqueue_iteration(std::int64_t epoch, bool metrics) override;
  void enqueue_weights(Network& network) override;

 private:
  // n inputs, m outputs. y: f(W x + b), of the last layer W x + b. g: gradient of the risk in W x + b.
  struct Layer {
    int index = 0;
    bool first = false, last = false;
    std::int64_t n = 0, m = 0;
    Buffer y_memory, g_memory, w_memory, b_memory, w_kept_memory[2], b_kept_memory[2];
    Mat w, b, y, g;
    Mat w_kept[2], b_kept[2];  // the optimiser's (empty: it keeps fewer)
    ConstMat x;                // y of the layer below, or the inputs
  };
  struct Rows {
    std::int64_t first = 0, count = 0;
  };

  WeightViews weights_of(int index) const override { return {layer(index).w, layer(index).b}; }
  std::vector<Entry> entries() const override;

  const Layer& layer(int index) const { return layers_[static_cast<std::size_t>(index - range_.first)]; }
  int parts() const { return static_cast<int>(parts_.size()); }
  // A group of the exchange stream: what is received is used by what is enqueued next, what is sent was enqueued last.
  // `protects`: what it waits for the compute stream for (Stream::wait); null: for nothing.
  void exchange(const std::vector<Send>& sends, const std::vector<Receive>& receives, const char* protects,
                const char* received);
  // Activations of part `i` from below, those of part `i` − 1 upwards; gradients likewise. Outside of 0 … parts − 1:
  // none.
  void pass_up(int receive, int send, std::int64_t epoch);
  void pass_down(int receive, int send, std::int64_t epoch);
  void forward(int part, std::int64_t epoch);
  void backward(int part, std::int64_t epoch);
  void step(const Layer& l, std::int64_t epoch);

  OptimizerRule rule_;
  std::vector<Rows> parts_;
  std::vector<Layer> layers_;
  struct Gradients {
    Buffer w, b;
  };
  Buffer below_memory_, down_memory_;
  std::vector<Gradients> gradients_;  // workspace: layers take them in turns
  Mat below_;                         // activations of the layer below, from the left
  Mat down_;                          // gradients for it
  std::unique_ptr<Event> ready_, exchanged_;
};

}  // namespace gamlp
