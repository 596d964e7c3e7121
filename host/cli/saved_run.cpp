#include "host/cli/saved_run.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <span>
#include <utility>

#include "host/config/locate.hpp"
#include "host/core/error.hpp"
#include "host/core/files.hpp"
#include "host/core/threads.hpp"
#include "host/data/load.hpp"
#include "host/graph/augment.hpp"
#include "host/graph/normalize.hpp"
#include "host/methods/common/network.hpp"
#include "host/methods/common/predictor.hpp"
#include "host/methods/common/settings.hpp"
#include "host/methods/load_config.hpp"

namespace gamlp::cli {
namespace fs = std::filesystem;

namespace {

fs::path weights_of_stage(const RunFolder& folder, int stage) {
  const std::string run = folder.path().string();
  fs::path best = weights_file(run);
  if (stage == 0) return best;
  const auto stages = static_cast<int>(load_config(folder.config_path()).stages.size());
  if (stage > stages) {
    throw DataError("--stage: found " + std::to_string(stage) + ", expected at most " + std::to_string(stages) +
                    ", the stages of " + run);
  }
  const fs::path file = folder.best_path(stages == 1 ? 0 : stage);  // one stage has no file beside the result's
  std::error_code error;
  if (!fs::exists(file, error)) {
    throw DataError(file.string() + ": no such file: " +
                    (fs::exists(folder.result_path(), error)
                         ? "an older version, which kept no weights of stages, trained the run"
                         : "the run is not finished; continue it with: gamlp resume " + run));
  }
  return file;
}

}  // namespace

SavedRun open_saved_run(const fs::path& run, const std::optional<std::string>& other, int stage) {
  const RunFolder folder = RunFolder::open(run);
  SavedRun saved{run, load_model(weights_of_stage(folder, stage)), {}};
  std::error_code error;
  if (!fs::exists(folder.result_path(), error)) {
    saved.model.notes.push_back(run.string() +
                                ": the run goes on and is not finished: these are the weights from before");
  }
  for (const std::string& note : saved.model.notes) std::fprintf(stderr, "gamlp: note: %s\n", note.c_str());
  DatasetConfig& source = saved.model.config.dataset;
  if (other) {
    source.path = *other;
    source.text.reset();
    source.generate.reset();
  }
  locate_dataset(source, run);
  saved.dataset = load_dataset(source, saved.model.preparation);
  const std::int64_t inputs = source.hops * saved.dataset.features();
  const std::int64_t expected = saved.model.network.front().w.cols();
  if (inputs != expected) {
    throw DataError(saved.dataset.origin + ": has " + std::to_string(saved.dataset.features()) +
                    " features per node, the model of " + run.string() + " expects " +
                    std::to_string(expected / source.hops) + " (" + std::to_string(expected) + " inputs, " +
                    std::to_string(source.hops) + " hops)");
  }
  return saved;
}

void add_stage_option(CLI::App& command, int& stage) {
  command.add_option("--stage", stage, "The best weights of this stage, 1 the first (default: the run's result)")
      ->check(CLI::Range(1, std::numeric_limits<int>::max()).description("integer from 1"));
}

Matrix class_scores(const SavedRun& run, const std::vector<std::int32_t>& nodes, std::size_t chunk_bytes) {
  const Config& config = run.model.config;
  const Csr propagation = propagation_matrix(run.dataset.adjacency, config.dataset.propagation);
  AugmentOptions options;
  options.hops = config.dataset.hops;
  options.threads = hardware_threads();
  const ActivationRule f = activation_rule(config.model);
  const std::size_t row_bytes = static_cast<std::size_t>(run.model.network.front().w.cols()) * sizeof(float);
  const std::size_t rows = std::max<std::size_t>(1, chunk_bytes / row_bytes);

  Matrix scores(static_cast<std::int64_t>(nodes.size()), run.classes());
  const std::span<const std::int32_t> all(nodes);
  for (std::size_t first = 0; first < nodes.size(); first += rows) {
    const auto chunk = all.subspan(first, std::min(rows, nodes.size() - first));
    const Matrix inputs = augment(propagation, run.dataset, chunk, options);
    const Matrix part = forward(run.model.network, f, inputs.view(), options.threads);
    std::copy_n(part.data(), part.size(), scores.row(static_cast<std::int64_t>(first)));
  }
  return scores;
}

void to_probabilities(Matrix& scores) {
  for (std::int64_t i = 0; i < scores.rows(); ++i) {
    float* row = scores.row(i);
    const double top = static_cast<double>(*std::max_element(row, row + scores.cols()));
    const auto power = [&](std::int64_t c) { return std::exp(static_cast<double>(row[c]) - top); };
    double sum = 0;
    for (std::int64_t c = 0; c < scores.cols(); ++c) sum += power(c);
    for (std::int64_t c = 0; c < scores.cols(); ++c) row[c] = static_cast<float>(power(c) / sum);
  }
}

}  // namespace gamlp::cli
