// The operators of directed, weighted and looped graphs against matrices computed by hand from PyG's definitions:
// gcn_norm (add_remaining_self_loops; degree: the weights that enter a node; out[v] = Σ_{u→v} d_u^-1/2 w d_v^-1/2 x[u])
// and the random walk (out[v] = Σ_{u→v} w x[u] / d_v). Rows below are v, columns u.
#include <cmath>

#include "tests/graph/random_graph.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;
using namespace gamlp::test;

namespace {

Csr graph(std::int64_t nodes, const std::vector<Edge>& edges, const std::vector<float>& weights = {}) {
  Csr out = csr_with_duplicates(nodes, edges, weights);
  sort_and_merge(out);
  return out;
}

void check_matrix(const Csr& got, const std::vector<std::vector<double>>& want) {
  const Dense dense = dense_of(got);
  REQUIRE(dense.rows == static_cast<std::int64_t>(want.size()));
  for (std::int64_t i = 0; i < dense.rows; ++i) {
    for (std::int64_t j = 0; j < dense.cols; ++j) {
      INFO("row " << i << ", column " << j);
      CHECK(std::abs(dense(i, j) - want[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)]) <= 0x1p-24);
    }
  }
}

constexpr auto symmetric = PropagationOperator::symmetric;
constexpr auto random_walk = PropagationOperator::random_walk;

}  // namespace

TEST_CASE("features pass along the edges of a directed graph, or against them") {
  const Csr chain = graph(3, {{0, 1}, {1, 2}});
  const double r = 1 / std::sqrt(2.0);
  // Degrees with loops, incoming: 1, 2, 2; outgoing: 2, 2, 1.
  check_matrix(propagation_matrix(gathering(chain, Direction::in), symmetric), {{1, 0, 0}, {r, 0.5, 0}, {0, 0.5, 0.5}});
  check_matrix(propagation_matrix(gathering(chain, Direction::out), symmetric),
               {{0.5, 0.5, 0}, {0, 0.5, r}, {0, 0, 1}});
  check_matrix(propagation_matrix(gathering(chain, Direction::in), random_walk),
               {{1, 0, 0}, {0.5, 0.5, 0}, {0, 0.5, 0.5}});
  check_matrix(propagation_matrix(gathering(chain, Direction::out), random_walk),
               {{0.5, 0.5, 0}, {0, 0.5, 0.5}, {0, 0, 1}});
}

TEST_CASE("weights enter the degrees, a loop keeps its weight, an isolated node its features") {
  // 0→1 of weight 3, a loop of weight 2 at 1, 3→1 of weight ½; node 2 has no edge. Incoming: 1, 5.5, 1, 1.
  const Csr in = gathering(graph(4, {{0, 1}, {1, 1}, {3, 1}}, {3, 2, 0.5f}), Direction::in);
  const double r = 1 / std::sqrt(5.5);
  check_matrix(propagation_matrix(in, symmetric),
               {{1, 0, 0, 0}, {3 * r, 2 / 5.5, 0, 0.5 * r}, {0, 0, 1, 0}, {0, 0, 0, 1}});
  check_matrix(propagation_matrix(in, random_walk),
               {{1, 0, 0, 0}, {3 / 5.5, 2 / 5.5, 0, 0.5 / 5.5}, {0, 0, 1, 0}, {0, 0, 0, 1}});
  // Without the loop of the file node 1 gets one of weight 1. Incoming: 1, 4.5, 1, 1.
  check_matrix(propagation_matrix(without_self_loops(in), random_walk),
               {{1, 0, 0, 0}, {3 / 4.5, 1 / 4.5, 0, 0.5 / 4.5}, {0, 0, 1, 0}, {0, 0, 0, 1}});
}

TEST_CASE("repeated edges: one without weights, their sum with weights") {
  const std::vector<Edge> twice = {{0, 1}, {0, 1}, {1, 1}, {1, 1}};
  check_matrix(propagation_matrix(gathering(graph(2, twice), Direction::in), random_walk), {{1, 0}, {0.5, 0.5}});
  // 0→1 weighs 1 + 2, the loop 4 + 1 (PyG keeps the last of two loops, 1).
  check_matrix(propagation_matrix(gathering(graph(2, twice, {1, 2, 4, 1}), Direction::in), random_walk),
               {{1, 0}, {3.0 / 8, 5.0 / 8}});
}

TEST_CASE("symmetrising keeps the larger weight of both directions") {
  const Csr both = symmetrized(graph(4, {{0, 1}, {1, 0}, {1, 2}, {3, 3}, {3, 0}}, {2, 3, 0.5f, 7, 1}));
  check_matrix(both, {{0, 3, 0, 1}, {3, 0, 0.5, 0}, {0, 0.5, 0, 0}, {1, 0, 0, 7}});
  REQUIRE(both.values.size() == both.indices.size());
  // A graph that is symmetric already stays as it is, weights included.
  CHECK(symmetrized(both).values == both.values);
  CHECK(symmetrized(both).indices == both.indices);
}

TEST_CASE("weights that are all 1 give the bits of no weights") {
  const Csr plain = random_graph(30, 200, 5);
  Csr ones = plain;
  ones.values.assign(ones.indices.size(), 1.0f);
  for (const auto op : {symmetric, random_walk}) {
    CHECK(propagation_matrix(ones, op).values == propagation_matrix(plain, op).values);
  }
}
