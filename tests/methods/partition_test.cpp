#include "host/methods/common/partition.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

#include "host/math/random.hpp"
#include "host/methods/admm/admm_config.hpp"
#include "host/methods/registry.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;

namespace {

double most_expensive(const std::vector<double>& costs, const std::vector<LayerRange>& ranges) {
  double worst = 0.0;
  for (const LayerRange& r : ranges) {
    worst = std::max(worst, std::accumulate(costs.begin() + r.first - 1, costs.begin() + r.last, 0.0));
  }
  return worst;
}

// Every way to cut the layers from `from` on into `parts` runs.
double best_cut(const std::vector<double>& costs, std::size_t from, int parts) {
  if (parts == 1) return std::accumulate(costs.begin() + static_cast<std::ptrdiff_t>(from), costs.end(), 0.0);
  double best = 1e300, head = 0.0;
  for (std::size_t cut = from + 1; cut + static_cast<std::size_t>(parts) - 1 <= costs.size(); ++cut) {
    head += costs[cut - 1];
    best = std::min(best, std::max(head, best_cut(costs, cut, parts - 1)));
  }
  return best;
}

MethodConfig method_of(Update update) {
  MethodConfig method;
  AdmmConfig admm;
  admm.update = update;
  set_options(method, admm);
  return method;
}

}  // namespace

TEST_CASE("each device has one place in the grid, and neighbours are of the same layers or of the same shard") {
  Placement placement;
  placement.ranges = {{1, 2}, {3, 3}, {4, 9}};
  placement.shards = 4;
  for (const RankOrder order : {RankOrder::shards, RankOrder::layers}) {
    placement.order = order;
    std::vector<int> seen(12, 0);
    for (int range = 0; range < 3; ++range) {
      for (int shard = 0; shard < 4; ++shard) {
        const int rank = placement.rank(range, shard);
        ++seen.at(static_cast<std::size_t>(rank));
        CHECK(placement.range_of(rank) == range);
        CHECK(placement.shard_of(rank) == shard);
        CHECK(placement.layers_of(rank) == placement.ranges[static_cast<std::size_t>(range)]);
        CHECK(placement.speaks(rank) == (shard == 0));
      }
    }
    CHECK(seen == std::vector<int>(12, 1));
  }
  CHECK(placement.rank(1, 2) == 7);
  CHECK(placement.ranks_of(0) == std::vector<int>{0, 3, 6, 9});
  placement.order = RankOrder::shards;
  CHECK(placement.rank(1, 2) == 6);
  CHECK(placement.ranks_of(0) == std::vector<int>{0, 1, 2, 3});
}

TEST_CASE("every layer has one device, and no partition is better balanced") {
  Random random(1);
  for (int trial = 0; trial < 60; ++trial) {
    std::vector<double> costs(1 + random.below(9));
    for (double& c : costs) c = trial % 3 == 0 ? 1.0 : 0.01 + std::pow(10.0, 3.0 * random.uniform());
    for (int devices = 1; devices <= 11; ++devices) {
      const std::vector<LayerRange> ranges = partition_layers(costs, devices);
      REQUIRE(ranges.size() == std::min(costs.size(), static_cast<std::size_t>(devices)));
      int next = 1;
      for (const LayerRange& r : ranges) {
        CHECK(r.first == next);
        CHECK(r.count() >= 1);
        next = r.last + 1;
      }
      CHECK(next == static_cast<int>(costs.size()) + 1);
      CHECK(most_expensive(costs, ranges) ==
            Approx(best_cut(costs, 0, static_cast<int>(ranges.size()))).epsilon(1e-12));
    }
  }
}

TEST_CASE("costs follow the products of a layer") {
  const std::vector<std::int64_t> widths = {2000, 500, 500, 500, 7};
  for (const Update update : {Update::gradient, Update::exact}) {
    const std::vector<double> costs = make_method(method_of(update))->layer_costs(widths, 5000, InputKind::plain);
    REQUIRE(costs.size() == 4);
    CHECK(costs[1] == costs[2]);
    CHECK(costs[3] < costs[2]);
    for (const double c : costs) CHECK(c > 0.0);
  }
  // gradient: 4 products for inner layers, 2 for the first, which has no p.
  const std::vector<double> costs =
      make_method(method_of(Update::gradient))->layer_costs(widths, 5000, InputKind::plain);
  CHECK(costs[1] >= 4.0 * 2.0 * 500 * 500 * 5000);
  CHECK(costs[1] <= 1.3 * 4.0 * 2.0 * 500 * 500 * 5000);
  CHECK(costs[0] >= 2.0 * 2.0 * 2000 * 500 * 5000);
  CHECK(make_method(method_of(Update::exact))->layer_costs({5000, 100, 7}, 140, InputKind::kernel)[0] <
        make_method(method_of(Update::exact))->layer_costs({5000, 100, 7}, 140, InputKind::plain)[0]);
  // backpropagation: 3 products, 2 for the first.
  MethodConfig adam;
  adam.name = "adam";
  const std::vector<double> of_adam = make_method(adam)->layer_costs(widths, 5000, InputKind::plain);
  CHECK(of_adam[1] >= 3.0 * 2.0 * 500 * 500 * 5000);
  CHECK(of_adam[1] <= 1.2 * 3.0 * 2.0 * 500 * 500 * 5000);
  CHECK(of_adam[0] >= 2.0 * 2.0 * 2000 * 500 * 5000);
  CHECK(of_adam[0] <= 1.2 * 2.0 * 2.0 * 2000 * 500 * 5000);
}
