// One device's share of one stage: its layers' variables, and the training iteration as a program over the seam
// (host/device). What every method gives the driver.
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
#include "host/methods/common/input.hpp"
#include "host/methods/common/network.hpp"
#include "host/methods/common/partition.hpp"
#include "host/methods/common/settings.hpp"

namespace gamlp {

class Method;

struct StageSpec {
  std::vector<std::int64_t> widths;  // layers + 1
  std::vector<LayerRange> ranges;    // per device
  std::int64_t nodes = 0;
  std::shared_ptr<const Method> method;  // resolved
  ActivationRule activation;
  std::uint64_t seed = 0;
  bool dual_residual = false;  // a stop rule asks for it (TrainingFigures): may cost memory and time

  int layers() const { return static_cast<int>(widths.size()) - 1; }
};

// A stage of `layers` layers on `devices` devices, trained by `method`, which is resolved. Layers are balanced by cost,
// but for the last stage when config.partition has an entry for each device.
StageSpec make_stage_spec(const Config& config, std::shared_ptr<const Method> method, const TrainingShape& shape,
                          int layers, int devices);

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

  // out: the method's scalars (Method::scalars(), doubles in device memory) for each layer of the stage; fills those of
  // this device's layers.
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
  // Where the upload of a layer's weights goes; W is empty where layer 1 has it in its input.
  struct WeightViews {
    Mat w, b;
  };

  // Allocates scalars, the iteration counter and, on the last device, labels.
  StageProgram(const DeviceContext& context, const StageSpec& spec, int rank, DeviceInput* input);

  virtual WeightViews weights_of(int layer) const = 0;
  // The state of this device's layers without scalars and counter, which are the base's.
  virtual std::vector<Entry> entries() const = 0;
  virtual std::vector<Entry> neighbour_entries() const { return {}; }
  virtual void restored() {}  // a restore has been enqueued
  // Whether scalars are part of the state: an iteration reads what an earlier one has written.
  virtual bool saves_scalars() const { return false; }

  bool has_left() const { return range_.first > 1; }
  bool has_right() const { return range_.last < spec_.layers(); }
  Scalar scalar(int layer, int which) const { return scalars(layer, which, 1); }
  MatView<double> scalars(int layer, int first, int count) const;
  Labels labels() const { return labels_.view<std::int32_t>(1, spec_.nodes); }
  MatView<std::uint32_t> iteration() const { return iteration_.view<std::uint32_t>(1, 1); }
  void enqueue(const Op& op) { context_.compute->enqueue(op); }
  // Allocates rows × cols floats of layer `layer`, named after both.
  Mat allocate(Buffer& memory, const char* name, int layer, std::int64_t rows, std::int64_t cols, MemoryKind kind);

  DeviceContext context_;
  StageSpec spec_;
  int rank_;
  LayerRange range_;
  DeviceInput* input_;

 private:
  std::vector<Entry> all_entries() const;
  std::vector<Entry> restored_entries() const;

  int scalars_per_layer_;
  Buffer scalars_, iteration_, labels_;
  std::array<std::unique_ptr<Event>, 2> downloaded_;
  std::vector<std::unique_ptr<Matrix>> staging_;  // host copies that uploads read from
};

}  // namespace gamlp
