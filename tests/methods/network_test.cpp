// Initial weights, growth, and the forward pass of the model.
#include "host/core/error.hpp"
#include "host/methods/common/predictor.hpp"
#include "tests/methods/admm/compare.hpp"

using namespace gamlp;
using namespace gamlp::test;

namespace {

bool same_weights(const LayerWeights& a, const LayerWeights& b) {
  return a.w.rows() == b.w.rows() && a.w.cols() == b.w.cols() && a.b == b.b &&
         std::equal(a.w.data(), a.w.data() + a.w.size(), b.w.data());
}

bool is_identity(const LayerWeights& layer) {
  bool good = true;
  for (std::int64_t i = 0; i < layer.w.rows(); ++i) {
    good = good && layer.b[static_cast<std::size_t>(i)] == 0.0f;
    for (std::int64_t j = 0; j < layer.w.cols(); ++j) good = good && layer.w(i, j) == (i == j ? 1.0f : 0.0f);
  }
  return good;
}

Network trained_like(std::uint64_t seed) {  // 2 layers of width 6
  Setup s;
  s.widths = {9, 6, 4}, s.nodes = 1, s.seed = seed;
  return start_of(s).network;
}

Matrix inputs(std::int64_t rows, std::int64_t cols) {
  Matrix x(rows, cols);
  Random random(12);
  for (float& value : x.view().flat()) value = static_cast<float>(random.normal());
  return x;
}

}  // namespace

TEST_CASE("the forward pass is the model's, in blocks of rows") {
  const Network network = trained_like(1);
  for (const ActivationRule& f :
       {ActivationRule{}, ActivationRule{Activation::leaky_relu, 0.2f}, ActivationRule{Activation::tanh, 0.0f}}) {
    for (const std::int64_t rows : {1, 5000}) {
      const Matrix x = inputs(rows, 9);
      Setup s;
      s.activation = f, s.admm.nu = s.admm.rho = 1.0, s.admm.weight_decay_first = 0.0;
      s.widths = {9, 6, 4};
      reference::State state;
      for (const LayerWeights& layer : network) {
        reference::Layer l;
        l.w = dense(layer.w), l.b.assign(layer.b.begin(), layer.b.end());
        state.layers.push_back(l);
      }
      state.layers.front().p = dense(x);
      reference::forward(state, rules_of(s).f);
      const reference::Dense difference =
          reference::sum(dense(forward(network, f, x.view())), state.layers.back().z, -1.0);
      // Two layers of sums of at most ten terms of size |W||x| < 30; tanh off by 3e-7 each.
      CHECK(reference::largest(difference) <= 30 * 20 * 0x1p-24);
    }
  }
}

TEST_CASE("growth by identities with a kept head leaves the function unchanged") {
  for (const ActivationRule& f : {ActivationRule{}, ActivationRule{Activation::leaky_relu, 0.01f}}) {
    const Network before = trained_like(2);
    const Matrix x = inputs(50, 9), scores = forward(before, ActivationRule{}, x.view());
    Network grown_once = grown(before, 5, {}, 1);
    const Network after = grown(grown_once, 10, {}, 1);
    REQUIRE(after.size() == 10);
    if (f.kind == Activation::leaky_relu) continue;  // negative values shrink once more per layer
    const Matrix now = forward(after, f, x.view());
    CHECK(std::equal(scores.data(), scores.data() + scores.size(), now.data()));
    CHECK(same_weights(after.front(), before.front()));
    CHECK(same_weights(after.back(), before.back()));
    for (std::size_t l = 1; l < 9; ++l) CHECK(is_identity(after[l]));
  }
}

