#include "host/graph/augment.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "host/graph/normalize.hpp"
#include "tests/graph/random_graph.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;
using namespace gamlp::test;

namespace {

Dense features_of(const Dataset& dataset) {
  if (dataset.sparse_features) return dense_of(dataset.features_sparse);
  Dense out(dataset.nodes(), dataset.features());
  std::copy_n(dataset.features_dense.data(), dataset.features_dense.size(), out.values.begin());
  return out;
}

// Every value of X and, beside it, the sum of the magnitudes that it was added up from: what rounding scales with.
void check_against_definition(const Dataset& dataset, const Csr& propagation, std::span<const std::int32_t> nodes,
                              const AugmentOptions& options) {
  const Matrix x = augment(propagation, dataset, nodes, options);
  const std::int64_t d = dataset.features();
  REQUIRE(x.rows() == static_cast<std::int64_t>(nodes.size()));
  REQUIRE(x.cols() == options.hops * d);
  const Dense a = dense_of(propagation);
  Dense block = features_of(dataset);
  Dense magnitude = block;
  for (double& value : magnitude.values) value = std::abs(value);
  std::int64_t longest = 0;
  for (std::int64_t i = 0; i < propagation.rows; ++i) {
    longest = std::max(longest, propagation.indptr[i + 1] - propagation.indptr[i]);
  }
  for (std::int64_t k = 0; k < options.hops; ++k) {
    const double unit = static_cast<double>(k * (longest + 1)) * 0x1p-24 * 1.01;  // a product and a sum per neighbour
    bool close = true;
    for (std::int64_t r = 0; r < x.rows(); ++r) {
      for (std::int64_t j = 0; j < d; ++j) {
        close = close && std::abs(x(r, k * d + j) - block(nodes[r], j)) <= unit * magnitude(nodes[r], j);
      }
    }
    INFO("hop " << k);
    CHECK(close);
    block = product(a, block);
    magnitude = product(a, magnitude);
  }
}

std::vector<std::int32_t> all_nodes(std::int64_t n) {
  std::vector<std::int32_t> ids(static_cast<std::size_t>(n));
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

bool same_bits(const Matrix& a, const Matrix& b) {
  return a.size() == b.size() &&
         std::memcmp(a.data(), b.data(), sizeof(float) * static_cast<std::size_t>(a.size())) == 0;
}

}  // namespace

TEST_CASE("augmentation equals the dense definition") {
  struct Shape {
    std::int64_t nodes, edges, features;
  };
  for (const Shape& s : {Shape{1, 0, 1}, Shape{1, 1, 3}, Shape{5, 2, 2}, Shape{40, 30, 7}, Shape{90, 900, 19}}) {
    for (const bool sparse : {false, true}) {
      const Dataset dataset = random_dataset(s.nodes, s.edges, s.features, sparse, 21);
      for (const auto op : {PropagationOperator::symmetric, PropagationOperator::random_walk}) {
        const Csr propagation = propagation_matrix(dataset.adjacency, op);
        for (std::int64_t hops = 1; hops <= 6; ++hops) {
          check_against_definition(dataset, propagation, all_nodes(s.nodes), {hops, 2, 4});
        }
      }
    }
  }
}

TEST_CASE("augmentation of a few nodes, in any order and repeated, gives their rows") {
  for (const bool sparse : {false, true}) {
    const Dataset dataset = random_dataset(80, 120, 9, sparse, 22);
    const Csr propagation = propagation_matrix(dataset.adjacency, PropagationOperator::symmetric);
    const std::vector<std::int32_t> few = {79, 3, 3, 41};
    check_against_definition(dataset, propagation, few, {5, 2, 4});
    const Matrix all = augment(propagation, dataset, all_nodes(80), {5, 1, 256});
    const Matrix rows = augment(propagation, dataset, few, {5, 1, 256});
    for (std::size_t r = 0; r < few.size(); ++r) {
      CHECK(std::memcmp(rows.row(static_cast<std::int64_t>(r)), all.row(few[r]), sizeof(float) * 45) == 0);
    }
    CHECK(augment(propagation, dataset, {}, {5, 2, 4}).rows() == 0);
  }
}

TEST_CASE("a directed graph propagates along its rows") {
  Dataset dataset = random_dataset(30, 0, 3, false, 23);
  dataset.adjacency = random_graph(30, 60, 24);
  const Csr propagation = propagation_matrix(dataset.adjacency, PropagationOperator::random_walk);
  check_against_definition(dataset, propagation, all_nodes(30), {4, 2, 2});
  check_against_definition(dataset, propagation, std::vector<std::int32_t>{4}, {4, 2, 2});
}

TEST_CASE("threads and column blocks change no bit") {
  for (const bool sparse : {false, true}) {
    const Dataset dataset = random_dataset(700, 4000, 37, sparse, 25);
    const Csr propagation = propagation_matrix(dataset.adjacency, PropagationOperator::symmetric);
    const Matrix base = augment(propagation, dataset, all_nodes(700), {4, 1, 256});
    for (const int threads : {1, 2, 3, 8}) {
      for (const std::int64_t block : {1, 3, 8, 16, 36, 37, 1000}) {
        INFO(threads << " threads, blocks of " << block);
        CHECK(same_bits(augment(propagation, dataset, all_nodes(700), {4, threads, block}), base));
      }
    }
  }
}

TEST_CASE("features with implied values of 1 are ones") {
  Dataset dataset = random_dataset(20, 30, 6, true, 26);
  dataset.features_sparse.values.assign(dataset.features_sparse.indices.size(), 1.0f);
  const Csr propagation = propagation_matrix(dataset.adjacency, PropagationOperator::symmetric);
  const Matrix with = augment(propagation, dataset, all_nodes(20), {3, 1, 4});
  dataset.features_sparse.values.clear();
  CHECK(same_bits(augment(propagation, dataset, all_nodes(20), {3, 1, 4}), with));
}

TEST_CASE("misuse of augmentation is caught") {
  const Dataset dataset = random_dataset(4, 3, 2, false, 27);
  const Csr propagation = propagation_matrix(dataset.adjacency, PropagationOperator::symmetric);
  const std::vector<std::int32_t> outside = {4};
  CHECK_THROWS_AS(augment(propagation, dataset, outside, {2, 1, 1}), std::logic_error);
  CHECK_THROWS_AS(augment(propagation, dataset, all_nodes(4), {0, 1, 1}), std::logic_error);
  CHECK_THROWS_AS(augment(dataset.adjacency, dataset, all_nodes(4), {2, 1, 1}), std::logic_error);
}

TEST_CASE("the stated workspace grows with the block, not with all features") {
  const std::size_t wide = augment_workspace_bytes(1000, 100000, {4, 1, 256});
  CHECK(wide == augment_workspace_bytes(1000, 256, {4, 1, 256}));
  CHECK(wide >= 2 * 1000 * 256 * sizeof(float));
  CHECK(wide < 3 * 1000 * 256 * sizeof(float));
}

TEST_CASE("weights of hops grow by a factor, and the mean of their squares is 1") {
  CHECK(hop_weights(4, 1.0) == std::vector<float>(4, 1.0f));
  for (const double growth : {0.01, 0.5, 2.0, 100.0}) {
    for (const std::int64_t hops : {1, 4, 32}) {
      const std::vector<float> weights = hop_weights(hops, growth);
      REQUIRE(static_cast<std::int64_t>(weights.size()) == hops);
      double squares = 0.0;
      for (std::size_t k = 0; k < weights.size(); ++k) {
        const double w = static_cast<double>(weights[k]);
        CHECK(w > 0.0);
        squares += w * w;
        const double before = k > 0 ? static_cast<double>(weights[k - 1]) : 0.0;
        if (before > 2e-30 && w > 2e-30) CHECK(std::fabs(w / before - growth) < 1e-5 * growth);
      }
      CHECK(std::fabs(squares / static_cast<double>(hops) - 1.0) < 1e-5);
    }
  }
  Matrix x(2, 6);
  for (std::int64_t i = 0; i < x.size(); ++i) x.data()[i] = static_cast<float>(i + 1);
  scale_hops(x, {1.0f, 0.5f, 2.0f});
  CHECK(std::vector<float>(x.data(), x.data() + x.size()) ==
        std::vector<float>{1, 2, 1.5f, 2, 10, 12, 7, 8, 4.5f, 5, 22, 24});
}
