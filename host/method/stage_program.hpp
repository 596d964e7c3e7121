// One device's share of one stage: its layers' variables, and the training iteration as a program over the seam
// (host/device). What every method gives the driver; the methods are host/admm and host/backprop.
//
// Every device runs the same program on its own layers and exchanges messages with its neighbours. Nothing here waits
// on the host: all work is enqueued, cross-stream order is by events, and what the driver wants to read is downloaded
// by the stream into host memory that it may read after synchronising.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "host/device/device.hpp"
#include "host/device/ops.hpp"
#include "host/device/transport.hpp"
#include "host/method/input.hpp"
#include "host/method/network.hpp"
#include "host/method/partition.hpp"
#include "host/method/settings.hpp"

namespace gamlp {

struct StageSpec {
  std::vector<std::int64_t> widths;  // layers + 1
  std::vector<LayerRange> ranges;    // per device
  std::int64_t nodes = 0;
  MethodConfig method;  // resolved
  ActivationRule activation;
  ExchangeConfig exchange;
  std::uint64_t seed = 0;
  bool dual_residual = false;  // kQStep2: costs a copy of q

  int layers() const { return static_cast<int>(widths.size()) - 1; }
};

// A stage of `layers` layers on `devices` devices. The method is resolved. Layers are balanced by cost, but for the
// last stage when config.partition has an entry for each device.
StageSpec make_stage_spec(const Config& config, const TrainingShape& shape, int layers, int devices);

// Bytes of a message from layer l to layer l + 1 (ADMM: q; backpropagation: activations) and back (p; gradients) in
// `epoch` (0-based) of a stage. The same at every boundary between hidden layers of `width` neurons.
struct BoundaryBytes {
  std::int64_t up = 0, down = 0;
};
BoundaryBytes boundary_bytes(const MethodConfig& method, const ExchangeConfig& exchange, std::int64_t nodes,
                             std::int64_t width, std::int64_t epoch);

// Per-layer scalars in device memory (double), downloaded for metrics. Backpropagation has the risk alone.
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
  kQStep2,   // ||q − the q before||², where the spec asks for it
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
  virtual ~StageProgram() = default;
  StageProgram(const StageProgram&) = delete;
  StageProgram& operator=(const StageProgram&) = delete;

  // Weights of this device's layers from a network of the stage's shape; labels (1 per node) on the last device.
  // `labels` must stay alive until the stream is synchronised.
  void enqueue_upload(const Network& network, const std::vector<std::int32_t>& labels);
  // Everything else as a stage starts with it, from the weights.
  virtual void enqueue_start() = 0;
  // Iteration `epoch` (0-based) of the stage. `metrics`: also sums what only the objective needs.
  virtual void enqueue_iteration(std::int64_t epoch, bool metrics) = 0;
  // Downloads this device's layers into a network of the stage's shape.
  virtual void enqueue_weights(Network& network) = 0;

  // out: kLayerScalars doubles for each layer of the stage; fills those of this device's layers.
  void enqueue_scalars(double* out);
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

 protected:
  struct Entry {
    std::string name;
    MatView<std::byte> memory;
    std::int64_t rows, cols, item_bytes;
  };
  static void add_entry(std::vector<Entry>& list, const std::string& name, Mat m);
  // Where the upload of a layer's weights goes; W is empty where layer 1 has it in its input (input.hpp: kernel).
  struct WeightViews {
    Mat w, b;
  };

  // Allocates scalars, the iteration counter and, on the last device, labels.
  StageProgram(const DeviceContext& context, const StageSpec& spec, int rank, InputLayer* input);

  virtual WeightViews weights_of(int layer) const = 0;
  // The state of this device's layers without scalars and counter, which are the base's.
  virtual std::vector<Entry> entries() const = 0;
  virtual std::vector<Entry> neighbour_entries() const { return {}; }
  virtual void restored() {}  // a restore has been enqueued

  bool has_left() const { return range_.first > 1; }
  bool has_right() const { return range_.last < spec_.layers(); }
  Scalar scalar(int layer, LayerScalar which) const { return scalars(layer, which, 1); }
  MatView<double> scalars(int layer, LayerScalar first, int count) const;
  Labels labels() const { return labels_.view<std::int32_t>(1, spec_.nodes); }
  MatView<std::uint32_t> iteration() const { return iteration_.view<std::uint32_t>(1, 1); }
  void enqueue(const Op& op) { context_.compute->enqueue(op); }
  // Allocates rows × cols floats of layer `layer`, named after both.
  Mat allocate(Buffer& memory, const char* name, int layer, std::int64_t rows, std::int64_t cols, MemoryKind kind);

  DeviceContext context_;
  StageSpec spec_;
  int rank_;
  LayerRange range_;
  InputLayer* input_;

 private:
  std::vector<Entry> all_entries() const;
  std::vector<Entry> restored_entries() const;

  Buffer scalars_, iteration_, labels_;
  std::array<std::unique_ptr<Event>, 2> downloaded_;
  std::vector<std::unique_ptr<Matrix>> staging_;  // host copies that uploads read from
};

}  // namespace gamlp
