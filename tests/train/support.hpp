// Small runs for the tests of host/train: a generated graph, a recording reporter, run folders that clean up.
#pragma once

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <unistd.h>
#include <vector>

#include "host/core/error.hpp"
#include "host/core/files.hpp"
#include "host/methods/load_config.hpp"
#include "host/store/run_state.hpp"
#include "host/train/trainer.hpp"
#include "tests/support/catch.hpp"

namespace gamlp::test {
namespace fs = std::filesystem;

class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (fs::temp_directory_path() / "gamlp-train-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch folder");
    path_ = name;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  fs::path operator/(const std::string& name) const { return path_ / name; }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

struct Recorder final : Reporter {
  std::vector<EpochRecord> epochs;
  std::vector<std::string> messages, warnings;
  std::vector<Placement> stages;
  void message(const std::string& text) override { messages.push_back(text); }
  void warning(const std::string& text) override { warnings.push_back(text); }
  void stage_begins(int, int, const Placement& placement) override { stages.push_back(placement); }
  void epoch_done(const EpochRecord& record, std::int64_t) override { epochs.push_back(record); }
};

// 240 nodes, 3 classes, stages 2 → 4 of 10 epochs each, width 16, one worker.
inline Config small_config(const std::vector<std::string>& overrides = {}) {
  nlohmann::json document = {
      {"dataset",
       {{"generate", {{"nodes", 240}, {"classes", 3}, {"features", 12}, {"mean_degree", 6}, {"feature_signal", 1.0}}},
        {"hops", 2},
        {"split", {{"kind", "per_class"}, {"train_per_class", 20}, {"validation", 60}, {"test", 90}}}}},
      {"model", {{"width", 16}}},
      {"stages", {{{"layers", 2}, {"epochs", 10}}, {{"layers", 4}, {"epochs", 10}}}},
      {"method", {{"update", "gradient"}}},
      {"devices", "cpu:1"}};
  for (const std::string& text : overrides) apply_override(document, text);
  return parse_config(document, "test");
}

// How the exchanged tensors are coded: the cases that every determinism test goes through.
struct Coded {
  const char* name;
  std::vector<std::string> overrides;
};
inline const std::vector<Coded>& codings() {
  static const std::vector<Coded> cases = {
      {"8 bits", {"exchange.p.bits=8", "exchange.q.bits=8"}},
      {"4-bit differences",
       {"exchange.p.bits=4", "exchange.q.bits=4", "exchange.p.coding=difference", "exchange.q.coding=difference"}},
      {"2-bit differences in blocks",
       {"exchange.p.bits=2", "exchange.q.bits=2", "exchange.p.coding=difference", "exchange.q.coding=difference",
        "exchange.p.range=block", "exchange.q.range=block", "exchange.p.rounding=stochastic",
        "exchange.q.rounding=stochastic"}}};
  return cases;
}

inline std::vector<std::string> joined(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// Both updates with each coding, and backpropagation.
inline std::vector<Coded> trainings() {
  std::vector<Coded> cases;
  for (const char* update : {"gradient", "exact"}) {
    for (const Coded& coded : codings()) {
      cases.push_back({coded.name, joined(coded.overrides, {std::string("method.update=") + update})});
    }
  }
  cases.push_back({"gradient descent", {"method.name=gd", "method.optimizer.learning_rate=0.3"}});
  cases.push_back(
      {"Adam in parts", {"method.name=adam", "method.optimizer.learning_rate=0.03", "method.microbatches=3"}});
  cases.push_back({"compressed momentum",
                   {"method.name=apmsqueeze", "method.optimizer.learning_rate=0.03", "method.microbatches=3",
                    "partition.shards=1", "method.squeeze.warmup=2"}});
  for (const char* format : {"powersgd", "top_k"}) {
    cases.push_back(
        {format,
         {"method.name=adam", "method.optimizer.learning_rate=0.03", "method.microbatches=3", "partition.shards=1",
          std::string("method.gradients=") + format, std::string("method.") + format + ".warmup=2"}});
  }
  return cases;
}

inline TrainResult run_in(const fs::path& path, const Config& config, const TrainOptions& options = {},
                          Reporter* reporter = nullptr) {
  Recorder own;
  return train(config, fs::path(), RunFolder::create(path), reporter ? *reporter : own, options);
}

// Trains until `epoch` was about to start; true when that stopped the run.
inline TrainResult train_until(const fs::path& run, const Config& config, std::int64_t epoch) {
  std::atomic<bool> stop{false};
  TrainOptions options;
  options.stop = &stop;
  options.before_iteration = [&](int, std::int64_t at) {
    if (at >= epoch) stop = true;
  };
  return run_in(run, config, options);
}

inline std::vector<std::string> lines_of(const fs::path& file) {
  std::istringstream in(read_file(file));
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// metrics.jsonl without the times, which differ from run to run, and without the bytes, which depend on the number
// of workers.
inline std::vector<std::string> metrics_of(const fs::path& run, bool with_bytes = false) {
  std::vector<std::string> out;
  for (const std::string& line : lines_of(run / "metrics.jsonl")) {
    nlohmann::ordered_json json = nlohmann::ordered_json::parse(line);
    json.erase("seconds");
    if (!with_bytes) json.erase("bytes_sent");
    out.push_back(json.dump());
  }
  return out;
}

// best.safetensors but for the config in its metadata, which names the devices: everything behind the header.
inline std::string weights_of(const fs::path& run, const std::string& name = "best") {
  const std::string bytes = read_file(run / (name + ".safetensors"));
  std::uint64_t header = 0;
  std::copy_n(bytes.data(), 8, reinterpret_cast<char*>(&header));
  return bytes.substr(8 + header);
}

inline nlohmann::json json_of(const fs::path& file) { return nlohmann::json::parse(read_file(file)); }

inline void set_devices(const fs::path& run, const std::string& devices) {
  nlohmann::ordered_json config = nlohmann::ordered_json::parse(read_file(run / "config.json"));
  config["devices"] = devices;
  write_file_atomic(run / "config.json", config.dump(2));
}

inline std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  return names;
}

inline bool holds_temporary_files(const fs::path& folder) {
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().filename().string().find(".tmp.") != std::string::npos) return true;
  }
  return false;
}

// The message of the E that `action` throws; a test that fails shows what came instead.
template <class E>
std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const E& error) {
    return error.what();
  } catch (const std::exception& error) {
    return std::string("another exception: ") + error.what();
  }
  return "no exception";
}

inline void check_says(const std::string& message, const std::string& part) {
  INFO("message: " << message);
  INFO("expected part: " << part);
  CHECK(message.find(part) != std::string::npos);
}

}  // namespace gamlp::test
