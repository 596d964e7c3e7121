// Backpropagation as a program over the seam (host/device/device.hpp), partitioned by layers and by training
// nodes. Neighbours in layers send activations upwards and gradients downwards, in float32. The optimisers are those of
// host/math/optimizer.hpp. They minimise the mean cross-entropy.
//
// Methods derive from this. It passes the training nodes through the network, forwards and backwards, which leaves the
// gradients of this device's nodes. What is made of them is update(), which a method may replace. The one here adds up
// the gradients of all shards exactly, and lets the optimiser make its step.
//
// In one iteration the training nodes of a shard pass in parts, one after the other, so that devices work at the same
// time. Then every device makes one step with the gradients of all parts. With R devices above each other, device s
// (0-based) has w = R − 1 − s, and computes
//   forward of part 0 … w − 1, then for k = 0, 1, …
//     forward of part k + w | gradients of the layers' inputs, part k | gradients of W and b, part k − s
// So a part is in flight on a device from its forward pass until its gradients of W are there, R parts later, whatever
// the number of parts: activations need memory for R + 1 parts (slots), on one device for 1. The order is 1F1B
// (Narayanan et al., PipeDream, SOSP 2019) with the gradients of W delayed until a device would wait, as in ZB-H1 (Qi
// et al., Zero Bubble Pipeline Parallelism, ICLR 2024). Messages: after a forward pass a device sends its activations
// upwards and receives the gradients of part k, after these it sends their gradients downwards and receives the
// activations of its next forward pass.
//
// With mini-batches (GradientConfig::batch, mini_batches.hpp) an epoch has several steps, each with some nodes of all
// parts.
//
// The gradients of W and b are sums over the parts, and over the shards: the devices of the same layers add them up
// (Reduction), one layer while the next is computed. All parts together are the M = `microbatches` blocks of the
// training nodes (StageSpec), whichever shard has them. Each part is a product of its own. So what is computed depends
// on microbatches, and neither on the partition of the layers nor on the number of shards.
#pragma once

#include <cstdint>
#include <vector>

#include "host/device/collectives.hpp"
#include "host/math/optimizer.hpp"
#include "host/methods/common/stage_program.hpp"
#include "host/methods/gradient/gradient_config.hpp"
#include "host/methods/gradient/layer_row.hpp"
#include "host/methods/gradient/mini_batches.hpp"

namespace gamlp {

// The key (host/math/dropout.hpp) of the inputs of a layer (1-based).
std::uint32_t dropout_key(std::uint64_t seed, int layer);

// What a method asks of the program.
struct ProgramOptions {
  std::int64_t unit = 4;        // where tensors begin in the rows of a device (layer_row.hpp)
  bool keeps_gradient = false;  // a row for the gradients of all layers, which own_gradient() fills
  bool adds_up = true;          // memory for update() as it is here, which adds up the gradients of the shards
  ReplicaData data = ReplicaData::replicated;
  bool losses_of_all = false;  // memory for enqueue_loss_of_all()
};

class GradientProgram : public StageProgram {
 public:
  // The scalars of a layer. Only the last layer's loss, Σ cross-entropy, is used.
  static constexpr int kLoss = 0, kScalars = 1;

  // How many parts have memory for activations at the same time, where `ranges` devices have the layers.
  static int slots_of(int ranges);

  // Allocates this device's share. No other call allocates, but a method's constructor. `input` is null but on the
  // devices of layer 1. `config` is resolved.
  GradientProgram(const DeviceContext& context, const StageSpec& spec, int rank, DeviceInput* input,
                  const OptimizerRule& rule, const GradientConfig& config, const ProgramOptions& options = {});

  // The optimiser of a new stage starts anew.
  void enqueue_start() override;
  // The risk that it sums is that of the weights before the step.
  void enqueue_iteration(std::int64_t epoch, bool metrics) override;
  void enqueue_weights(Network& network) override;
  // The row of weights of this device's layers.
  Mat weights() const { return weights_.mat(1, row_.size()); }

 protected:
  // A tensor of the parts in flight, which take turns in its slots.
  struct Flight {
    Buffer memory;
    Mat slots;              // one below the other; empty: there is no such tensor
    std::int64_t rows = 0;  // of a slot
    explicit operator bool() const { return slots.data != nullptr; }
  };
  // A layer of n inputs and m outputs. y is f(W x + b), or W x + b in the last layer. g is the gradient of the risk
  // with respect to W x + b.
  struct Layer {
    int index = 0;
    bool first = false, last = false;
    std::int64_t n = 0, m = 0;
    Buffer sums_memory;
    Mat w, b;                  // in the row of weights
    Mat w_kept[2], b_kept[2];  // what the optimiser keeps; empty where it keeps fewer
    Flight y, g;
    double dropout = 0.0;              // of its inputs
    Flight dropped;                    // its inputs after dropout
    std::int64_t gradient_values = 0;  // of W and b, in one row
    Mat sums;                          // rows of them: sums over the parts so far; empty where there is one part
    int sum_count = 0;
    std::unique_ptr<Reduction> reduction;  // of them over the shards; null: there is one
  };
  WeightViews weights_of(int index) const override { return {layer(index).w, layer(index).b}; }
  std::vector<Entry> entries() const override;
  void restored(const TrainingState&) override { upload_rates(); }

