// Correct and Smooth against its definition in dense double precision.
#include "host/graph/correct_and_smooth.hpp"

#include <cmath>

#include "host/graph/augment.hpp"
#include "tests/graph/random_graph.hpp"
#include "tests/support/catch.hpp"

namespace gamlp::test {
namespace {

constexpr std::int64_t kNodes = 150, kClasses = 4;

Matrix some_probabilities() {
  Random random(5);
  Matrix z(kNodes, kClasses);
  for (std::int64_t i = 0; i < kNodes; ++i) {
    double sum = 0.0;
    for (std::int64_t c = 0; c < kClasses; ++c)
      sum += static_cast<double>(z(i, c) = static_cast<float>(random.uniform()));
    for (std::int64_t c = 0; c < kClasses; ++c) z(i, c) /= static_cast<float>(sum);
  }
  return z;
}

std::vector<std::int32_t> some_labels() {
  Random random(6);
  std::vector<std::int32_t> labels(kNodes, -1);
  for (std::size_t i = 0; i < kNodes; i += 3) labels[i] = static_cast<std::int32_t>(random.below(kClasses));
  return labels;
}

Dense iterated(const Dense& s, const Dense& start, double alpha, int iterations) {
  Dense x = start;
  for (int i = 0; i < iterations; ++i) {
    x = product(s, x);
    for (std::size_t j = 0; j < x.values.size(); ++j)
      x.values[j] = (1.0 - alpha) * start.values[j] + alpha * x.values[j];
  }
  return x;
}

Dense expected(const Dense& s, const Matrix& probabilities, const std::vector<std::int32_t>& labels,
               const CorrectAndSmooth& options) {
  Dense z(kNodes, kClasses), error(kNodes, kClasses);
  double sum = 0.0;
  int known = 0;
  for (std::int64_t i = 0; i < kNodes; ++i) {
    const std::int32_t label = labels[static_cast<std::size_t>(i)];
    known += label >= 0;
    for (std::int64_t c = 0; c < kClasses; ++c) {
      z(i, c) = static_cast<double>(probabilities(i, c));
      if (label >= 0) error(i, c) = (label == c) - z(i, c);
      sum += std::fabs(error(i, c));
    }
  }
  if (options.correct > 0) {
    error = iterated(s, error, options.correct, options.iterations);
    for (std::int64_t i = 0; i < kNodes; ++i) {
      double size = 0.0;
      for (std::int64_t c = 0; c < kClasses; ++c) size += std::fabs(error(i, c));
      for (std::int64_t c = 0; size > 0 && c < kClasses; ++c) z(i, c) += sum / known / size * error(i, c);
    }
  }
  if (options.smooth <= 0) return z;
  for (std::int64_t i = 0; i < kNodes; ++i) {
    for (std::int64_t c = 0; labels[static_cast<std::size_t>(i)] >= 0 && c < kClasses; ++c) {
      z(i, c) = labels[static_cast<std::size_t>(i)] == c;
    }
  }
  return iterated(s, z, options.smooth, options.iterations);
}

}  // namespace

TEST_CASE("Correct and Smooth equals its definition") {
  const Csr graph = propagation_matrix(symmetrized(random_graph(kNodes, 260, 3)), PropagationOperator::symmetric);
  const Matrix z = some_probabilities();
  const std::vector<std::int32_t> labels = some_labels();
  for (const CorrectAndSmooth& options :
       {CorrectAndSmooth{0.8, 0.8}, CorrectAndSmooth{0.0, 0.9}, CorrectAndSmooth{0.5, 0.0},
        CorrectAndSmooth{1.0, 1.0, 7}, CorrectAndSmooth{0.3, 0.6, 1}}) {
    INFO(options.correct << " " << options.smooth << " " << options.iterations);
    const Dense wanted = expected(dense_of(graph), z, labels, options);
    const Matrix got = correct_and_smooth(graph, z, labels, options);
    double error = 0.0, moved = 0.0;
    for (std::int64_t i = 0; i < kNodes; ++i) {
      for (std::int64_t c = 0; c < kClasses; ++c) {
        error = std::max(error, std::fabs(static_cast<double>(got(i, c)) - wanted(i, c)));
        moved = std::max(moved, std::fabs(static_cast<double>(got(i, c)) - static_cast<double>(z(i, c))));
      }
    }
    CHECK(error < 2e-6);
    CHECK(moved > 0.1);
    CorrectAndSmooth parallel = options;
    parallel.threads = 3;
    const auto bits = [](const Matrix& m) { return std::vector<float>(m.data(), m.data() + m.size()); };
    CHECK(bits(correct_and_smooth(graph, z, labels, parallel)) == bits(got));
  }
}

TEST_CASE("Correct and Smooth stays finite far from every label") {
  // A path: at its end the error of the first node is no normal float.
  std::vector<Edge> edges;
  for (std::int32_t i = 0; i + 1 < kNodes; ++i) edges.push_back({i, i + 1});
  const Csr graph = propagation_matrix(symmetrized(csr_from_edges(kNodes, edges)), PropagationOperator::symmetric);
  std::vector<std::int32_t> labels(kNodes, -1);
  labels[0] = 2;
  const Matrix z = some_probabilities(), got = correct_step(graph, z, labels, {0.1, 0.0, 60});
  double most = 0.0;
  for (std::int64_t c = 0; c < kClasses; ++c) most += std::fabs((c == 2) - static_cast<double>(z(0, c)));
  std::int64_t reached = 0;
  for (std::int64_t i = 0; i < kNodes; ++i) {
    double moved = 0.0;
    for (std::int64_t c = 0; c < kClasses; ++c) moved += std::fabs(static_cast<double>(got(i, c) - z(i, c)));
    CHECK(moved < most * 1.001);
    reached += moved > 0.0;
  }
  CHECK(reached > 25);
}

TEST_CASE("Correct and Smooth leaves alone what no label reaches") {
  const Csr graph = propagation_matrix(random_graph(kNodes, 0, 3), PropagationOperator::symmetric);  // loops alone
  const Matrix z = some_probabilities();
  const std::vector<std::int32_t> labels = some_labels();
  const Matrix got = correct_and_smooth(graph, z, labels, {});
  const Matrix off = correct_and_smooth(graph, z, labels, {0.0, 0.0});
  for (std::int64_t i = 0; i < kNodes; ++i) {
    const std::int32_t label = labels[static_cast<std::size_t>(i)];
    for (std::int64_t c = 0; c < kClasses; ++c) {
      const double wanted = label < 0 ? static_cast<double>(z(i, c)) : label == c;
      CHECK(std::fabs(static_cast<double>(got(i, c)) - wanted) < 1e-6);
      CHECK(off(i, c) == z(i, c));
    }
  }
  const std::vector<std::int32_t> none(kNodes, -1);
  const Matrix unknown = correct_and_smooth(graph, z, none, {});
  for (std::int64_t i = 0; i < z.size(); ++i) CHECK(std::fabs(unknown.data()[i] - z.data()[i]) < 1e-6f);
}

}  // namespace gamlp::test
