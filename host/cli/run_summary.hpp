// Summarises where a run stands: its config in a few lines, its result or its last epoch, its checkpoints.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "host/config/config.hpp"
#include "host/core/folder_lock.hpp"
#include "host/store/run_state.hpp"

namespace gamlp::cli {

struct RunSummary {
  std::filesystem::path folder;
  Config config;
  RunState state;
  std::optional<LockHolder> holder;  // who trains in the folder now
  std::int64_t total_epochs = 0;
  std::int64_t epochs = 0;                   // lines of metrics.jsonl that are whole
  std::optional<nlohmann::json> last_epoch;  // the last of them
  std::optional<nlohmann::ordered_json> result;
  std::vector<std::string> checkpoints;  // file names, newest first
};

// Throws DataError for a folder that holds no run.
RunSummary summarize_run(const std::filesystem::path& folder);

nlohmann::ordered_json to_json(const RunSummary& summary);
std::string to_text(const RunSummary& summary);

// Returns the lines that describe any config, e.g. "2 -> 5 -> 10 layers x 100, 600 epochs".
std::string config_lines(const Config& config);

}  // namespace gamlp::cli
