// A run's folder:
//   config.json        the resolved config: training from it repeats the run
//   metrics.jsonl      one line per epoch (metrics.hpp)
//   state.json         running, or how the run ended (run_state.hpp)
//   result.json        written at the end
//   best.safetensors   the result: weights of the best validation accuracy, for the original inputs (W1…, b1…)
//   best-stage-N.safetensors   the same of stage N, where there are several
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
  // A new run: creates the folder, and locks it as long as the RunFolder or a copy of it lives. Throws IoError when it
  // holds a run already, another process trains in it, or it cannot be written.
  static RunFolder create(const std::filesystem::path& path);
  // An existing run, to read. Throws DataError when there is no config.json.
  static RunFolder open(const std::filesystem::path& path);
  // The same to write, locked as a new one; what a killed process was writing is removed.
  static RunFolder open_to_train(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config_path() const { return path_ / "config.json"; }
  std::filesystem::path result_path() const { return path_ / "result.json"; }
  // Stage 0: of the result.
  std::filesystem::path best_path(int stage = 0) const;
  std::filesystem::path metrics_path() const { return path_ / "metrics.jsonl"; }
  std::filesystem::path state_path() const { return path_ / "state.json"; }
  std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }
  // Whose lock a locked folder took over, as it ended without a word.
  std::optional<LockHolder> taken_over() const { return lock_ ? lock_->taken_over() : std::nullopt; }
  // Removes a run that did not begin, its folder when nothing else is in it, and the lock.
  void discard();
  void unlock() { lock_.reset(); }

  // A copy of a run that goes on apart from it: its config, the checkpoint of `epoch` and the metrics up to there.
  void copy_from(const RunFolder& source, std::int64_t epoch) const;
  // A finished run goes on: it has no result any more.
  void withdraw_result() const;

  void write_config(const Config& config) const;
  void write_result(const nlohmann::ordered_json& result) const;
  // The config goes into the metadata and the preparation beside the weights, so that the file is enough to predict
  // with.
  void write_best(const Network& network, const Config& config, std::int64_t epoch, const Preparation& preparation = {},
                  int stage = 0) const;
  // Appends a line and hands it to the system; throws IoError, and then the line is not there in part either.
  void append(const EpochRecord& record) const;
  // The lines are on the disk.
  void flush_metrics() const;
  // The epoch of its last whole line; 0 without.
  std::int64_t recorded_epoch() const;
  // Drops the lines after `epoch`, and a line that a crash cut short: what a resumed run writes again.
  void truncate_metrics(std::int64_t epoch) const;

 private:
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}

  std::filesystem::path path_;
  std::shared_ptr<FolderLock> lock_;
};

// result.json of the folder; nothing when there is none, DataError when it is damaged.
std::optional<nlohmann::json> read_result(const RunFolder& folder);

}  // namespace gamlp
