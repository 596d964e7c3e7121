// A run's folder:
//   config.json        the resolved config: training from it repeats the run
//   metrics.jsonl      one line per epoch (metrics.hpp)
//   result.json        written at the end
//   best.safetensors   weights of the best validation accuracy, for the original inputs (W1…, b1…)
//   checkpoints/       epoch-NNNNNN.safetensors
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "host/config/config.hpp"
#include "host/data/standardize.hpp"
#include "host/method/network.hpp"
#include "host/train/metrics.hpp"

namespace gamlp {

class RunFolder {
 public:
  // A new run: creates the folder. Throws IoError when it holds a run already or cannot be written.
  static RunFolder create(const std::filesystem::path& path);
  // An existing run. Throws DataError when there is no config.json.
  static RunFolder open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config_path() const { return path_ / "config.json"; }
  std::filesystem::path result_path() const { return path_ / "result.json"; }
  std::filesystem::path best_path() const { return path_ / "best.safetensors"; }
  std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }

  void write_config(const Config& config) const;
  void write_result(const nlohmann::ordered_json& result) const;
  // The config goes into the metadata and the preparation beside the weights, so that the file is enough to predict
  // with.
  void write_best(const Network& network, const Config& config, std::int64_t epoch,
                  const Preparation& preparation = {}) const;
  // Appends a line and hands it to the system; throws IoError.
  void append(const EpochRecord& record) const;
  // Drops the lines after `epoch`, and a line that a crash cut short: what a resumed run writes again.
  void truncate_metrics(std::int64_t epoch) const;

 private:
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}

  std::filesystem::path path_;
};

}  // namespace gamlp
