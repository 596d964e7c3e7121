// What every method gives the driver: one device's share of one stage. A StageProgram owns the variables of the
// device's layers, and enqueues the training iteration by the seam (host/device/device.hpp).
//
// Every device runs the same program on its own layers, and exchanges messages with its neighbours. No call here waits
// for a result, but finish_downloads(). All work is enqueued, and events order one stream after another. What the
// driver wants to read, the stream downloads into host memory. The driver reads it after it has synchronised.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "host/core/parts.hpp"
#include "host/device/collectives.hpp"
#include "host/device/device.hpp"
#include "host/device/ops.hpp"
#include "host/device/transport.hpp"
#include "host/methods/common/input.hpp"
#include "host/methods/common/network.hpp"
#include "host/methods/common/node_blocks.hpp"
#include "host/methods/common/partition.hpp"
#include "host/methods/common/settings.hpp"

namespace gamlp {

struct Config;  // host/config/config.hpp
class Method;

// What a stage trains, and which device owns which layers.
struct StageSpec {
  std::vector<std::int64_t> widths;  // layers + 1: inputs, hidden …, classes
  Placement placement;
  std::int64_t nodes = 0;   // for training
  int blocks = 1;           // of them: sums over nodes are added up block by block (host/core/sum_tree.hpp)
  std::int64_t epochs = 1;  // of the stage, which schedules of learning rates go by
  std::shared_ptr<const Method> method;  // resolved
  ActivationRule activation;
  std::uint64_t seed = 0;
  bool dual_residual = false;  // a stop rule asks for it (TrainingFigures): may cost memory and time
  // Bytes of each device for tensors of nodes, and of staging memory for those that have no room there
  // (host/device/staging.hpp). 0 of staging: they are all on the devices.
  std::size_t node_memory = 0, staging = 0;

  int layers() const { return static_cast<int>(widths.size()) - 1; }
  // Of all layers of all replicas (StageProgram::enqueue_scalars()).
  std::size_t scalar_count() const;
  // The nodes of each block: of a multiple of 4, so that views of them are aligned whatever the width.
  Parts block_nodes() const { return gamlp::block_nodes(nodes, blocks); }
  // The blocks of each shard, and its nodes. They are the same for every range of layers.
  Parts shard_blocks() const { return Parts::even(blocks, placement.shards, 1); }
  Parts shard_nodes() const;
  // The blocks of a device.
  NodeBlocks blocks_of(int rank) const { return {block_nodes(), shard_blocks(), placement.shard_of(rank)}; }
  // The devices of the same layers as `rank` in its replica, which add up sums over training nodes together.
  RankGroup shard_group(int rank) const;
  // The devices of the same layers and shard as `rank` in all replicas.
  RankGroup replica_group(int rank) const;
  // How many shards each host has of every run of layers, where they are on several hosts: 1 where hosts have different
  // numbers of them, or of different runs.
  int shards_per_host() const;
  // The same of replicas.
  int replicas_per_host() const;
};

// Stage `stage` (1-based) of the config on `devices` devices, which `method`, resolved, trains. The shards are those of
// shard_count() (host/config/device_grid.hpp). `hosts` as in Placement. Layers are balanced by their cost. A stage as
// deep as the last one takes config.partition.layers instead, where that has an entry for each run of layers.
StageSpec make_stage_spec(const Config& config, std::shared_ptr<const Method> method, const TrainingShape& shape,
                          int stage, int devices, const std::vector<int>& hosts = {});

// The training state as checkpoints hold it: tensors by name ("z3", "tau3"). Of a tensor with a row for each training
// node, a process that trains a shard holds the shard's rows.
struct HostTensor {
  std::int64_t rows = 0, cols = 0, item_bytes = 4;  // of the whole tensor
  std::vector<std::byte> data;                      // row `first` and the following ones
  std::int64_t first = 0;

  std::int64_t row_bytes() const { return cols * item_bytes; }
  std::int64_t held() const { return row_bytes() > 0 ? static_cast<std::int64_t>(data.size()) / row_bytes() : 0; }
  const std::byte* row(std::int64_t i) const { return data.data() + (i - first) * row_bytes(); }
  std::byte* row(std::int64_t i) { return data.data() + (i - first) * row_bytes(); }
};
using TrainingState = std::map<std::string, HostTensor>;
// Some rows of a tensor of the state.
struct StateRows {
  std::string name;
  std::int64_t first = 0, count = 0;
};

class StageProgram {
 public:
  virtual ~StageProgram() = default;
  StageProgram(const StageProgram&) = delete;
  StageProgram& operator=(const StageProgram&) = delete;

  // Uploads the weights of this device's layers from a network of the stage's shape, and, with the last layer, its
  // share of the labels (1 per training node). `labels` must stay alive until the stream is synchronised.
  void enqueue_upload(const Network& network, const std::vector<std::int32_t>& labels);
  // Computes from the weights everything else that a stage starts with.
  virtual void enqueue_start() = 0;
  // Enqueues iteration `epoch` (0-based) of the stage. With `metrics` it also sums what only the objective needs.
  virtual void enqueue_iteration(std::int64_t epoch, bool metrics) = 0;
  // An iteration that goes on by what it has computed so far has several pieces. A piece waits on the host for what the
  // pieces before it have brought, on all devices. enqueue_iteration() does all of them: then the devices need a thread
  // each, as a Fleet of threads gives them. Whoever drives several devices by one thread enqueues piece after piece, on
  // all devices each.
  virtual int pieces(std::int64_t /*epoch*/) const { return 1; }
  virtual void enqueue_piece(std::int64_t epoch, int /*piece*/, bool metrics) { enqueue_iteration(epoch, metrics); }
  // Downloads this device's layers into a network of the stage's shape, where it speaks for its range (Placement).
  virtual void enqueue_weights(Network& network) = 0;

