// One device's share of one stage: its layers' variables, and the iteration as a program over the seam.
//
// Every device runs the same program on its own layers; neighbours exchange p and q (algorithm.md §5).
// Nothing here waits on the host: all work is enqueued, cross-stream order is by events, and what the
// driver wants to read is downloaded by the stream into host memory that it may read after synchronising.
//
// One iteration k, streams `compute` and `exchange`:
//   compute   p of layers last … first | W, b of all layers | z, q, u of layers last … first
//   exchange  [p group: send p_first left, receive p_{last+1}]   [q group: send q_last right, receive q_{first−1}]
// The p group runs beside the W steps, the q group beside the rest of the z steps and the next p steps.
// Messages are double-buffered by the parity of k.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "host/admm/input.hpp"
#include "host/admm/network.hpp"
#include "host/admm/partition.hpp"
#include "host/admm/settings.hpp"
#include "host/device/device.hpp"
#include "host/device/ops.hpp"
#include "host/device/transport.hpp"

namespace gamlp {

struct StageSpec {
  std::vector<std::int64_t> widths;  // layers + 1
  std::vector<LayerRange> ranges;    // per device
  std::int64_t nodes = 0;
  MethodConfig method;  // resolved
  ActivationRule activation;
  ExchangeConfig exchange;
  std::uint64_t seed = 0;

  int layers() const { return static_cast<int>(widths.size()) - 1; }
};

// A stage of `layers` layers on `devices` devices. The method is resolved. Layers are balanced by cost, but for the
// last stage when config.partition has an entry for each device.
StageSpec make_stage_spec(const Config& config, const TrainingShape& shape, int layers, int devices);

// Per-layer scalars in device memory (double), downloaded for metrics.
enum LayerScalar : int {
  kGradientP2,
  kImageP2,
  kTau,
  kGradientW2,
  kImageW2,  // step sizes
  kLinear2,  // ||z − W p − b||²
  kFit2,
  kDualGap,
  kGap2,
  kQ2,       // ||q − f(z)||², <u, p − q>, ||p − q||², ||q||² (contiguous: QDual.sums)
  kRisk,     // last layer: Σ cross-entropy
  kWeight2,  // ||W||²
  kRidge,
  kRidgeIdentity,  // θ, λ' (contiguous: WFactor.ridge)
  kLayerScalars
};

// A tensor of the training state by name ("z3", "tau3"), as saved in checkpoints.
struct HostTensor {
  std::int64_t rows = 0, cols = 0, item_bytes = 4;
  std::vector<std::byte> data;
};
using TrainingState = std::map<std::string, HostTensor>;

class StageProgram {
 public:
  // Allocates this device's share; `input` on the first device, and on no other. The only call that allocates.
  StageProgram(const DeviceContext& context, const StageSpec& spec, int rank, InputLayer* input);
  ~StageProgram();
  StageProgram(const StageProgram&) = delete;
  StageProgram& operator=(const StageProgram&) = delete;

  // Weights of this device's layers from a network of the stage's shape; labels (1 per node) on the last device.
  // `labels` must stay alive until the stream is synchronised.
  void enqueue_upload(const Network& network, const std::vector<std::int32_t>& labels);
  // z, q, p by a forward pass, u = v = 0; the float32 activations that cross are the keyframe.
  void enqueue_forward();
  // Iteration `epoch` (0-based) of the stage. `metrics`: also sums what only the objective needs.
  void enqueue_iteration(std::int64_t epoch, bool metrics);
  // out: kLayerScalars doubles for each layer of the stage; fills those of this device's layers.
  void enqueue_scalars(double* out);
  // Downloads this device's layers into a network of the stage's shape.
  void enqueue_weights(Network& network);  // this and the state: stage_state.cpp
  // Marks the downloads enqueued so far as those of `epoch`; finish_downloads() waits on the host for them.
  // At most two epochs may be marked and not finished.
  void mark_downloads(std::int64_t epoch);
  void finish_downloads(std::int64_t epoch);
  // Training state, in the order of layers, so that a checkpoint does not depend on the partition. The maps
  // must stay alive until the stream is synchronised; save() finds its entries prepared by describe_state().
  void describe_state(TrainingState& state) const;
  // What enqueue_restore() reads: this device's entries, and those of the neighbours that it has a copy of.
  std::vector<std::string> restored_names() const;
  void enqueue_save(TrainingState& state);
  void enqueue_restore(const TrainingState& state);

 private:
  struct Layer;
  struct Boundary;
  struct Entry {
    std::string name;
    MatView<std::byte> memory;
    std::int64_t rows, cols, item_bytes;
  };

  Layer& layer(int index) { return *layers_[static_cast<std::size_t>(index - range_.first)]; }
  bool has_left() const { return range_.first > 1; }
  bool has_right() const { return range_.last < spec_.layers(); }
  std::vector<Entry> entries() const;
  std::vector<Entry> restored_entries() const;
  Scalar scalar(int index, LayerScalar which) const;
  MatView<double> scalars(int index, LayerScalar first, int count) const;
  Mat workspace(const Layer& l, int which, std::int64_t rows, std::int64_t cols) const;
  Quantize quantize(const CodecConfig& codec, const WireFormat& format, Layer& l, bool is_p, Bytes message) const;
  WireFormat format_of(const CodecConfig& codec, std::int64_t epoch) const;

  // stage_memory.cpp
  void allocate();
  void allocate_variables(Layer& l);
  void allocate_codecs(Layer& l);
  void allocate_boundaries();
  void allocate_workspace();

  void enqueue(const Op& op) { context_.compute->enqueue(op); }
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

  DeviceContext context_;
  StageSpec spec_;
  int rank_;
  LayerRange range_;
  InputLayer* input_;
  bool exact_;
  float nu_, rho_, nu2_;

  std::vector<std::unique_ptr<Layer>> layers_;
  std::unique_ptr<Boundary> left_, right_;
  Buffer scalars_, iteration_, labels_;
  std::vector<std::array<Buffer, 5>> workspace_;  // layers take them in turns
  std::array<std::unique_ptr<Event>, 2> p_ready_, p_exchanged_, q_ready_, q_exchanged_, downloaded_;
  bool q_pending_ = false;                        // a q message of the last iteration has not been applied yet
  std::vector<std::unique_ptr<Matrix>> staging_;  // host copies that uploads read from
};

}  // namespace gamlp