TEST_CASE("a head can restart as a rectangular identity, and new layers can be random") {
  const Network before = trained_like(3);
  MethodConfig restart, normal;
  restart.growth_head = GrowthHead::restart;
  normal.init = Init::normal;
  const Network restarted = grown(before, 4, restart, 1);
  CHECK(is_identity(restarted.back()));
  CHECK(restarted.back().w.rows() == 4);
  const Network random = grown(before, 4, normal, 1), again = grown(before, 4, normal, 1);
  CHECK_FALSE(is_identity(random[1]));
  for (std::size_t l = 0; l < 4; ++l) CHECK(same_weights(random[l], again[l]));
  CHECK_FALSE(same_weights(random[1], random[2]));
  CHECK_FALSE(same_weights(random[1], grown(before, 4, normal, 2)[1]));
  CHECK_THROWS_AS(grown(restarted, 2, {}, 1), std::logic_error);
}

TEST_CASE("initial weights have the asked-for scale and depend on seed and layer only") {
  const std::vector<std::int64_t> widths = layer_widths(4, 300, 50, 7);
  CHECK(widths == std::vector<std::int64_t>{300, 50, 50, 50, 7});
  MethodConfig method, as_paper;
  method.init_scale_first = 0.02;
  const Network network = initial_network(widths, method, 5);
  double sum2 = 0.0;
  for (const float w : network.front().w.view().flat()) sum2 += static_cast<double>(w) * static_cast<double>(w);
  // 15,000 draws: the variance is within 6 standard errors, sqrt(2/15000) each.
  CHECK(sum2 / 15000.0 == Approx(4e-4).epsilon(6.0 * std::sqrt(2.0 / 15000.0)));
  for (std::size_t l = 1; l < 4; ++l) CHECK(is_identity(network[l]));
  CHECK(same_weights(network.front(), initial_network(layer_widths(2, 300, 50, 7), method, 5).front()));
  CHECK_FALSE(same_weights(network.front(), initial_network(widths, method, 6).front()));
  as_paper.init = Init::normal;
  const Network paper = initial_network(widths, as_paper, 5);
  CHECK_FALSE(is_identity(paper[2]));
  CHECK(paper[0].b[0] != 0.0f);
}

TEST_CASE("PyTorch's initialisation is uniform in ±1/sqrt(inputs), for every layer") {
  MethodConfig method;
  method.init = Init::pytorch;
  const std::vector<std::int64_t> widths = layer_widths(4, 300, 50, 7);
  const Network network = initial_network(widths, method, 5);
  for (std::size_t l = 0; l < network.size(); ++l) {
    const double bound = 1.0 / std::sqrt(static_cast<double>(widths[l]));
    double sum2 = 0.0, largest = 0.0;
    for (const float w : network[l].w.view().flat()) {
      sum2 += static_cast<double>(w) * static_cast<double>(w);
      largest = std::max(largest, std::fabs(static_cast<double>(w)));
    }
    for (const float b : network[l].b) largest = std::max(largest, std::fabs(static_cast<double>(b)));
    const auto n = static_cast<double>(network[l].w.size());
    // E w² = bound²/3; the variance of w² is 4/45 bound⁴.
    CHECK(sum2 / n == Approx(bound * bound / 3.0).margin(6.0 * bound * bound * std::sqrt(4.0 / 45.0 / n)));
    CHECK(largest <= bound);
    CHECK(largest > 0.9 * bound);
  }
  CHECK_FALSE(same_weights(network[1], network[2]));
  method.growth_head = GrowthHead::restart;
  CHECK_FALSE(same_weights(grown(network, 5, method, 5).back(), network.back()));
  // Of layer 1 in fewer coordinates: by the inputs that these stand for.
  const Network reduced = initial_network(layer_widths(2, 40, 50, 7), method, 5, 300);
  double largest = 0.0;
  for (const float w : reduced.front().w.view().flat()) largest = std::max(largest, std::fabs(static_cast<double>(w)));
  CHECK(largest <= 1.0 / std::sqrt(300.0));
  CHECK(largest > 0.99 / std::sqrt(300.0));
}

TEST_CASE("weights that are not finite are named") {
  Network network = trained_like(4);
  CHECK_NOTHROW(check_finite(network));
  network[1].b[2] = INFINITY;
  CHECK_THROWS_WITH(check_finite(network), "layer 2: b is not finite");
  network[0].w(3, 3) = NAN;
  CHECK_THROWS_WITH(check_finite(network), "layer 1: W is not finite");
}
