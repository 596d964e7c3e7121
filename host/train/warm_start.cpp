#include "host/train/warm_start.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "host/config/parse.hpp"
#include "host/core/error.hpp"
#include "host/store/run_folder.hpp"

namespace gamlp {
namespace fs = std::filesystem;
namespace {

// The keys that give the weights their meaning.
constexpr std::pair<const char*, const char*> kMeaning[] = {
    {"model", "activation"},          {"model", "leaky_slope"},     {"dataset", "symmetrize"},
    {"dataset", "direction"},         {"dataset", "edge_weights"},  {"dataset", "drop_self_loops"},
    {"dataset", "binarize_features"}, {"dataset", "row_normalize"}, {"dataset", "standardize"},
    {"dataset", "operator"},
};

std::vector<std::string> differences(const Config& now, const Config& then, const std::string& file) {
  const auto a = to_json(now), b = to_json(then);
  std::vector<std::string> out;
  for (const auto& [section, key] : kMeaning) {
    const auto &is = a.at(section).at(key), &was = b.at(section).at(key);
    if (is == was) continue;
    out.push_back("`" + std::string(section) + "." + key + "` is " + is.dump() + ", but the weights of " + file +
                  " were trained with " + was.dump());
  }
  return out;
}

std::string shape_of(std::int64_t rows, std::int64_t cols) {
  return std::to_string(rows) + " × " + std::to_string(cols);
}

}  // namespace

WarmStart load_warm_start(Config& config) { return load_warm_start(config, weights_file(*config.train.from)); }

WarmStart load_warm_start(Config& config, const fs::path& file) {
  WarmStart start{file, load_model(file), {}, {}};
  DatasetConfig& dataset = config.dataset;
  const DatasetConfig& trained = start.model.config.dataset;
  if (!dataset.standardize) dataset.standardize = trained.standardize.value_or(Standardize::none);
  start.warnings = differences(config, start.model.config, file.string());
  if (dataset.standardize == trained.standardize) start.preparation = start.model.preparation;
  std::vector<std::int32_t>& ids = start.preparation.class_ids;
  ids = start.model.preparation.class_ids;
  if (ids.empty()) {  // 0, 1, … of every output of the head, though the new labels may lack some
    ids.resize(static_cast<std::size_t>(start.model.network.back().w.rows()));
    std::iota(ids.begin(), ids.end(), 0);
  }
  if (config.train.new_head) ids.clear();
  return start;
}

void expect_fits(const WarmStart& start, const Config& config, const Problem& problem) {
  const Network& network = start.model.network;
  const auto fail = [&](const std::string& what) { throw DataError(start.file.string() + ": " + what); };
  const std::int64_t layers = config.stages.front().layers, width = config.model.width;
  if (static_cast<std::int64_t>(network.size()) > layers || network.size() < 2) {
    fail("holds " + std::to_string(network.size()) + " layers, expected 2 to the " + std::to_string(layers) +
         " of the first stage (stages.0.layers)");
  }
  for (std::size_t l = 0; l < network.size(); ++l) {
    const Matrix& w = network[l].w;
    const bool head = l + 1 == network.size();
    const std::int64_t inputs = l == 0 ? problem.inputs : width;
    const std::int64_t outputs = !head ? width : config.train.new_head ? w.rows() : problem.classes;
    if (w.rows() == outputs && w.cols() == inputs) continue;
    std::string why;
    if (w.cols() != inputs) {
      why = l == 0 ? std::to_string(problem.features) + " features × " + std::to_string(config.dataset.hops) +
                         " of dataset.hops, which was " + std::to_string(start.model.config.dataset.hops)
                   : "model.width";
    } else {
      why = head ? "the labels of " + problem.dataset_name + " have " + std::to_string(problem.classes) +
                       " classes; with train.new_head true the last layer starts anew"
                 : "model.width";
    }
    fail("tensor \"W" + std::to_string(l + 1) + "\" is " + shape_of(w.rows(), w.cols()) + ", expected " +
         shape_of(outputs, inputs) + " (" + why + ")");
  }
  try {
    check_finite(network);
  } catch (const DivergenceError& error) {
    fail(error.what());
  }
}

Network warm_network(const WarmStart& start, const Config& config, const Problem& problem, const Network& fresh) {
  Network network = start.model.network;
  if (config.train.new_head) network.back() = fresh.back();
  network.front() = problem.input(1).reduced(problem.weighted(std::move(network.front())));
  return grown(network, static_cast<int>(config.stages.front().layers), method_of(config, 1), config.train.seed);
}

}  // namespace gamlp