  // Makes new weights of the gradients of all parts. `step` counts those of the stage, from 0.
  virtual void update(std::int64_t epoch, std::int64_t step);
  // ← the gradients of this device's nodes, of all its layers, divided by the number of all nodes of the step. Only
  // with keeps_gradient.
  Mat own_gradient(std::int64_t epoch);
  // Its row. With keeps_gradient it has nothing to keep between two steps.
  Mat gradient_row() const { return gradient_.mat(1, row_.size()); }

  const LayerRow& row() const { return row_; }
  // What the optimiser keeps of the weights, number `which`. Empty where it keeps fewer.
  Mat kept(int which) const { return kept_[which] ? kept_[which].mat(1, row_.size()) : Mat{}; }
  const OptimizerRule& rule() const { return rule_; }
  MatView<const double> rates() const { return rates_; }
  int steps() const { return batches_.steps(); }  // of an epoch
  std::int64_t nodes_of(int step) const { return batches_.nodes(step); }
  // Steps `first` … `last` − 1 of an epoch, and what ends it.
  void enqueue_steps(std::int64_t epoch, int first, int last);
  void end_epoch(std::int64_t epoch);
  // total ← the loss of all nodes here, Σ cross-entropy, at the weights as they are. With the last layer; the devices
  // below it take part. Without dropout. Only with losses_of_all.
  void enqueue_loss_of_all(Scalar total, std::int64_t epoch);
  // The loss of a part's nodes in a step of the stage is on the device: Σ cross-entropy. With the last layer only, part
  // after part.
  virtual void took_loss(std::int64_t /*step*/, int /*part*/, ConstScalar /*loss*/) {}

 private:
  const Layer& layer(int index) const { return layers_[static_cast<std::size_t>(index - range_.first)]; }
  int parts() const { return blocks_.count(); }
  // The number of a part among those of all shards, and its nodes in the step that is being enqueued, counted from the
  // first node here.
  int block_of(int part) const { return static_cast<int>(blocks_.shares().first(group_.own())) + part; }
  Rows rows_of(int part) const;
  // Inputs and labels of a part in that step. Permuted ones are gathered first.
  ConstMat inputs_of(int part) const;
  Labels labels_of(int part) const;
  void gather_batch(int part, std::int64_t epoch);
  void enqueue_step(std::int64_t epoch);
  Flight in_flight(const char* name, int layer, std::int64_t cols, MemoryKind kind);
  Mat of(const Flight& flight, int part) const;
  ConstMat x(const Layer& l, int part) const;     // y of the layer below, or the inputs
  ConstMat used(const Layer& l, int part) const;  // the same after dropout
  // One group on the exchange stream. It waits for what the compute stream was given before.
  struct Group {
    std::unique_ptr<Event> ready, exchanged;
    bool receives = false;
  };
  void exchange(Group& group, const std::vector<Send>& sends, const std::vector<Receive>& receives,
                const char* protects);
  // The compute stream goes on when the last group is complete, if it receives anything.
  void receive(Group& group, const char* received);
  // What a device sends and receives: activations and gradients of a part. Nothing for a part that is none, or where it
  // has no neighbour.
  void send_up(int part, std::int64_t epoch, std::vector<Send>& sends);
  void send_down(int part, std::int64_t epoch, std::vector<Send>& sends);
  void receive_up(int part, std::int64_t epoch, std::vector<Receive>& receives);
  void receive_down(int part, std::int64_t epoch, std::vector<Receive>& receives);
  // Enqueues the dropout (ops::Dropout) of rows of the inputs of a layer, or of their gradient, from row `first` on.
  void drop(const Layer& l, ConstMat in, Mat out, std::int64_t first);
  void upload_rates();
  void forward(int part, std::int64_t epoch);
  void propagate(int part, std::int64_t epoch);  // from the inputs of the device to its outputs
  void backward(int part, std::int64_t epoch);
  // The gradients of a layer's W and b, one behind the other.
  struct Gradients {
    Mat w, b;
  };
  Gradients gradients_in(const Layer& l, float* share) const {
    return {row_.w_of(l.index, share), row_.b_of(l.index, share)};
  }
  // Workspace: `count` sums over parts of them, and the sum over all parts and shards. Layers take turns.
  Mat partials(const Layer& l) const;
  Mat summed(const Layer& l) const;
  // Adds the gradients of a part to the sums of a layer, in its rows of partials().
  void add_gradients(Layer& l, int part, std::int64_t epoch);
  // The steps of a layer's update: gradients of this device's parts, their sum over the shards, new W and b.
  void gradients(Layer& l, std::int64_t epoch);
  void sum(const Layer& l, std::int64_t epoch);
  void step(const Layer& l, std::int64_t epoch);

  OptimizerRule rule_;
  LayerRow row_;
  Buffer weights_, kept_[2], gradient_;
  std::vector<double> rates_host_;  // by step; empty: the rule's
  Buffer rates_memory_;
  MatView<const double> rates_;
  std::vector<Layer> layers_;
  int slots_ = 1;
  MiniBatches batches_;
  int step_ = 0;                     // that is being enqueued
  const Rows* chunk_ = nullptr;      // of enqueue_loss_of_all(): instead of a part's nodes in a step
  Flight batch_inputs_;              // with the first layer, where nodes are permuted
  Buffer batch_labels_, step_loss_;  // with the last
  std::vector<Buffer> partials_, sums_, received_;
  std::unique_ptr<NodeSums> losses_;  // with the last layer: of all parts
  Flight below_;                      // activations of the layer below, from the left
  Flight down_;                       // gradients for it
  Group with_left_, with_right_;
  std::unique_ptr<Round> from_left_, to_right_;  // of enqueue_loss_of_all()
};

}  // namespace gamlp
