// Trains a run: stages, epochs, evaluation, checkpoints, result. The trainer is the driver of the devices. It enqueues
// iterations, and nobody else waits for those devices.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/config/config.hpp"
#include "host/device/fleet.hpp"
#include "host/device/trace_log.hpp"
#include "host/dist/process_group.hpp"
#include "host/problem/chosen_devices.hpp"
#include "host/problem/problem.hpp"
#include "host/store/checkpoint.hpp"
#include "host/store/metrics.hpp"
#include "host/store/run_folder.hpp"

namespace gamlp {

// Receives what the trainer tells while it runs. All calls come from the thread that called train().
class Reporter {
 public:
  virtual ~Reporter() = default;
  virtual void message(const std::string&) {}  // a note for the user
  virtual void warning(const std::string&) {}
  virtual void prepared(const Problem&, const Config&, const ChosenDevices&) {}
  virtual void stage_begins(int /*stage*/, int /*layers*/, const Placement&) {}
  virtual void epoch_done(const EpochRecord&, std::int64_t /*total_epochs*/) {}
};

// What a run finds on its GPUs.
struct DeviceRoom {
  bool evaluation_inputs = false;           // whether those of the evaluation are to stay on its device (evaluator.hpp)
  std::optional<std::int64_t> node_memory;  // the config's, or what is left of a GPU where it leaves it open
};

struct TrainOptions {
  const std::atomic<bool>* stop = nullptr;  // a signal sets it: the trainer saves a checkpoint, then returns
  // For resume() on rank 0: changes to the config, key.path=value, of what may change (continuation.hpp). A finished
  // run goes on with them.
  std::vector<std::string> overrides;
  // Every process calls it just before its first epoch. From then on the trainer heeds `stop`.
  std::function<void()> set_up_done;
  // For tests. The device's thread calls it before it enqueues an iteration. May throw.
  std::function<void(int rank, std::int64_t epoch)> before_iteration;
  // Rank 0 calls it when the problem is loaded, and before anything is allocated on a device. `free`: bytes on the GPU
  // of each device. May throw. Without it the inputs of the evaluation do not stay on its device. All processes of a
  // group have it, or none.
  std::function<DeviceRoom(const Config& config, const Problem& problem, const ChosenDevices& devices,
                           const std::vector<std::size_t>& free)>
      check;
  // Rank 0 calls it when the dataset is loaded: chooses config.partition, and how many devices there are where the
  // config leaves it open (Place of problem.hpp). Without it the devices are runs of layers.
  std::function<std::string(Config& config, ChosenDevices& devices, const ProblemShape& shape,
                            const std::vector<InputKind>& begun)>
      place;
  // Receives the run's timeline. Must outlive the run.
  TraceLog* trace = nullptr;
  // The epochs that a profiler records (Accelerator::profile): the first, 1-based over the run, and how many (0: none).
  std::int64_t profile_first = 0, profile_count = 0;
  // Creates the devices to train on. By default they are those of the config.
  std::function<std::unique_ptr<Fleet>(int devices)> create_fleet;
  // The processes that train together. With more than one, rank 0 calls train() or resume(), and the others call
  // join_training(). Each process has its own stop, before_iteration and trace.
  ProcessGroup* group = &solo_group();
};

struct TrainResult {
  nlohmann::ordered_json json;  // result.json; when interrupted, nothing was written
  bool interrupted = false;
  std::int64_t epoch = 0;
};

// Trains a new run. Resolves `config` on the way. Its paths are relative to config_folder.
TrainResult train(Config config, const std::filesystem::path& config_folder, const RunFolder& folder,
                  Reporter& reporter, const TrainOptions& options = {});
// Goes on from the folder's newest checkpoint. The run is unfinished, or options.overrides lets it go on.
TrainResult resume(const RunFolder& folder, Reporter& reporter, const TrainOptions& options = {});
// The other processes of a group call this meanwhile. Only `interrupted` and `epoch` of its result mean something.
TrainResult join_training(const TrainOptions& options);

}  // namespace gamlp
