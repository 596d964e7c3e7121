// gamlp evaluate: a trained model's accuracy, per class and as a confusion matrix.
#include <CLI/CLI.hpp>
#include <array>
#include <cmath>
#include <memory>
#include <utility>

#include "host/cli/commands.hpp"
#include "host/cli/saved_run.hpp"
#include "host/cli/smoothing.hpp"
#include "host/cli/table.hpp"
#include "host/config/json_number.hpp"
#include "host/core/error.hpp"
#include "host/core/number_text.hpp"
#include "host/data/load.hpp"
#include "host/data/split.hpp"
#include "host/train/evaluator.hpp"

namespace gamlp::cli {
namespace {

constexpr std::int32_t kPrintedConfusion = 20;  // classes
constexpr std::array<const char*, 3> kParts = {"train", "validation", "test"};

using Counts = std::vector<std::vector<std::int64_t>>;  // [label][predicted]

struct Evaluation {
  std::array<std::int64_t, 3> nodes{};
  std::array<double, 3> accuracy{};
  std::vector<ClassFigures> test;
  Counts confusion;
  std::optional<CorrectAndSmooth> smooth;
};

double ratio(std::int64_t a, std::int64_t b) { return b > 0 ? static_cast<double>(a) / static_cast<double>(b) : NAN; }

double f1(const ClassFigures& c) { return ratio(2 * c.correct, c.nodes + c.predicted); }

Counts confusion_of(const Matrix& scores, const std::vector<std::int32_t>& labels) {
  const auto classes = static_cast<std::size_t>(scores.cols());
  Counts counts(classes, std::vector<std::int64_t>(classes, 0));
  for (std::int64_t i = 0; i < scores.rows(); ++i) {
    const float* row = scores.row(i);
    const auto predicted = static_cast<std::size_t>(std::max_element(row, row + scores.cols()) - row);
    ++counts[static_cast<std::size_t>(labels[static_cast<std::size_t>(i)])][predicted];
  }
  return counts;
}

Evaluation evaluate_run(const SavedRun& run, const std::optional<std::string>& smooth) {
  check_has_labels(run.dataset);
  if (run.dataset.classes > run.classes()) {
    const std::int32_t unknown = class_id(run.dataset.class_ids, run.dataset.classes - 1);
    throw DataError(run.dataset.origin + ": labels: found class " + std::to_string(unknown) + ", the model of " +
                    run.folder.string() + " knows classes " + std::to_string(run.class_id(0)) + " to " +
                    std::to_string(run.class_id(run.classes() - 1)) +
                    (run.model.preparation.class_ids.empty() ? "" : ", as far as its training graph has them"));
  }
  const Split split = make_split(run.dataset, run.model.config.dataset.split);
  check_split_labels(run.dataset, split);
  const std::array<const std::vector<std::int32_t>*, 3> parts = {&split.train, &split.validation, &split.test};
  Evaluation result;
  Matrix probabilities;
  if (smooth) {
    Smoothed all = smoothed(run, *smooth);
    probabilities = std::move(all.probabilities), result.smooth = all.options;
  }
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::vector<std::int32_t> labels = labels_of(run.dataset, *parts[i]);
    const Matrix scores = smooth ? rows_of(probabilities, *parts[i]) : class_scores(run, *parts[i]);
    result.nodes[i] = scores.rows();
    result.accuracy[i] = accuracy_of(scores, labels);
    if (i != 2) continue;
    result.test = class_figures(scores, labels, static_cast<std::int32_t>(run.classes()));
    result.confusion = confusion_of(scores, labels);
  }
  return result;
}

nlohmann::ordered_json to_json(const SavedRun& run, const Evaluation& e) {
  nlohmann::ordered_json json;
  json["run"] = run.folder.string();
  json["dataset"] = run.dataset.origin;
  for (std::size_t i : {2u, 1u, 0u}) json[std::string(kParts[i]) + "_accuracy"] = number_or_null(e.accuracy[i]);
  for (std::size_t i : {0u, 1u, 2u}) json[std::string(kParts[i]) + "_nodes"] = e.nodes[i];
  if (e.smooth) {
    json["smooth"] = {
        {"correct", e.smooth->correct}, {"smooth", e.smooth->smooth}, {"iterations", e.smooth->iterations}};
  }
  json["test_per_class"] = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < e.test.size(); ++i) {
    const ClassFigures& c = e.test[i];
    json["test_per_class"].push_back({{"class", run.class_id(static_cast<std::int64_t>(i))},
                                      {"nodes", c.nodes},
                                      {"predicted", c.predicted},
                                      {"recall", number_or_null(ratio(c.correct, c.nodes))},
                                      {"precision", number_or_null(ratio(c.correct, c.predicted))},
                                      {"f1", number_or_null(f1(c))}});
  }
  json["test_confusion"] = e.confusion;  // rows: labels, columns: predictions
  return json;
}

