// Runs a stage on its devices. It owns the fleet, layer 1's inputs, and one program per local device. Training and
// bench share it. In a run of several processes each has a runner for its own device, and every call but run_all() is
// collective.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "host/device/fleet.hpp"
#include "host/device/staging.hpp"
#include "host/dist/process_group.hpp"
#include "host/methods/common/method.hpp"
#include "host/problem/problem.hpp"

namespace gamlp {

class StageRunner {
 public:
  // `problem` and `group` must outlive the runner. `config` is resolved.
  StageRunner(const Config& config, const Problem& problem, std::unique_ptr<Fleet> fleet,
              ProcessGroup& group = solo_group());
  ~StageRunner() { settle(); }
  StageRunner(const StageRunner&) = delete;
  StageRunner& operator=(const StageRunner&) = delete;

  // Lets a program run on other streams than the fleet's, e.g. ones that record. The caller sets it before build().
  std::function<DeviceContext(int rank)> context;

  // Frees the stage before. Then allocates and uploads stage `stage` (1-based), which starts from `network`. Uploads
  // layer 1's inputs too, unless they are the same as in the stage before.
  void build(int stage, const Network& network);
  void start();                              // see StageProgram::enqueue_start
  void restore(const TrainingState& state);  // rank 0's
  TrainingState save();                      // whole on rank 0
  // The current weights, everywhere, W_1 in the stage's coordinates. Of several replicas their mean.
  Network fetch();
  Network empty_network() const;  // of the stage's shape
  // A network of each replica to download weights into: on rank 0 as empty_network(), elsewhere with memory for the
  // local layers alone.
  std::vector<Network> download_buffers() const;
  // The current weights of each replica, on rank 0, as enqueue_weights() leaves them.
  std::vector<Network> download_weights();
  // The place of a device's replica among them.
  std::size_t replica_of(int rank) const { return static_cast<std::size_t>(spec_.placement.replica_of(rank)); }

  StageSpec spec_of(int stage) const;
  // The weights that a run whose first stage is `stage` starts from.
  Network initial(int stage, std::uint64_t seed) const;
  const StageSpec& spec() const { return spec_; }
  int stage() const { return stage_; }
  Fleet& fleet() { return *fleet_; }
  ProcessGroup& group() { return group_; }
  int active() const { return static_cast<int>(programs_.size()); }  // devices that own layers
  // The program of a local device.
  StageProgram& program(int rank) { return *programs_[static_cast<std::size_t>(rank)]; }
  // Waits until no task and no message is under way any more, whether they failed or not.
  void settle() noexcept;
  // Runs the task on every active local device's thread, then waits for the compute streams.
  void run_all(const std::function<void(int rank)>& task);

 private:
  // What the programs of a device run on. Makes its staging memory, where the stage needs some.
  DeviceContext staged(int rank);

  Config config_;
  const Problem& problem_;
  ProcessGroup& group_;
  StageSpec spec_;
  int stage_ = 0;
  std::unique_ptr<Fleet> fleet_;                      // device memory, below, is released before the devices
  std::vector<std::unique_ptr<Staging>> staging_;     // by device; empty where tensors of nodes are on the devices
  std::size_t staging_bytes_ = 0;                     // of each
  std::vector<std::unique_ptr<DeviceInput>> inputs_;  // of layer 1, by replica and shard
  Parts input_nodes_;                                 // of the shards when they were uploaded
  std::vector<int> input_ranks_;                      // the devices that they were uploaded to
  std::vector<std::unique_ptr<StageProgram>> programs_;
};

}  // namespace gamlp
