// Every collective between threads and on simulated devices, on 1 … 8 ranks; and what its parts are made of.
#include "host/cpu/cpu_fleet.hpp"
#include "host/sim/sim_fleet.hpp"
#include "tests/collectives/checks.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;

namespace {

#ifdef NDEBUG
constexpr int kMostRanks = 8;
#else
constexpr int kMostRanks = 5;  // instrumented builds are many times slower; the Release build runs them all
#endif

}  // namespace

TEST_CASE("collectives between CPU workers") {
  for (int ranks = 1; ranks <= kMostRanks; ++ranks) {
    for (const collectives::Check& check : collectives::kChecks) {
      const auto fleet = create_cpu_fleet(ranks, 1);
      INFO(check.name << " on " << ranks << " ranks");
      CHECK(check.run(*fleet) == "");
    }
  }
}

TEST_CASE("collectives on simulated devices run without a fault") {
  for (int ranks = 1; ranks <= kMostRanks; ++ranks) {
    for (const collectives::Check& check : collectives::kChecks) {
      sim::SimulatorOptions options;
      options.seed = static_cast<std::uint64_t>(ranks);
      SimFleet fleet(ranks, options);
      INFO(check.name << " on " << ranks << " ranks");
      CHECK(check.run(fleet) == "");
      fleet.simulator().finish();
    }
  }
}

TEST_CASE("parts cover everything, in order, as evenly as their unit allows") {
  for (const std::int64_t total : {0, 1, 63, 64, 1000, 4097}) {
    for (const int count : {1, 2, 3, 7, 8}) {
      const Parts parts = Parts::even(total, count, 64);
      REQUIRE(parts.count() == count);
      std::int64_t next = 0, least = total, most = 0;
      for (int i = 0; i < count; ++i) {
        CHECK(parts.first(i) == next);
        CHECK((parts.size(i) == 0 || parts.first(i) % 64 == 0));
        next += parts.size(i);
        least = std::min(least, parts.size(i)), most = std::max(most, parts.size(i));
      }
      CHECK(next == total);
      CHECK(parts.total() == total);
      CHECK(most - least <= 127);
    }
  }
  const Parts bytes = Parts::even(100, 3, 1).times(4);
  CHECK(bytes.total() == 400);
  CHECK(bytes.first(1) == 132);
  CHECK(bytes.size(1) == 132);
}

TEST_CASE("blocks of a member are given as branches of the tree over all blocks") {
  using Sizes = std::vector<int>;
  CHECK(branches_of(8, 0, 8) == Sizes{8});
  CHECK(branches_of(8, 4, 8) == Sizes{4});
  CHECK(branches_of(8, 2, 5) == Sizes{2, 1});
  CHECK(branches_of(8, 3, 6) == Sizes{1, 2});
  CHECK(branches_of(12, 4, 8) == Sizes{4});
  CHECK(branches_of(12, 8, 12) == Sizes{4});
  CHECK(branches_of(12, 6, 12) == Sizes{2, 4});
  CHECK(branches_of(7, 1, 6) == Sizes{1, 2, 2});
  CHECK(branches_of(8, 3, 3).empty());
  CHECK(branches_of(0, 0, 0).empty());
  // ((0 + 1) + (2 + 3)) + 4, and with 2 + 3 as one part.
  const SumTree five = sum_tree(Sizes{1, 1, 1, 1, 1}), four = sum_tree(Sizes{1, 1, 2, 1});
  CHECK(five.parts == 5);
  CHECK(std::vector<int>(five.merges.begin(), five.merges.begin() + 5) == Sizes{0, 1, 0, 2, 1});
  CHECK(std::vector<int>(four.merges.begin(), four.merges.begin() + 4) == Sizes{0, 1, 1, 1});
  CHECK_THROWS(sum_tree(Sizes{}));
  CHECK_THROWS(sum_tree(Sizes{1, 2, 1}));  // blocks 1 and 2 are not a branch
  CHECK_THROWS(sum_tree(Sizes(65, 1)));
  const BlockSums sums(Parts::even(8, 3, 1));  // blocks 0 and 1; 2, 3 and 4; 5, 6 and 7
  CHECK(sums.given().total() == 5);
  CHECK(sums.given().size(1) == 2);
  CHECK(sums.blocks() == Parts(std::vector<std::int64_t>{2, 3, 3}));
  const BlockSums two = BlockSums::of_every(Parts::even(8, 4, 1)).of_hosts(2);
  CHECK(two.blocks() == Parts(std::vector<std::int64_t>{4, 4}));
  CHECK(two.given().total() == 2);
  const auto second = sums.branches(1);
  CHECK(std::vector<int>(second.begin(), second.end()) == Sizes{2, 1});
}

TEST_CASE("a group has different ranks, and the own one") {
  CHECK(RankGroup({4, 2, 7}, 2).own() == 1);
  CHECK(RankGroup({4, 2, 7}, 7).rank(0) == 4);
  CHECK_THROWS(RankGroup({4, 2, 4}, 2));
  CHECK_THROWS(RankGroup({4, 2}, 3));
  CHECK_THROWS(RankGroup({}, 0));
  const auto per_host = [](const std::vector<int>& hosts) {
    std::vector<int> ranks;
    for (int rank = 0; rank < static_cast<int>(hosts.size()); ++rank) ranks.push_back(rank);
    return RankGroup(ranks, 0, hosts).per_host();
  };
  CHECK(RankGroup({4, 2, 7}, 2).per_host() == 0);
  CHECK(per_host({5, 5, 2, 2}) == 2);
  CHECK(per_host({0, 0, 0, 3, 3, 3}) == 3);
  CHECK(per_host({1, 1}) == 0);              // one host
  CHECK(per_host({0, 1, 2}) == 0);           // one on each
  CHECK(per_host({0, 1, 0, 1}) == 0);        // dealt out
  CHECK(per_host({0, 0, 1, 1, 1, 1}) == 0);  // not as many on each
  CHECK(per_host({0, 0, 1}) == 0);
  CHECK(per_host({0, 0, 1, 2, 1, 2}) == 0);
}