std::string to_text(const SavedRun& run, const Evaluation& e) {
  std::string out = run.folder.string() + " on " + run.dataset.origin + "\n";
  for (std::size_t i : {2u, 1u, 0u}) {
    out += summary_line(std::string(kParts[i]) + " accuracy",
                        percent_text(e.accuracy[i]) + "  (" + grouped(e.nodes[i]) + " nodes)");
  }
  if (e.smooth) {
    out += summary_line("Correct and Smooth", "correct " + short_number(e.smooth->correct) + ", smooth " +
                                                  short_number(e.smooth->smooth) + ", " +
                                                  std::to_string(e.smooth->iterations) + " iterations each");
  }
  if (e.nodes[2] == 0) return out;
  Table classes({"class", "nodes", "predicted", "recall", "precision", "F1"});
  for (std::size_t c = 0; c < e.test.size(); ++c) {
    const ClassFigures& figures = e.test[c];
    classes.row({std::to_string(run.class_id(static_cast<std::int64_t>(c))), grouped(figures.nodes),
                 grouped(figures.predicted), percent_text(ratio(figures.correct, figures.nodes)),
                 percent_text(ratio(figures.correct, figures.predicted)), percent_text(f1(figures))});
  }
  out += "\ntest nodes per class\n" + classes.text();
  if (run.classes() > kPrintedConfusion) {
    return out + "\nThe confusion matrix of " + std::to_string(run.classes()) +
           " classes is in the output of --json.\n";
  }
  std::vector<std::string> header = {"class"};
  for (std::size_t c = 0; c < e.confusion.size(); ++c) {
    header.push_back("->" + std::to_string(run.class_id(static_cast<std::int64_t>(c))));
  }
  Table confusion(header);
  for (std::size_t c = 0; c < e.confusion.size(); ++c) {
    std::vector<std::string> row = {std::to_string(run.class_id(static_cast<std::int64_t>(c)))};
    for (const std::int64_t count : e.confusion[c]) row.push_back(grouped(count));
    confusion.row(std::move(row));
  }
  return out + "\ntest nodes by class and predicted class\n" + confusion.text();
}

// A model that was trained here gives the accuracies that its run recorded; a difference means that the dataset, or
// the file of weights, is no longer the one of the run.
void compare_with_result(const SavedRun& run, const Evaluation& e, int stage) {
  auto result = read_result(RunFolder::open(run.folder));
  if (!result) return;
  if (stage > 0) {
    const auto i = static_cast<std::size_t>(stage) - 1;
    if (!result->contains("stages") || !(*result)["stages"].is_array() || i >= (*result)["stages"].size()) return;
    result = (*result)["stages"][i];
  }
  for (std::size_t i = 0; i < kParts.size(); ++i) {
    const std::string key = std::string(kParts[i]) + "_accuracy";
    if (!result->contains(key) || !(*result)[key].is_number()) continue;
    const double recorded = (*result)[key].get<double>();
    // Layer 1 may have been trained in other coordinates: a tie between two classes can fall the other way.
    if (std::fabs(recorded - e.accuracy[i]) * static_cast<double>(e.nodes[i]) <= 1.5) continue;
    std::fprintf(stderr, "gamlp: warning: %s: %s is %s in result.json and %s here; has the dataset changed?\n",
                 run.folder.c_str(), key.c_str(), short_number(recorded).c_str(), short_number(e.accuracy[i]).c_str());
  }
}

}  // namespace

void add_evaluate(CLI::App& app, Shared& shared) {
  struct Arguments {
    std::string run;
    std::optional<std::string> dataset, smooth;
    int stage = 0;
  };
  auto args = std::make_shared<Arguments>();
  CLI::App* command =
      app.add_subcommand("evaluate", "Accuracy of a run's best weights, per class, with confusion matrix");
  command->add_option("run", args->run, "Run folder")->required();
  command->add_option("--dataset", args->dataset,
                      "Another graph (.npz) with the same features, split as in the run's config");
  add_stage_option(*command, args->stage);
  add_smooth_option(*command, args->smooth);
  command->add_flag("--json", shared.json, "One JSON object, confusion matrix included");
  command->footer("Example:  gamlp evaluate runs/quickstart --json");
  command->callback([args, &shared] {
    shared.run = [args, &shared] {
      const SavedRun run = open_saved_run(args->run, args->dataset, args->stage);
      const Evaluation result = evaluate_run(run, args->smooth);
      if (!args->dataset && !args->smooth) compare_with_result(run, result, args->stage);
      write_stdout(shared.json ? to_json(run, result).dump() + "\n" : to_text(run, result));
      return 0;
    };
  });
}

}  // namespace gamlp::cli
