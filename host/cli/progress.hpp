// Shows a person how a run goes on. On a terminal it rewrites one line. Elsewhere it writes plain lines, a few per
// stage. With --json it writes JSON lines.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "host/core/memory.hpp"
#include "host/train/trainer.hpp"

namespace gamlp::cli {

class Progress final : public Reporter {
 public:
  Progress(bool quiet, bool json);
  ~Progress() override;

  void message(const std::string& text) override;
  void warning(const std::string& text) override;
  void prepared(const Problem& problem, const Config& config, const ChosenDevices& devices) override;
  void stage_begins(int stage, int layers, const Placement& placement) override;
  void epoch_done(const EpochRecord& record, std::int64_t total_epochs) override;

 private:
  void line(const std::string& text);
  void end_live_line();

  bool quiet_, json_, terminal_;
  bool live_ = false;  // the cursor stands behind a live line
  std::chrono::steady_clock::time_point shown_{};
  double start_seconds_ = -1;
  std::int64_t start_epoch_ = 0;
  std::vector<std::string> device_names_;
  std::vector<std::string> methods_;  // by stage; empty where all have the same
  Accuracies last_{};
  bool evaluated_ = false;
};

// Returns the table at the end of a run.
std::string result_table(const nlohmann::ordered_json& result);

}  // namespace gamlp::cli
