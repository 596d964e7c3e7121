#include "host/cli/run_summary.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "host/cli/progress.hpp"
#include "host/cli/saved_run.hpp"
#include "host/cli/table.hpp"
#include "host/config/device_names.hpp"
#include "host/config/enums.hpp"
#include "host/config/parse.hpp"
#include "host/core/files.hpp"
#include "host/core/number_text.hpp"
#include "host/methods/registry.hpp"
#include "host/store/saved_config.hpp"

namespace gamlp::cli {
namespace fs = std::filesystem;
namespace {

std::string dataset_text(const DatasetConfig& dataset) {
  if (dataset.path) return *dataset.path;
  if (dataset.text) return dataset.text->edges + ", " + dataset.text->features + ", " + dataset.text->labels;
  if (!dataset.generate) return "-";
  const GenerateConfig& g = *dataset.generate;
  if (g.shape) return "generated, shape " + *g.shape + ", seed " + std::to_string(g.seed);
  return "generated, " + grouped(g.nodes) + " nodes, " + grouped(g.classes) + " classes, " + grouped(g.features) +
         " features, seed " + std::to_string(g.seed);
}

std::string split_text(const SplitConfig& split) {
  switch (split.kind) {
    case SplitKind::file:
      return "masks of the file";
    case SplitKind::per_class:
      return grouped(split.train_per_class) + " per class train, " + grouped(split.validation) + " validation, " +
             grouped(split.test) + " test, seed " + std::to_string(split.seed);
    default:
      return percent_text(split.train_fraction) + " train, " + percent_text(split.validation_fraction) +
             " validation, seed " + std::to_string(split.seed);
  }
}

double number_at(const nlohmann::json& json, const char* key) {
  return json.contains(key) && json[key].is_number() ? json[key].get<double>() : std::nan("");
}

void read_metrics(const fs::path& file, RunSummary& summary) {
  std::error_code error;
  if (!fs::exists(file, error)) return;
  std::istringstream lines(read_file(file));
  for (std::string line; std::getline(lines, line);) {
    nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
    if (!json.is_object()) break;  // the line that is being written
    ++summary.epochs;
    summary.last_epoch = std::move(json);
  }
}

// "finished", "not finished, interrupted", "not finished, running: process 4711 on hosta, since …".
std::string state_text(const RunSummary& s) {
  const std::string& state = s.state.state;
  if (state == "finished" && s.result) return state;
  std::string text = "not finished, " + (state == "finished" ? "its result.json is missing" : state);
  if (s.holder) return text + ": " + s.holder->text();
  if (state == "killed") return text + ": its process ended without a word";
  return s.state.message.empty() ? text : text + ": " + s.state.message;
}

std::string progress_lines(const RunSummary& s) {
  std::string out = summary_line("epochs", grouped(s.epochs) + " of " + grouped(s.total_epochs) + ", no result yet");
  if (!s.last_epoch) return out;
  const nlohmann::json& last = *s.last_epoch;
  const double residual = number_at(last, "residual");
  out += summary_line("objective", short_number(number_at(last, "objective")) +
                                       (std::isfinite(residual) ? ", residual " + short_number(residual) : ""));
  out += summary_line("accuracy", percent_text(number_at(last, "train_accuracy")) + " train, " +
                                      percent_text(number_at(last, "validation_accuracy")) + " validation, " +
                                      percent_text(number_at(last, "test_accuracy")) + " test");
  return out;
}

}  // namespace

std::string config_lines(const Config& c) {
  std::string out = summary_line("dataset", dataset_text(c.dataset));
  out += summary_line(
      "inputs", std::to_string(c.dataset.hops) + " hops" +
                    (c.dataset.hop_growth == 1.0 ? "" : " growing by " + short_number(c.dataset.hop_growth)) + ", " +
                    std::string(name_of(c.dataset.propagation)) + " operator");
  out += summary_line("split", split_text(c.dataset.split));
  std::string layers, epochs;
  for (const StageConfig& stage : c.stages) {
    const char* arrow = layers.empty() ? "" : " -> ";
    layers += arrow + std::to_string(stage.layers);
    epochs += arrow + std::to_string(stage.epochs);
  }
  out += summary_line("model",
                      layers + " layers x " + grouped(c.model.width) + ", " + std::string(name_of(c.model.activation)));
  out += summary_line("epochs", epochs);
  if (c.train.from) out += summary_line("starts from", *c.train.from);
  for (int stage = 1; stage <= stage_count(c); ++stage) {
    if (stage > 1 && share_method(c, stage, stage - 1)) continue;
    const std::string of = stage > 1 ? "from stage " + std::to_string(stage) + ": " : "";
    for (const auto& [label, text] : make_method(c, stage)->summary()) {
      out += summary_line(label, (label == "method" ? of : "") + text);
    }
  }
  const bool cuda = named_devices(c.devices).kind == DeviceKind::cuda;
  out += summary_line("devices", cuda ? c.devices + ", products in " + std::string(name_of(c.precision))
                                      : c.devices + ", " + std::to_string(c.threads_per_device) + " BLAS thread" +
                                            (c.threads_per_device == 1 ? "" : "s") + " each");
  return out + summary_line("seed", std::to_string(c.train.seed));
}

RunSummary summarize_run(const fs::path& path) {
  const RunFolder folder = RunFolder::open(path);
  RunSummary summary;
  summary.folder = path;
  std::vector<std::string> told;  // by the commands that propagate features
  summary.config = load_saved_config(folder.config_path(), told);
  for (const StageConfig& stage : summary.config.stages) summary.total_epochs += stage.epochs;
  summary.state = state_now(folder);
  summary.holder = lock_holder(path);
  read_metrics(folder.metrics_path(), summary);
  if (const auto result = read_result(folder)) summary.result = nlohmann::ordered_json::parse(result->dump());
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder.checkpoints(), error)) {
    if (entry.path().extension() == ".safetensors") summary.checkpoints.push_back(entry.path().filename().string());
  }
  std::sort(summary.checkpoints.begin(), summary.checkpoints.end(), std::greater<>());
  return summary;
}

nlohmann::ordered_json to_json(const RunSummary& s) {
  nlohmann::ordered_json json = {{"kind", "run"},
                                 {"path", s.folder.string()},
                                 {"finished", s.result.has_value()},
                                 {"state", s.state.state},
                                 {"message", s.state.message},
                                 {"epochs", s.epochs},
                                 {"total_epochs", s.total_epochs}};
  json["holder"] = s.holder ? nlohmann::ordered_json({{"host", s.holder->host}, {"process", s.holder->process}})
                            : nlohmann::ordered_json(nullptr);
  json["last_epoch"] =
      s.last_epoch ? nlohmann::ordered_json::parse(s.last_epoch->dump()) : nlohmann::ordered_json(nullptr);
  json["result"] = s.result ? *s.result : nlohmann::ordered_json(nullptr);
  json["checkpoints"] = s.checkpoints;
  json["config"] = gamlp::to_json(s.config);
  return json;
}

std::string to_text(const RunSummary& s) {
  std::string out = s.folder.string() + ": " + state_text(s) + "\n" + config_lines(s.config);
  std::string names;
  for (const std::string& name : s.checkpoints) names += (names.empty() ? "" : ", ") + name;
  out += summary_line("checkpoints", names.empty() ? "none" : names);
  return out + "\n" + (s.result ? result_table(*s.result) : progress_lines(s));
}

}  // namespace gamlp::cli
