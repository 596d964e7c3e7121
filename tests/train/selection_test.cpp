// Which weights of a stage count as its best.
#include "host/train/selection.hpp"

#include <cmath>

#include "tests/support/catch.hpp"

namespace gamlp::test {
namespace {

BestWeights best_of(std::int64_t epoch, std::int64_t stage_epoch, double validation) {
  BestWeights best;
  best.epoch = epoch, best.stage_epoch = stage_epoch;
  best.accuracies.validation = validation;
  best.network.resize(1);
  return best;
}

}  // namespace

TEST_CASE("the first weights of a stage count, then better ones, and without validation the latest") {
  CHECK(takes_place({}, 0.0, 500));
  CHECK_FALSE(takes_place(best_of(3, 3, 0.75), 0.75, 500));
  CHECK(takes_place(best_of(3, 3, 0.75), 0.752, 500));  // a node
  CHECK_FALSE(takes_place(best_of(3, 3, 0.75), 0.748, 500));
  CHECK(takes_place(best_of(3, 3, std::nan("")), std::nan(""), 0));
  CHECK(takes_place(best_of(3, 0, std::nan("")), std::nan(""), 0));
}

TEST_CASE("what a stage starts from stays until others are better by half a standard error") {
  // sqrt(0.75 · 0.25 / 500) / 2 = 0.0097: 4.8 nodes. Of 50,000 nodes, 0.001: 48.4.
  CHECK_FALSE(takes_place(best_of(30, 0, 0.75), 0.75 + 4.0 / 500, 500));
  CHECK(takes_place(best_of(30, 0, 0.75), 0.75 + 5.0 / 500, 500));
  CHECK_FALSE(takes_place(best_of(30, 0, 0.75), 0.75 + 48.0 / 50000, 50000));
  CHECK(takes_place(best_of(30, 0, 0.75), 0.75 + 49.0 / 50000, 50000));
  CHECK_FALSE(takes_place(best_of(30, 0, 1.0), 1.0, 500));
  CHECK(takes_place(best_of(30, 0, 0.0), 0.002, 500));
}

}  // namespace gamlp::test
