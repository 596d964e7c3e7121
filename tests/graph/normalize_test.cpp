#include "host/graph/normalize.hpp"

#include <cmath>

#include "tests/graph/random_graph.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;
using namespace gamlp::test;

namespace {

struct Case {
  std::int64_t nodes, edges;
};
const Case cases[] = {{1, 0}, {1, 3}, {2, 1}, {7, 4}, {30, 20}, {30, 400}};

// The definition: A+I with one loop per node, degrees as its row sums.
Dense reference(const Csr& adjacency, PropagationOperator op) {
  Dense a = dense_of(adjacency);
  for (std::int64_t i = 0; i < a.rows; ++i) a(i, i) = 1.0;
  std::vector<double> degree(static_cast<std::size_t>(a.rows), 0.0);
  for (std::int64_t i = 0; i < a.rows; ++i) {
    for (std::int64_t j = 0; j < a.cols; ++j) degree[i] += a(i, j);
  }
  for (std::int64_t i = 0; i < a.rows; ++i) {
    for (std::int64_t j = 0; j < a.cols; ++j) {
      a(i, j) /= op == PropagationOperator::symmetric ? std::sqrt(degree[i] * degree[j]) : degree[i];
    }
  }
  return a;
}

}  // namespace

TEST_CASE("symmetrising is the union with the transpose") {
  for (const Case& c : cases) {
    const Csr adjacency = random_graph(c.nodes, c.edges, 11);
    const Csr both = symmetrized(adjacency);
    REQUIRE(well_formed(both));
    CHECK(both.values.empty());
    const Dense a = dense_of(adjacency), s = dense_of(both);
    for (std::int64_t i = 0; i < c.nodes; ++i) {
      for (std::int64_t j = 0; j < c.nodes; ++j) CHECK(s(i, j) == std::max(a(i, j), a(j, i)));
    }
    CHECK(symmetrized(both).indices == both.indices);
  }
}

TEST_CASE("self-loops are dropped, and nothing else") {
  for (const Case& c : cases) {
    const Csr adjacency = random_graph(c.nodes, c.edges, 12);
    const Csr bare = without_self_loops(adjacency);
    REQUIRE(well_formed(bare));
    const Dense a = dense_of(adjacency), b = dense_of(bare);
    for (std::int64_t i = 0; i < c.nodes; ++i) {
      for (std::int64_t j = 0; j < c.nodes; ++j) CHECK(b(i, j) == (i == j ? 0.0 : a(i, j)));
    }
  }
}

TEST_CASE("the propagation matrix is its definition, directed graphs and self-loops included") {
  for (const Case& c : cases) {
    for (const bool symmetric_graph : {false, true}) {
      for (const auto op : {PropagationOperator::symmetric, PropagationOperator::random_walk}) {
        Csr adjacency = random_graph(c.nodes, c.edges, 13);
        if (symmetric_graph) adjacency = symmetrized(adjacency);
        const Csr propagation = propagation_matrix(adjacency, op);
        REQUIRE(well_formed(propagation));
        const Dense got = dense_of(propagation), want = reference(adjacency, op);
        for (std::size_t k = 0; k < want.values.size(); ++k) {
          CHECK(std::abs(got.values[k] - want.values[k]) <= 0x1p-24 * want.values[k] * 1.001);  // one float rounding
        }
      }
    }
  }
}

TEST_CASE("an isolated node keeps its own features") {
  const Csr propagation = propagation_matrix(csr_from_edges(3, std::vector<Edge>{{0, 1}, {1, 0}}), {});
  CHECK(dense_of(propagation)(2, 2) == 1.0);
  CHECK(std::abs(dense_of(propagation)(0, 1) - 0.5) < 1e-7);
}

TEST_CASE("existing self-loops change nothing") {
  const Csr with = csr_from_edges(3, std::vector<Edge>{{0, 1}, {1, 0}, {1, 1}, {2, 2}});
  const Csr a = propagation_matrix(with, PropagationOperator::symmetric);
  const Csr b = propagation_matrix(without_self_loops(with), PropagationOperator::symmetric);
  CHECK(a.indices == b.indices);
  CHECK(a.values == b.values);
}
