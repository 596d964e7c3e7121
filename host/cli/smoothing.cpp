#include "host/cli/smoothing.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <numeric>

#include "host/core/error.hpp"
#include "host/core/threads.hpp"
#include "host/data/load.hpp"
#include "host/data/split.hpp"
#include "host/graph/normalize.hpp"
#include "host/train/evaluator.hpp"

namespace gamlp::cli {
namespace {

constexpr const char* kForm = "auto, or the strengths of the two steps, CORRECT,SMOOTH, each from 0 (none) to 1";

std::optional<CorrectAndSmooth> parse(const std::string& text) {
  CorrectAndSmooth options;
  char end = 0;
  if (std::sscanf(text.c_str(), "%lf,%lf%c", &options.correct, &options.smooth, &end) != 2) return std::nullopt;
  const auto allowed = [](double x) { return x >= 0.0 && x <= 1.0; };
  if (!allowed(options.correct) || !allowed(options.smooth)) return std::nullopt;
  return options;
}

// What "auto" tries, the weakest first.
std::vector<CorrectAndSmooth> candidates() {
  std::vector<CorrectAndSmooth> all;
  for (const double smooth : {0.0, 0.5, 0.7, 0.8, 0.9, 0.95}) {
    for (const double correct : {0.0, 0.5, 0.8, 0.95}) all.push_back({correct, smooth});
  }
  return all;
}

}  // namespace

void add_smooth_option(CLI::App& command, std::optional<std::string>& text) {
  command
      .add_option("--smooth", text,
                  std::string("Correct and Smooth: pass the training nodes' labels along the edges; ") + kForm)
      ->check([](const std::string& given) {
        const bool known = given == "auto" || parse(given);
        return known ? std::string() : "found \"" + given + "\", expected " + kForm;
      });
}

Matrix rows_of(const Matrix& probabilities, const std::vector<std::int32_t>& nodes) {
  Matrix rows(static_cast<std::int64_t>(nodes.size()), probabilities.cols());
  for (std::int64_t i = 0; i < rows.rows(); ++i) {
    float* row = rows.row(i);
    std::copy_n(probabilities.row(nodes[static_cast<std::size_t>(i)]), rows.cols(), row);
    double sum = 0.0;
    for (std::int64_t c = 0; c < rows.cols(); ++c) {  // a correction may leave some below 0
      row[c] = std::max(row[c], 0.0f);
      sum += static_cast<double>(row[c]);
    }
    for (std::int64_t c = 0; c < rows.cols(); ++c) {
      row[c] = sum > 0.0 ? static_cast<float>(row[c] / sum) : 1.0f / static_cast<float>(rows.cols());
    }
  }
  return rows;
}

Smoothed smoothed(const SavedRun& run, const std::string& text) {
  check_has_labels(run.dataset);
  const Split split = make_split(run.dataset, run.model.config.dataset.split);
  std::vector<std::int32_t> all(static_cast<std::size_t>(run.dataset.nodes())), known(all.size(), -1);
  std::iota(all.begin(), all.end(), 0);
  for (const std::int32_t node : split.train) {
    const std::int32_t label = run.dataset.labels[static_cast<std::size_t>(node)];
    if (label < run.classes()) known[static_cast<std::size_t>(node)] = label;  // a class that the model has
  }
  Matrix probabilities = class_scores(run, all);
  to_probabilities(probabilities);
  const Csr propagation = propagation_matrix(run.dataset.adjacency, run.model.config.dataset.propagation);
  if (text != "auto") {
    CorrectAndSmooth options = parse(text).value();
    options.threads = hardware_threads();
    return {options, correct_and_smooth(propagation, probabilities, known, options)};
  }
  if (split.validation.empty()) {
    throw DataError(run.dataset.origin +
                    ": no node validates, but --smooth auto chooses by validation accuracy; give " +
                    "the numbers, e.g. --smooth 0.8,0.8");
  }
  const std::vector<std::int32_t> labels = labels_of(run.dataset, split.validation);
  Smoothed best;
  double accuracy = -1.0;
  std::map<double, Matrix> corrected;  // by its strength
  for (CorrectAndSmooth options : candidates()) {
    options.threads = hardware_threads();
    const auto [place, first] = corrected.try_emplace(options.correct);
    if (first) place->second = correct_step(propagation, probabilities, known, options);
    Smoothed one{options, smooth_step(propagation, place->second, known, options)};
    const double found = accuracy_of(rows_of(one.probabilities, split.validation), labels);
    if (found > accuracy) best = std::move(one), accuracy = found;
  }
  return best;
}

}  // namespace gamlp::cli