  // Downloads the scalars of this device's layers from device memory, where it speaks for its range. `out` has room for
  // those of every layer of the stage in every replica, one replica after the other: Method::scalars() doubles each.
  void enqueue_scalars(double* out);
  // Downloads a hash of the weights of this device's layers (host/math/hash.hpp): the devices of the same layers have
  // the same.
  void enqueue_hash(std::uint64_t* out);
  // The scalars of all layers after `epoch` are known. What the program makes of them may change iterations from
  // epoch + 2 on: the one before may have been enqueued.
  virtual void observe(std::int64_t /*epoch*/, const std::vector<double>& /*scalars*/) {}
  // Marks the downloads enqueued so far as those of `epoch`. The driver calls finish_downloads() to wait for them on
  // the host. At most two epochs may be marked and not finished.
  void mark_downloads(std::int64_t epoch);
  void finish_downloads(std::int64_t epoch);
  // The training state is named by layers, so that a checkpoint does not depend on the partition. describe_state()
  // makes the entries that enqueue_save() then fills, and returns their bytes. The maps must stay alive until the
  // stream is synchronised. Devices may describe rows of a tensor in any order: those of a process leave none out
  // between them.
  std::size_t describe_state(TrainingState& state) const;
  // What enqueue_restore() reads: this device's entries, and those of the neighbours that it has a copy of.
  std::vector<StateRows> restored_rows() const;
  void enqueue_save(TrainingState& state);
  // Throws DataError when a tensor is missing or has other sizes.
  void enqueue_restore(const TrainingState& state);

 protected:
  // Every replica has a tensor of its own; all have the same; or each has some rows of one that they have together.
  enum class Replicas { own, all_alike, spread };
  struct Entry {
    std::string name;
    MatView<std::byte> memory;
    std::int64_t rows, cols, item_bytes;  // of the whole tensor
    std::int64_t first = 0;               // row that the memory begins with
    bool shared = true;                   // the devices of the same layers all have the same
    Replicas of = Replicas::own;          // what replicas of the network have of it
    std::int64_t count() const { return cols > 0 ? memory.size() / (cols * item_bytes) : 0; }
  };
  static void add_entry(std::vector<Entry>& list, const std::string& name, Mat m);
  // The same for a tensor with a row for each training node, of which this device has those of its shard.
  void add_node_entry(std::vector<Entry>& list, const std::string& name, Mat m) const;
  // The same for a tensor of `rows` rows, of which this device has those of `m`, from row `first` on.
  static void add_own_entry(std::vector<Entry>& list, const std::string& name, Mat m, std::int64_t rows,
                            std::int64_t first);
  // Where a layer's weights are uploaded to. W is empty where the input of layer 1 holds it (DeviceInput).
  struct WeightViews {
    Mat w, b;
  };

  // Allocates scalars, the iteration counter and, with the last layer, labels.
  StageProgram(const DeviceContext& context, const StageSpec& spec, int rank, DeviceInput* input);

  virtual WeightViews weights_of(int layer) const = 0;
  // The state of this device's layers, without the scalars and the iteration counter, which this class adds.
  virtual std::vector<Entry> entries() const = 0;
  virtual std::vector<Entry> neighbour_entries() const { return {}; }
  virtual void restored(const TrainingState&) {}  // a restore of that has been enqueued
  // Whether scalars are part of the state. They are where an iteration reads what an earlier one has written.
  virtual bool saves_scalars() const { return false; }

  int left() const { return neighbour(-1); }  // the rank of the layers below, of the same shard
  int right() const { return neighbour(1); }
  bool has_left() const { return range_.first > 1; }
  bool has_right() const { return range_.last < spec_.layers(); }
  Scalar scalar(int layer, int which) const { return scalars(layer, which, 1); }
  MatView<double> scalars(int layer, int first, int count) const;
  Labels labels() const { return labels_.view<std::int32_t>(1, nodes_); }  // of the shard
  MatView<std::uint32_t> iteration() const { return iteration_.view<std::uint32_t>(1, 1); }
  void enqueue(const Op& op) { context_.compute->enqueue(op); }
  // Allocates rows × cols floats of layer `layer`, named after both.
  Mat allocate(Buffer& memory, const char* name, int layer, std::int64_t rows, std::int64_t cols, MemoryKind kind);
  // The same with a row for each of the shard's nodes: in the host's memory, where the device has no room for it.
  Mat allocate_nodes(Buffer& memory, const char* name, int layer, std::int64_t cols, MemoryKind kind);

  DeviceContext context_;
  StageSpec spec_;
  int rank_;
  LayerRange range_;
  std::int64_t first_node_, nodes_;  // of the shard: the first of all, and how many
  NodeBlocks blocks_;                // of the shard
  RankGroup group_;                  // of the devices of the same layers
  DeviceInput* input_;

 private:
  int neighbour(int step) const {
    const Placement& at = spec_.placement;
    return at.rank(at.range_of(rank_) + step, at.shard_of(rank_), at.replica_of(rank_));
  }
  std::vector<Entry> all_entries() const;
  std::vector<Entry> saved_entries() const;
  std::vector<Entry> restored_entries() const;

  int scalars_per_layer_;
  Buffer scalars_, iteration_, labels_, hash_;
  std::array<std::unique_ptr<Event>, 2> downloaded_;
  std::vector<std::unique_ptr<Matrix>> staging_;  // host copies that uploads read from
};

}  // namespace gamlp
