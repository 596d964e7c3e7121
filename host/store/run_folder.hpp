// The folder of a run. It holds
//   config.json        the resolved config: training from it repeats the run
//   metrics.jsonl      one line per epoch (metrics.hpp)
//   state.json         running, or how the run ended (run_state.hpp)
//   result.json        written at the end
//   best.safetensors   the result: weights of the best validation accuracy, for the original inputs (W1…, b1…)
//   best-stage-N.safetensors   the same of stage N, where there are several
//   start.safetensors  the weights that the run started from, where those are a model's (train.from)
//   checkpoints/       epoch-NNNNNN.safetensors
//   lock               who trains here now (host/core/folder_lock.hpp)
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "host/config/config.hpp"
#include "host/core/folder_lock.hpp"
#include "host/data/standardize.hpp"
#include "host/methods/common/network.hpp"
#include "host/store/metrics.hpp"

namespace gamlp {

class RunFolder {
 public:
  // For a new run. Creates the folder, and locks it as long as the RunFolder or a copy of it lives. Throws IoError when
  // the folder holds a run already, when another process trains in it, or when it cannot be written.
  static RunFolder create(const std::filesystem::path& path);
  // Opens an existing run to read it. Throws DataError when there is no config.json.
  static RunFolder open(const std::filesystem::path& path);
  // Opens it to write, and locks it as create() does. Removes the files that a killed process was writing.
  static RunFolder open_to_train(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config_path() const { return path_ / "config.json"; }
  std::filesystem::path result_path() const { return path_ / "result.json"; }
  // The weights of a stage (1-based). 0: those of the result.
  std::filesystem::path best_path(int stage = 0) const;
  std::filesystem::path start_path() const { return path_ / "start.safetensors"; }
  std::filesystem::path metrics_path() const { return path_ / "metrics.jsonl"; }
  std::filesystem::path state_path() const { return path_ / "state.json"; }
  std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }
  // Whose lock this one took over, because that process had ended without removing it.
  std::optional<LockHolder> taken_over() const { return lock_ ? lock_->taken_over() : std::nullopt; }
  // Removes a run that did not begin, and the lock. Removes the folder too when nothing else is in it.
  void discard();
  void unlock() { lock_.reset(); }

  // Copies from another run what is needed to go on apart from it: its config, the checkpoint of `epoch`, the metrics
  // up to there, and the weights that it started from.
  void copy_from(const RunFolder& source, std::int64_t epoch) const;
  // Removes the result, because a finished run goes on. Throws IoError.
  void withdraw_result() const;
  // Removes the weights of a finished run and its checkpoints. The config, the metrics and the result stay. Throws
  // IoError.
  void remove_weights() const;

  void write_config(const Config& config) const;
  void write_result(const nlohmann::ordered_json& result) const;
  // Writes the config into the metadata, and the preparation beside the weights, so that the file is enough to predict
  // with. Stage 0: the result.
  void write_best(const Network& network, const Config& config, std::int64_t epoch, const Preparation& preparation = {},
                  int stage = 0) const;
  // Appends a line to metrics.jsonl, and hands it to the system. When it throws IoError, no part of the line is there.
  void append(const EpochRecord& record) const;
  // When it returns, the lines are on the disk.
  void flush_metrics() const;
  // The epoch of the last whole line of metrics.jsonl. 0 when there is none.
  std::int64_t recorded_epoch() const;
  // Drops the lines after `epoch`, and a line that a crash cut short. A resumed run writes them again.
  void truncate_metrics(std::int64_t epoch) const;

 private:
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}

  std::filesystem::path path_;
  std::shared_ptr<FolderLock> lock_;
};

// Returns the file of a model, `path` itself, or the best.safetensors of a run folder. Throws DataError when a folder
// has none.
std::filesystem::path weights_file(const std::filesystem::path& path);

// Reads result.json. Returns nothing when there is none. Throws DataError when it is damaged.
std::optional<nlohmann::json> read_result(const RunFolder& folder);

}  // namespace gamlp
