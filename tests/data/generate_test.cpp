#include "host/data/generate.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "host/core/error.hpp"
#include "host/data/normal.hpp"
#include "tests/data/support.hpp"
#include "tests/graph/random_graph.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;
using namespace gamlp::test;

namespace {

std::int64_t count(const std::vector<std::uint8_t>& mask) {
  return std::accumulate(mask.begin(), mask.end(), std::int64_t{0});
}

double inside_share(const Dataset& dataset) {
  std::int64_t inside = 0;
  for (std::int64_t i = 0; i < dataset.nodes(); ++i) {
    for (std::int64_t e = dataset.adjacency.indptr[i]; e < dataset.adjacency.indptr[i + 1]; ++e) {
      inside += dataset.labels[i] == dataset.labels[dataset.adjacency.indices[e]];
    }
  }
  return static_cast<double>(inside) / static_cast<double>(dataset.adjacency.entries());
}

void check_masks_disjoint(const Dataset& dataset) {
  for (std::int64_t i = 0; i < dataset.nodes(); ++i) {
    REQUIRE(dataset.train_mask[i] + dataset.validation_mask[i] + dataset.test_mask[i] <= 1);
  }
}

std::string config_error_of(const GenerateConfig& config) {
  try {
    generate_csbm(config);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("degree, homophily, class sizes and feature statistics") {
  GenerateConfig config{.shape = {},
                        .nodes = 6000,
                        .classes = 5,
                        .features = 20,
                        .mean_degree = 12,
                        .homophily = 0.7,
                        .feature_signal = 2};
  const Dataset dataset = generate_csbm(config);
  REQUIRE(well_formed(dataset.adjacency));
  CHECK(dataset.adjacency.entries() == 6000 * 12);
  for (std::int64_t i = 0; i < dataset.nodes(); ++i) {  // symmetric, no loops
    for (std::int64_t e = dataset.adjacency.indptr[i]; e < dataset.adjacency.indptr[i + 1]; ++e) {
      const std::int64_t j = dataset.adjacency.indices[e];
      REQUIRE(j != i);
      REQUIRE(std::binary_search(dataset.adjacency.indices.begin() + dataset.adjacency.indptr[j],
                                 dataset.adjacency.indices.begin() + dataset.adjacency.indptr[j + 1], i));
    }
  }
  CHECK(std::abs(inside_share(dataset) - 0.7) < 5 * std::sqrt(0.7 * 0.3 / 36000));
  std::vector<std::vector<double>> mean(5, std::vector<double>(20, 0.0));
  std::vector<int> size(5, 0);
  for (std::int64_t i = 0; i < 6000; ++i) {
    ++size[dataset.labels[i]];
    for (std::int64_t j = 0; j < 20; ++j) mean[dataset.labels[i]][j] += dataset.features_dense(i, j);
  }
  double spread = 0;
  for (int c = 0; c < 5; ++c) {
    CHECK(size[c] == 1200);
    double squares = 0;
    for (double& value : mean[c]) {
      value /= size[c];
      squares += value * value;
    }
    CHECK(std::abs(std::sqrt(squares) - 2.0) < 0.2);
  }
  for (std::int64_t i = 0; i < 6000; ++i) {
    for (std::int64_t j = 0; j < 20; ++j)
      spread += std::pow(dataset.features_dense(i, j) - mean[dataset.labels[i]][j], 2);
  }
  CHECK(std::abs(spread / 120000 - 1.0) < 5 * std::sqrt(2.0 / 120000));
}

TEST_CASE("generated graphs depend on the config only") {
  GenerateConfig config{.shape = {}, .nodes = 300, .seed = 5};
  const Dataset a = generate_csbm(config), b = generate_csbm(config);
  CHECK(a.labels == b.labels);
  CHECK(a.adjacency.indices == b.adjacency.indices);
  CHECK(
      std::equal(a.features_dense.data(), a.features_dense.data() + a.features_dense.size(), b.features_dense.data()));
  CHECK(a.train_mask == b.train_mask);
  config.seed = 6;
  CHECK(generate_csbm(config).adjacency.indices != a.adjacency.indices);
  // Fixed values: a change of the generator would silently change every recorded result.
  std::uint64_t hash = 0;
  for (const std::int32_t index : a.adjacency.indices) hash = mix64(hash ^ static_cast<std::uint64_t>(index));
  for (const float value : std::as_const(a.features_dense).view().flat())
    hash = mix64(hash ^ std::bit_cast<std::uint32_t>(value));
  for (const std::uint8_t bit : a.train_mask) hash = mix64(hash ^ bit);
  CHECK(hash == 0x14ff388c968295a7);
}

TEST_CASE("masks without a shape: a third of each class, 20 at most, then up to 500 and 1000") {
  const Dataset large = generate_csbm({.shape = {}, .nodes = 2000, .classes = 4, .features = 2});
  CHECK(count(large.train_mask) == 80);
  CHECK(count(large.validation_mask) == 500);
  CHECK(count(large.test_mask) == 1000);
  check_masks_disjoint(large);
  const Dataset small = generate_csbm({.shape = {}, .nodes = 31, .classes = 3, .features = 2});
  CHECK(count(small.train_mask) == 9);
  CHECK(count(small.validation_mask) == 7);
  CHECK(count(small.test_mask) == 15);
  const Dataset one = generate_csbm({.shape = {}, .nodes = 1, .classes = 1, .features = 1, .mean_degree = 0});
  CHECK(count(one.train_mask) == 1);
  CHECK(one.adjacency.entries() == 0);
}

TEST_CASE("named shapes") {
  for (const GraphShape& shape : graph_shapes()) {
    if (shape.nodes > 20000) continue;  // the large ones differ in numbers only
    const Dataset dataset = generate_csbm({.shape = shape.name, .nodes = 3});
    CHECK(dataset.name == std::string("csbm-") + shape.name);
    CHECK(dataset.nodes() == shape.nodes);
    CHECK(dataset.classes == shape.classes);
    CHECK(dataset.features() == shape.features);
    CHECK(dataset.adjacency.entries() == std::llround(static_cast<double>(shape.nodes) * shape.mean_degree));
    CHECK(count(dataset.train_mask) == shape.train);
    CHECK(count(dataset.validation_mask) == shape.validation);
    CHECK(count(dataset.test_mask) == shape.test);
    check_masks_disjoint(dataset);
  }
  for (const GraphShape& shape : graph_shapes()) CHECK(shape.train + shape.validation + shape.test <= shape.nodes);
}

TEST_CASE("a scaled shape has its numbers of nodes divided, and nothing else") {
  for (const GraphShape& shape : graph_shapes()) {
    INFO(shape.name);
    const std::int64_t scale = std::max<std::int64_t>(shape.nodes / 20000, 2);
    const GenerateConfig config{.shape = shape.name, .scale = scale};
    const Dataset dataset = generate_csbm(config);
    const GraphCounts counts = count_csbm(config);
    CHECK(dataset.name == std::string("csbm-") + shape.name + "-1/" + std::to_string(scale));
    CHECK(dataset.nodes() == shape.nodes / scale);
    CHECK(dataset.classes == shape.classes);
    CHECK(dataset.features() == shape.features);
    CHECK(dataset.adjacency.entries() ==
          2 * std::llround(static_cast<double>(shape.nodes / scale) * shape.mean_degree / 2));
    const std::int64_t train = shape.balanced_train
                                   ? shape.classes * std::max<std::int64_t>(shape.train / shape.classes / scale, 1)
                                   : shape.train / scale;
    CHECK(count(dataset.train_mask) == train);
    CHECK(count(dataset.validation_mask) == std::max<std::int64_t>(shape.validation / scale, 1));
    CHECK(count(dataset.test_mask) == std::max<std::int64_t>(shape.test / scale, 1));
    CHECK(counts.train == train);
    CHECK(counts.nodes == dataset.nodes());
  }
}

TEST_CASE("graphs too dense for their edges end all the same") {
  const Dataset cliques =
      generate_csbm({.shape = {}, .nodes = 20, .classes = 5, .features = 1, .mean_degree = 15, .homophily = 1.0});
  CHECK(cliques.adjacency.entries() <= 20 * 3);
  CHECK(inside_share(cliques) == 1.0);
  CHECK(inside_share(generate_csbm({.shape = {}, .nodes = 200, .homophily = 0.0})) == 0.0);
  CHECK(generate_csbm({.shape = {}, .nodes = 4, .classes = 4, .features = 1, .mean_degree = 1, .homophily = 1.0})
            .adjacency.entries() == 0);
}

TEST_CASE("impossible graphs") {
  CHECK(contains(config_error_of({.shape = "coral"}),
                 "dataset.generate.shape: found \"coral\", expected one of cora, pubmed"));
  CHECK(contains(config_error_of({.shape = {}, .nodes = 0}), "dataset.generate.nodes: found 0"));
  CHECK(contains(config_error_of({.shape = {}, .nodes = 3, .classes = 4}),
                 "dataset.generate.classes: found 4, expected 1 to 3"));
  CHECK(contains(config_error_of({.shape = {}, .features = 0}), "dataset.generate.features: found 0"));
  CHECK(contains(config_error_of({.shape = {}, .nodes = 5, .mean_degree = 4.5}),
                 "dataset.generate.mean_degree: found 4.5"));
  CHECK(contains(config_error_of({.shape = {}, .mean_degree = -1}), "dataset.generate.mean_degree: found -1"));
  CHECK(contains(config_error_of({.shape = {}, .homophily = 1.5}), "dataset.generate.homophily: found 1.5"));
  CHECK(contains(config_error_of({.shape = {}, .feature_signal = NAN}), "dataset.generate.feature_signal: found nan"));
  CHECK(contains(config_error_of({.shape = {}, .mean_degree = 1e300}), "dataset.generate.mean_degree: found 1e+300,"));
  CHECK(contains(config_error_of({.shape = {}, .seed = 9007199254740992}),
                 "dataset.generate.seed: found 9007199254740992, expected 0 to 9007199254740991"));
}

TEST_CASE("the portable logarithm and the normal numbers made of it") {
  for (double x : {1e-300, 1e-9, 0.1, 0.5, 0.70710678118654752, 0.99999, 1.0, 1.5, 3.0, 1e300}) {
    CHECK(std::abs(portable_log(x) - std::log(x)) <= 1e-15 * std::max(1.0, std::abs(std::log(x))));
  }
  NormalSource normal(9);
  double sum = 0, squares = 0, fourth = 0;
  constexpr int n = 200000;
  for (int i = 0; i < n; ++i) {
    const double v = normal.next();
    sum += v;
    squares += v * v;
    fourth += v * v * v * v;
  }
  CHECK(std::abs(sum / n) < 5 / std::sqrt(n));
  CHECK(std::abs(squares / n - 1) < 5 * std::sqrt(2.0 / n));
  CHECK(std::abs(fourth / n - 3) < 5 * std::sqrt(96.0 / n));
}
