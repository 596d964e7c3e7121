// A whole training run beside the double reference: from the graph to the last line of metrics.jsonl, every epoch.
//
// The reference augments, initialises from the same drawn weights, iterates and grows by itself. It takes one thing
// from the run: which of two neighbouring codes a quantised value got (reference/codec.hpp), and whether that was right
// is checked. How far float32 may take the two apart is found as in admm/compare.hpp, by noise of the size of rounding.
#pragma once

#include <array>
#include <utility>

#include "host/data/load.hpp"
#include "host/data/split.hpp"
#include "host/problem/problem.hpp"
#include "tests/methods/admm/compare.hpp"
#include "tests/support/methods.hpp"
#include "tests/train/support.hpp"

namespace gamlp::test {

struct ReferenceCase {
  const char* name;
  Update update = Update::gradient;
  std::vector<std::string> overrides;  // the rest of the config
  reference::Codec p, q;               // the same, as the reference sees it
  std::vector<std::pair<reference::Index, int>> schedule;
  bool random_walk = false;
  reference::Activation f;
  double decay_first = 0.1, decay = 0.0;
  int hops = 2;
};

// What is compared after an epoch.
struct EpochFacts {
  reference::Variables variables;
  double objective = 0, residual = 0, relative_residual = 0, dual_residual = 0, risk = 0;
  std::array<reference::Dense, 3> scores;  // of the parts
};

// Ã^k H side by side, in double, for the rows of `nodes`.
inline reference::Dense augmented(const Dataset& dataset, const std::vector<std::int32_t>& nodes, int hops,
                                  bool random_walk) {
  const std::int64_t n = dataset.nodes();
  reference::Dense a(n, n);
  for (std::int64_t i = 0; i < n; ++i) {
    const auto row = static_cast<std::size_t>(i);
    for (std::int64_t e = dataset.adjacency.indptr[row]; e < dataset.adjacency.indptr[row + 1]; ++e) {
      a(i, dataset.adjacency.indices[static_cast<std::size_t>(e)]) = 1.0;
    }
    a(i, i) = 1.0;
  }
  std::vector<double> degree(static_cast<std::size_t>(n), 0.0);
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < n; ++j) degree[static_cast<std::size_t>(i)] += a(i, j);
  }
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      const double di = degree[static_cast<std::size_t>(i)], dj = degree[static_cast<std::size_t>(j)];
      a(i, j) /= random_walk ? di : std::sqrt(di * dj);
    }
  }
  reference::Dense block = dense(dataset.features_dense);
  const std::int64_t d = block.cols;
  reference::Dense x(static_cast<std::int64_t>(nodes.size()), hops * d);
  for (int k = 0; k < hops; ++k) {
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      for (std::int64_t j = 0; j < d; ++j) x(static_cast<std::int64_t>(i), k * d + j) = block(nodes[i], j);
    }
    block = reference::product(a, block);
  }
  return x;
}

// Σ over the nodes of the squares of the centred inputs, mean over the columns.
inline double mean_square_of_centred(const reference::Dense& x) {
  const std::vector<double> means = reference::column_means(x);
  double total = 0.0;
  for (reference::Index i = 0; i < x.rows; ++i) {
    for (reference::Index j = 0; j < x.cols; ++j) total += std::pow(x(i, j) - means[static_cast<std::size_t>(j)], 2.0);
  }
  return total / static_cast<double>(x.cols);
}

inline reference::Dense scores_of(const reference::State& s, const reference::Dense& x,
                                  const reference::Activation& f) {
  reference::Layer layer;
  layer.p = x;
  for (std::size_t l = 0; l < s.layers.size(); ++l) {
    layer.w = s.layers[l].w, layer.b = s.layers[l].b;
    layer.p = reference::linear(layer);
    if (l + 1 < s.layers.size()) layer.p = reference::applied(f, layer.p);
  }
  return layer.p;
}

