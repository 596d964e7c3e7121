#include "host/graph/csr_build.hpp"

#include <stdexcept>

#include "tests/graph/random_graph.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;
using namespace gamlp::test;

TEST_CASE("edges become sorted rows without duplicates") {
  const std::vector<Edge> edges = {{2, 1}, {0, 2}, {2, 0}, {0, 2}, {1, 1}, {2, 1}};
  const Csr csr = csr_from_edges(4, edges);
  CHECK(csr.indptr == std::vector<std::int64_t>{0, 1, 2, 4, 4});
  CHECK(csr.indices == std::vector<std::int32_t>{2, 1, 0, 1});
  CHECK(csr.values.empty());
  CHECK(well_formed(csr_from_edges(1, {})));
  CHECK_THROWS_AS(csr_from_edges(2, std::vector<Edge>{{0, 2}}), std::logic_error);
}

TEST_CASE("sorting a row adds the values of equal columns in their order") {
  Csr csr;
  csr.rows = 3;
  csr.cols = 5;
  csr.indptr = {0, 4, 4, 6};
  csr.indices = {4, 1, 4, 0, 2, 3};
  csr.values = {1, 2, 4, 8, 16, 32};
  sort_and_merge(csr);
  CHECK(well_formed(csr));
  CHECK(csr.indptr == std::vector<std::int64_t>{0, 3, 3, 5});
  CHECK(csr.indices == std::vector<std::int32_t>{0, 1, 4, 2, 3});
  CHECK(csr.values == std::vector<float>{8, 2, 5, 16, 32});
}

TEST_CASE("a transpose moves every value") {
  Csr csr = random_graph(17, 60, 3);
  for (std::int64_t e = 0; e < csr.entries(); ++e) csr.values.push_back(static_cast<float>(e + 1));
  const Csr t = transposed(csr);
  REQUIRE(well_formed(t));
  const Dense a = dense_of(csr), b = dense_of(t);
  for (std::int64_t i = 0; i < 17; ++i) {
    for (std::int64_t j = 0; j < 17; ++j) CHECK(a(i, j) == b(j, i));
  }
}
