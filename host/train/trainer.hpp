// The run: stages, epochs, evaluation, checkpoints, result. The driver of the devices: it enqueues iterations
// and is the only one that waits.
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
#include "host/problem/devices.hpp"
#include "host/problem/problem.hpp"
#include "host/store/checkpoint.hpp"
#include "host/store/metrics.hpp"
#include "host/store/run_folder.hpp"

namespace gamlp {

// What the trainer tells while it runs. All calls come from the thread that called train().
class Reporter {
 public:
  virtual ~Reporter() = default;
  virtual void message(const std::string&) {}  // a note for the user
  virtual void warning(const std::string&) {}
  virtual void prepared(const Problem&, const Config&, const ChosenDevices&) {}
  virtual void stage_begins(int /*stage*/, int /*layers*/, const std::vector<LayerRange>&) {}
  virtual void epoch_done(const EpochRecord&, std::int64_t /*total_epochs*/) {}
};

struct TrainOptions {
  const std::atomic<bool>* stop = nullptr;  // set by a signal: checkpoint, then return
  // For resume(): changes to the config, key.path=value, of what may change (continuation.hpp); a finished run goes on
  // with them. Rank 0's alone.
  std::vector<std::string> overrides;
  // Called by every process when nothing lies before its first epoch any more: from here on `stop` is heeded.
  std::function<void()> set_up_done;
  // For tests: called on the worker's thread before it enqueues an iteration; may throw.
  std::function<void(int rank, std::int64_t epoch)> before_iteration;
  // Called on rank 0 when the problem is loaded and before anything is allocated on a device, with what is free on the
  // GPU of each device; may throw. Says whether the inputs of the evaluation are to stay on its device (evaluator.hpp);
  // without it they do not. All processes of a group have it, or none.
  std::function<bool(const Config& config, const Problem& problem, const ChosenDevices& devices,
                     const std::vector<std::size_t>& free)>
      check;
  // Receives the run's timeline; outlives the run.
  TraceLog* trace = nullptr;
  // Epochs that a profiler records (Accelerator::profile): the first, 1-based over the run, and how many; none: 0.
  std::int64_t profile_first = 0, profile_count = 0;
  // The devices to train on; default: those of the config.
  std::function<std::unique_ptr<Fleet>(int devices)> create_fleet;
  // The processes that train together. With more than one, rank 0 calls train() or resume() and the others
  // join_training(); stop, before_iteration and trace are each process's own.
  ProcessGroup* group = &solo_group();
};

struct TrainResult {
  nlohmann::ordered_json json;  // result.json; when interrupted, nothing was written
  bool interrupted = false;
  std::int64_t epoch = 0;
};

// Trains a new run. `config` is resolved on the way; paths in it are relative to config_folder.
TrainResult train(Config config, const std::filesystem::path& config_folder, const RunFolder& folder,
                  Reporter& reporter, const TrainOptions& options = {});
// Goes on from the folder's newest checkpoint, of an unfinished run or of one that options.overrides lets go on.
TrainResult resume(const RunFolder& folder, Reporter& reporter, const TrainOptions& options = {});
// What the other processes of a group do meanwhile. Only `interrupted` and `epoch` of the result mean something.
TrainResult join_training(const TrainOptions& options);

}  // namespace gamlp