class ReferenceRun {
 public:
  ReferenceRun(const ReferenceCase& which, const Config& config) : case_(which), config_(config) {
    PreparedProblem prepared = prepare_problem(config, 1);
    const Config& resolved = prepared.config;
    problem_ = std::move(prepared.problem);
    rules_.f = which.f;
    rules_.nu = *admm_of(resolved).nu, rules_.rho = *admm_of(resolved).rho;
    rules_.beta = 0.9, rules_.nu2 = 4.0, rules_.kappa = 0.05, rules_.lambda = 10.0;
    rules_.p = which.p, rules_.q = which.q, rules_.schedule = which.schedule;
    const Dataset dataset = load_dataset(config.dataset);
    const Split split = make_split(dataset, config.dataset.split);
    const std::array<const std::vector<std::int32_t>*, 3> ids = {&split.train, &split.validation, &split.test};
    for (std::size_t part = 0; part < 3; ++part) {
      x_[part] = augmented(dataset, *ids[part], which.hops, which.random_walk);
      for (const std::int32_t node : *ids[part])
        labels_[part].push_back(dataset.labels[static_cast<std::size_t>(node)]);
    }
    const auto widths = layer_widths(static_cast<int>(config.stages.front().layers), problem_.shape(1).input_width(),
                                     config.model.width, problem_.classes);
    Network start = initial_network(widths, resolved.method, config.train.seed, problem_.inputs);
    if (problem_.input(1).kind == InputKind::kernel) {  // drawn for weights of centred inputs, of unit size
      const double size = std::sqrt(mean_square_of_centred(x_[0]));
      for (float& w : start.front().w.view().flat()) w = static_cast<float>(w / size);
    }
    start.front() = problem_.input(1).expanded(start.front());
    for (const LayerWeights& layer : start) {
      reference::Layer l;
      l.w = dense(layer.w);
      l.b.assign(layer.b.begin(), layer.b.end());
      start_.layers.push_back(std::move(l));
    }
    start_.layers.front().p = x_[0];
    start_.labels.assign(labels_[0].begin(), labels_[0].end());
  }

  bool exact() const { return case_.update == Update::exact; }
  double nu2() const { return exact() ? rules_.nu2 * rules_.rho : rules_.nu; }
  const std::array<std::vector<int>, 3>& labels() const { return labels_; }

  // A saved state in double, layer 1 for the original inputs.
  reference::Variables seen(const TrainingState& state) const {
    reference::Variables out;
    for (const auto& [name, tensor] : state) {
      if (tensor.item_bytes != 4) continue;
      const std::vector<float> values = values_of(state, name);
      out[name].assign(values.begin(), values.end());
    }
    const bool kernel = problem_.input(1).kind == InputKind::kernel;
    const HostTensor& w = state.at(kernel ? "input.c" : "W1");
    LayerWeights layer{kernel ? Matrix(w.cols, w.rows) : Matrix(w.rows, w.cols), values_of(state, "b1")};
    std::memcpy(layer.w.data(), w.data.data(), w.data.size());
    if (kernel) problem_.input(1).to_host_layout(layer);
    layer = problem_.input(1).expanded(layer);
    out["W1"].assign(layer.w.data(), layer.w.data() + layer.w.size());
    out["b1"].assign(layer.b.begin(), layer.b.end());
    return out;
  }

  // The run again, in the epochs that `states` are of; with noise of the size of rounding unless `random` is null.
  std::vector<EpochFacts> facts(const std::vector<reference::Variables>& states, Random* random,
                                std::vector<reference::State>* ends = nullptr) const {
    reference::Rules rules = rules_;
    reference::State state = start_;
    if (random != nullptr) {
      rules.jitter = [random](reference::Dense& m) {
        const double unit = rounding(0.0) * reference::largest(m);
        for (double& value : m.values) value += unit * (2.0 * random->uniform() - 1.0);
      };
      reference::Dense& x = state.layers.front().p;  // sums over neighbours; QR
      const double unit = rounding(static_cast<double>(x.rows)) * reference::largest(x);
      for (double& value : x.values) value += unit * (2.0 * random->uniform() - 1.0);
    }
    std::vector<EpochFacts> out;
    for (const StageConfig& stage : config_.stages) {
      const auto layers = static_cast<std::size_t>(stage.layers);
      if (layers > state.layers.size()) reference::grow(state, layers);
      rules.mu.assign(layers, case_.decay);
      rules.mu.front() = case_.decay_first;
      reference::forward(state, rules.f);
      if (random != nullptr) add_noise(state, state, rules, *random);
      for (std::int64_t k = 0; k < stage.epochs && out.size() < states.size(); ++k) {
        const reference::State before = state;
        state.follow = &states[out.size()];
        exact() ? reference::exact_iteration(state, rules) : reference::gradient_iteration(state, rules);
        if (random != nullptr) add_noise(state, before, rules, *random);
        out.push_back(facts_of(state, rules));
        out.back().dual_residual = reference::dual_residual(before, state);
      }
      if (ends != nullptr) ends->push_back(state);
    }
    return out;
  }

 private:
  EpochFacts facts_of(const reference::State& s, const reference::Rules& rules) const {
    EpochFacts facts;
    facts.variables = variables_of(s, exact());
    facts.objective = reference::objective(s, rules, nu2());
    facts.residual = reference::residual(s);
    facts.relative_residual = reference::relative_residual(s);
    facts.risk = reference::total_risk(s);
    for (std::size_t part = 0; part < 3; ++part) facts.scores[part] = scores_of(s, x_[part], rules.f);
    return facts;
  }

  ReferenceCase case_;
  Config config_;
  Problem problem_;
  reference::Rules rules_;
  reference::State start_;
  std::array<reference::Dense, 3> x_;
  std::array<std::vector<int>, 3> labels_;
};

}  // namespace gamlp::test
