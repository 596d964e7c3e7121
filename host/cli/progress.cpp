#include "host/cli/progress.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <unistd.h>

#include "host/cli/table.hpp"
#include "host/config/device_names.hpp"
#include "host/core/number_text.hpp"
#include "host/methods/registry.hpp"

namespace gamlp::cli {
namespace {

template <class... Args>
std::string format(const char* pattern, Args... args) {
  char buffer[512];
  const int n = std::snprintf(buffer, sizeof buffer, pattern, args...);
  return std::string(buffer, static_cast<std::size_t>(std::min<int>(n, sizeof buffer - 1)));
}

std::string percent(double fraction) { return std::isfinite(fraction) ? format("%.1f%%", 100 * fraction) : "–"; }

}  // namespace

Progress::Progress(bool quiet, bool json) : quiet_(quiet), json_(json), terminal_(::isatty(STDOUT_FILENO) != 0) {}

Progress::~Progress() { end_live_line(); }

void Progress::end_live_line() {
  if (live_) std::fputs("\n", stdout);
  live_ = false;
}

void Progress::line(const std::string& text) {
  end_live_line();
  std::fputs((text + "\n").c_str(), stdout);
  std::fflush(stdout);
}

void Progress::message(const std::string& text) {
  if (!quiet_ && !json_) line(text);
}

void Progress::warning(const std::string& text) {
  end_live_line();
  std::fprintf(stderr, "gamlp: warning: %s\n", text.c_str());
}

void Progress::prepared(const Problem& problem, const Config& config, const ChosenDevices& devices) {
  if (quiet_ || json_) return;
  device_names_ = devices.names();
  methods_.clear();
  for (int stage = 1; stage <= stage_count(config); ++stage) methods_.push_back(method_of(config, stage).name);
  if (std::equal(methods_.begin() + 1, methods_.end(), methods_.begin())) methods_.clear();
  line(format("%s: %lld nodes, %lld adjacency entries, %lld features, %d classes; %zu train, %zu validation, %zu test",
              problem.dataset_name.c_str(), static_cast<long long>(problem.nodes),
              static_cast<long long>(problem.edges), static_cast<long long>(problem.features), problem.classes,
              problem.parts[0].nodes.size(), problem.parts[1].nodes.size(), problem.parts[2].nodes.size()));
  line(format("inputs %lld (K = %lld), width %lld, %s, %d %s%s; loaded in %s, augmented in %s",
              static_cast<long long>(problem.inputs), static_cast<long long>(config.dataset.hops),
              static_cast<long long>(config.model.width), methods_text(config).c_str(), devices.count,
              devices.kind == DeviceKind::cuda ? "CUDA device" : "CPU worker", devices.count == 1 ? "" : "s",
              human_seconds(problem.load_seconds).c_str(), human_seconds(problem.augment_seconds).c_str()));
  for (const std::string& note : problem.notes) line("  " + note);
}

void Progress::stage_begins(int stage, int layers, const Placement& placement) {
  if (quiet_ || json_) return;
  const std::string method = methods_.empty() ? "" : ", " + methods_.at(static_cast<std::size_t>(stage) - 1) + ",";
  std::string text = format("stage %d: %d layers%s on", stage, layers, method.c_str());
  for (int run = 0; run < placement.runs(); ++run) {
    for (const int rank : placement.ranks_of(run)) {
      text += format("%s %s", rank == 0 ? "" : ",", device_names_.at(static_cast<std::size_t>(rank)).c_str());
    }
    const LayerRange& range = placement.ranges[static_cast<std::size_t>(run)];
    text += format(" (%d–%d)", range.first, range.last);
  }
  if (placement.shards > 1) text += format(", the training nodes in %d shards", placement.shards);
  if (placement.replicas > 1) text += format(", %d replicas of the network", placement.replicas);
  line(text);
}

void Progress::epoch_done(const EpochRecord& r, std::int64_t total) {
  if (json_) {
    line(to_json(r).dump());
    return;
  }
  if (quiet_) return;
  if (r.accuracy) last_ = *r.accuracy, evaluated_ = true;
  const auto now = std::chrono::steady_clock::now();
  if (start_seconds_ < 0) start_seconds_ = r.seconds, start_epoch_ = r.epoch, shown_ = {};
  const bool last = r.epoch == total;
  // Ten times a second on a terminal; elsewhere every two seconds.
  const double pause = terminal_ ? 0.1 : 2.0;
  if (!last && r.stage_epoch != 1 && std::chrono::duration<double>(now - shown_).count() < pause) return;
  shown_ = now;
  const double rate = r.epoch > start_epoch_ && r.seconds > start_seconds_
                          ? static_cast<double>(r.epoch - start_epoch_) / (r.seconds - start_seconds_)
                          : 0.0;
  std::string text = format("epoch %lld/%lld  objective %.5g", static_cast<long long>(r.epoch),
                            static_cast<long long>(total), r.objective);
  if (std::isfinite(r.residual)) text += format("  residual %.2e", r.residual);
  if (evaluated_) text += "  train " + percent(last_.train) + "  val " + percent(last_.validation);
  if (rate > 0) {
    text += format("  %.1f epochs/s", rate);
    text += "  " + human_bytes(static_cast<double>(r.bytes_sent)) + " exchanged";
    text += "  " + human_seconds(static_cast<double>(total - r.epoch) / rate) + " left";
  }
  if (terminal_) {
    std::fputs(("\r\x1b[K" + text).c_str(), stdout);
    std::fflush(stdout);
    live_ = true;
  } else {
    line(text);
  }
}

namespace {

// ", adam" where the stages of a run have several methods.
std::string method_of_stage(const nlohmann::ordered_json& result, const nlohmann::ordered_json& stage) {
  if (!stage.contains("method")) return "";  // of an older program
  for (const auto& other : result["stages"]) {
    if (other["method"] != stage["method"]) return ", " + stage["method"].get<std::string>();
  }
  return "";
}

}  // namespace

std::string result_table(const nlohmann::ordered_json& r) {
  const auto share = [](const nlohmann::ordered_json& of, const char* key) {
    return of[key].is_null() ? "–" : percent(of[key].get<double>());
  };
  std::string t;
  const auto row = [&](const char* name, const std::string& value) { t += format("  %-24s ", name) + value + "\n"; };
  const bool validated = !r["validation_accuracy"].is_null();
  row("test accuracy", share(r, "test_accuracy") + (validated ? "  (at the best validation accuracy)"
                                                              : "  (of the last epoch: no node validates)"));
  row("validation accuracy", share(r, "validation_accuracy"));
  row("train accuracy", share(r, "train_accuracy"));
  const bool several = r.contains("layers") && r.contains("stages") && r["stages"].size() > 1;
  std::string best = format("%lld of %lld", r["best_epoch"].get<long long>(), r["epochs"].get<long long>());
  if (several) {
    const auto epoch = r["best_stage_epoch"].get<long long>(), layers = r["layers"].get<long long>();
    best += epoch > 0 ? format(", epoch %lld with %lld layers", epoch, layers)
                      : format(", which the stage of %lld layers started from and did not better", layers);
  } else if (r["best_epoch"] == 0) {
    best += ", the weights that the run started from and did not better";
  }
  row("best epoch", best);
  for (std::size_t i = 0; several && i < r["stages"].size(); ++i) {
    const auto& stage = r["stages"][i];
    const auto epoch = stage["best_stage_epoch"].get<long long>();
    row(i == 0 ? "every stage's best" : "",
        format("%3lld layers%s: ", stage["layers"].get<long long>(), method_of_stage(r, stage).c_str()) +
            share(stage, "test_accuracy") + " test, " + share(stage, "validation_accuracy") + " validation, " +
            (epoch > 0 ? format("epoch %lld of the stage", epoch) : std::string("as the stage started")));
  }
  row("time", human_seconds(r["seconds"].get<double>()) +
                  format(", %.2f ms per epoch", 1e3 * r["seconds_per_epoch"].get<double>()));
  row("bytes exchanged", human_bytes(r["bytes_sent"].get<double>()) + ", " +
                             human_bytes(r["bytes_per_epoch"].get<double>()) + " per epoch; one device per layer: " +
                             human_bytes(r["bytes_per_epoch_one_device_per_layer"].get<double>()) + " per epoch");
  const auto& timing = r["timing"];
  const bool timed = timing["gemm"].get<double>() + timing["elementwise"].get<double>() > 0;  // not on CUDA devices
  if (timed) {
    row("worker time",
        format("products %.2f s, factors %.2f s, elementwise %.2f s, codecs %.2f s, exchange %.2f s, waiting %.2f s",
               timing["gemm"].get<double>(), timing["factorisation"].get<double>(), timing["elementwise"].get<double>(),
               timing["codec"].get<double>(), timing["exchange"].get<double>(), timing["wait"].get<double>()));
  }
  row("evaluation", format("%.2f s, beside training", timing["evaluation"].get<double>()));
  return t;
}

}  // namespace gamlp::cli
