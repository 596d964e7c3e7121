// The grid of a run is chosen by forecast where the config leaves it open.
#include "host/plan/choose_grid.hpp"

#include "tests/plan/support.hpp"

namespace gamlp::test {
namespace {

ChosenDevices workers(int count, int available = 0) {
  ChosenDevices devices;
  devices.count = count;
  devices.available = available;
  return devices;
}

Config of_layers(int layers, const std::vector<std::string>& more = {}) {
  return small_config(
      joined({"devices=auto", "model.width=64", "stages=[{\"layers\": " + std::to_string(layers) + ", \"epochs\": 5}]"},
             more));
}

}  // namespace

TEST_CASE("a run takes the grid that plan names the fastest, and says what the others take") {
  for (const std::string method : {"method.update=gradient", "method.update=exact", "method.name=adam"}) {
    for (const auto& [layers, count] : {std::pair{3, 2}, {3, 4}, {5, 4}, {4, 6}, {2, 8}}) {
      INFO(method << ", " << layers << " layers, " << count << " devices");
      Config config = of_layers(layers, {method, "method.microbatches=16"});
      const ProblemCounts counts = counts_of(40000, 60, 8);
      Machine machine = parse_machine(std::string(built_in_machines().at("cpu")), "cpu");
      machine.devices = 8;
      const PlanSubject subject = plan_subject(config, counts);
      const std::vector<GridPlan> grids = plan_grids(subject, machine, make_plan(subject, machine, count));
      REQUIRE(grids.size() > 1);
      ChosenDevices devices = workers(count);
      const std::string note = choose_grid(config, devices, counts.shape, {});
      double chosen = 0, best = 1e9;
      for (const GridPlan& grid : grids) {
        best = std::min(best, grid.step);
        if (grid.shards == config.partition.shards) chosen = grid.step;
      }
      CHECK(chosen > 0);
      CHECK(chosen <= best / 0.99);
      CHECK(devices.count == count);
      check_says(note, "layers × shards of the training nodes: " + std::to_string(count / *config.partition.shards) +
                           " × " + std::to_string(*config.partition.shards) + ", forecast ");
      CHECK(static_cast<std::size_t>(std::count(note.begin(), note.end(), ',')) == grids.size() - 1);
    }
  }
}

TEST_CASE("what the config says of the grid is not changed, nor what the nodes allow only once") {
  const auto chosen = [](const Config& given, std::int64_t nodes, std::int64_t inputs) {
    Config config = given;
    ChosenDevices devices = workers(2);
    CHECK(choose_grid(config, devices, {nodes, inputs, 8}, {}) == "");
    CHECK(devices.count == 2);
    return config.partition;
  };
  CHECK(*chosen(of_layers(4, {"partition.shards=2"}), 40000, 60).shards == 2);
  CHECK_FALSE(chosen(of_layers(4, {"partition.layers=[1,3]"}), 40000, 60).shards.has_value());
  CHECK(*chosen(of_layers(4), 2000, 60).shards == 1);  // one block
  CHECK(*chosen(of_layers(4, {"method.name=adam", "method.microbatches=1"}), 40000, 60).shards == 1);
  // Shards would give layer 1 other coordinates.
  CHECK(*chosen(of_layers(4, {"method.update=exact"}), 9000, 10000).shards == 1);
}

TEST_CASE("more devices that could be had do not change what is trained") {
  const auto chosen = [](Config config, std::int64_t nodes, std::int64_t inputs) {
    const ProblemShape shape{nodes, inputs, 8};
    Config before = config;
    before.partition.shards = 1;
    const std::vector<InputKind> kinds = resolve_problem(before, shape);
    ChosenDevices devices = workers(static_cast<int>(config.stages.back().layers), 16);
    choose_grid(config, devices, shape, {});
    ProblemShape sharded = shape;
    sharded.shards = *config.partition.shards;
    CHECK(resolve_problem(config, sharded) == kinds);
    CHECK(to_json(config)["method"] == to_json(before)["method"]);
    return devices.count;
  };
  CHECK(chosen(of_layers(2, {"method.name=adam"}), 500, 60) == 2);         // one micro-batch
  CHECK(chosen(of_layers(2, {"method.name=adam"}), 2500, 60) == 2);        // two, which 2 × 2 devices make no faster
  CHECK(chosen(of_layers(4, {"method.update=exact"}), 9000, 10000) == 4);  // the V × V form
  CHECK(chosen(of_layers(4, {"method.update=exact"}), 40000, 60) == 16);
}

TEST_CASE("devices of several hosts get the fewest shards") {
  for (const auto& [count, shards] : {std::pair{4, 1}, {8, 2}}) {
    Config config = of_layers(4);
    ChosenDevices devices = workers(count);
    for (int i = 0; i < count; ++i) devices.hosts.push_back(i / (count / 2));
    choose_grid(config, devices, {40000, 60, 8}, {});
    CHECK(*config.partition.shards == shards);
  }
}

TEST_CASE("on several hosts the order is that of the fewest bytes between them, the grid that of a known network") {
  const auto chosen = [](const std::vector<std::string>& more, std::int64_t nodes, std::vector<int> hosts,
                         std::string* note = nullptr) {
    Config config = of_layers(4, joined({"method.update=gradient"}, more));
    ChosenDevices devices = workers(static_cast<int>(hosts.size()));
    devices.hosts = std::move(hosts);
    const std::string said = choose_grid(config, devices, {nodes, 60, 8}, {});
    if (note != nullptr) *note = said;
    return config.partition;
  };
  const std::vector<int> blocks = {0, 0, 0, 0, 1, 1, 1, 1}, dealt = {0, 1, 0, 1, 0, 1, 0, 1};
  // 8 workers for 4 layers are 2 shards. Of many nodes p and q are most of what is sent.
  std::string note;
  CHECK(chosen({}, 40000, blocks, &note).order == RankOrder::layers);
  check_says(note, "layers × shards of the training nodes: 4 × 2 by layers, forecast ");
  check_says(note, " MB per iteration between hosts (4 × 2 by shards ");
  // Ranks that are dealt out: those of one host are every second one, so the shards of a pair are apart.
  CHECK(chosen({}, 40000, dealt).order == RankOrder::shards);
  // Of wide layers and few nodes the sums are.
  CHECK(chosen({"model.width=1000"}, 5000, blocks).order == RankOrder::shards);
  CHECK(chosen({"partition.order=shards"}, 40000, blocks).order == RankOrder::shards);
  CHECK(chosen({"partition.shards=2"}, 40000, blocks).order == RankOrder::layers);
  CHECK(chosen({"partition.shards=4"}, 40000, blocks).shards == 4);
  // A network that is known: 100 Mbit/s carry the sums of narrow layers, and not p and q of many nodes.
  const PartitionConfig slow = chosen({"distributed.network=100"}, 40000, {0, 1});
  CHECK(slow.shards == 2);
  CHECK_FALSE(slow.order.has_value());
  CHECK(chosen({}, 40000, {0, 1}).shards == 1);
  CHECK(chosen({"distributed.network=100", "model.width=1000"}, 5000, {0, 1}, &note).shards == 1);
  check_says(note, " ms per iteration (1 × 2 ");
}

TEST_CASE("micro-batches that nobody chose are those of the grid with the fewest shards") {
  Config config = of_layers(4, {"method.name=adam"});
  ChosenDevices devices = workers(4);
  choose_grid(config, devices, {40000, 60, 8}, {});
  Config least = of_layers(4, {"method.name=adam", "partition.shards=1"});
  ProblemShape shape{40000, 60, 8};
  resolve_problem(least, shape);
  shape.shards = *config.partition.shards;
  resolve_problem(config, shape);
  CHECK(to_json(least)["method"] == to_json(config)["method"]);
}

TEST_CASE("where the number of devices is open, a run gets as many as have a grid") {
  const auto taken = [](int layers, std::int64_t nodes, ChosenDevices devices) {
    Config config = of_layers(layers);
    choose_grid(config, devices, {nodes, 60, 8}, {});
    CHECK(devices.count % config.partition.shards.value_or(1) == 0);
    return devices;
  };
  CHECK(taken(3, 40000, workers(3, 8)).count == 8);
  CHECK(taken(3, 40000, workers(3, 7)).count == 7);  // 7 shards
  CHECK(taken(3, 5000, workers(3, 8)).count == 6);   // 2 blocks
  CHECK(taken(3, 2000, workers(3, 8)).count == 3);   // 1 block
  CHECK(taken(3, 40000, workers(3)).count == 3);
  CHECK(taken(3, 2000, workers(4)).count == 4);  // has none, which others refuse
  ChosenDevices gpus = workers(3, 8);
  gpus.kind = DeviceKind::cuda;
  gpus.cuda = {0, 1, 2};
  CHECK(taken(3, 40000, gpus).cuda == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7});
}

}  // namespace gamlp::test
