// gamlp plan's answers: speedup, refusals, what would fit.
#include "host/device/accelerator.hpp"
#include "host/device/cuda_sizes.hpp"
#include "tests/plan/support.hpp"
#include "tests/support/methods.hpp"

namespace gamlp::test {
namespace {

PlanSubject deep(const std::vector<std::string>& overrides = {}) {
  return plan_subject(
      small_config(
          joined({"model.width=256", R"(stages=[{"layers": 2, "epochs": 5}, {"layers": 8, "epochs": 7}])"}, overrides)),
      counts_of(2000, 256, 8));
}

Machine with_memory(double bytes, int devices = 8) {
  nlohmann::ordered_json json = simple_gpus(devices);
  json["memory_per_device"] = bytes;
  json["link"]["bandwidth"] = 1e12;
  return machine_of(json);
}

std::vector<GridPlan> grids_of(const PlanSubject& subject, const Machine& machine, int devices) {
  return plan_grids(subject, machine, make_plan(subject, machine, devices));
}

}  // namespace

TEST_CASE("stages of several methods are planned each by its own, on measured workers too") {
  const std::string own = R"({"name":"adam","dropout":0.5,"optimizer":{"schedule":{"kind":"cosine"}}})";
  const auto planned = [](const std::string& stages) {
    const Machine machine = load_machine(std::string(GAMLP_SOURCE_DIR) + "/configs/machines/cpu.json", "");
    return make_plan(plan_subject(small_config({"devices=auto", "stages=" + stages}), counts_of(400, 300, 3)), machine,
                     2);
  };
  const Plan mixed = planned(R"([{"layers":3,"epochs":5},{"layers":6,"epochs":7,"method":)" + own + "}]");
  const Plan admm = planned(R"([{"layers":3,"epochs":5}])");
  REQUIRE(mixed.stages.size() == 2);
  CHECK(mixed.stages[0].method == "pdadmm-g");
  CHECK(mixed.stages[1].method == "adam");
  CHECK(mixed.stages[0].step == admm.stages[0].step);
  CHECK(mixed.stages[1].step == mixed.forecast.step);
  CHECK(mixed.forecast.boundary.up == 4 * 400 * small_config().model.width);  // activations in float32
  CHECK(to_json(mixed)["stages"][1]["method"] == "adam");
}

TEST_CASE("a plan adds up") {
  const PlanSubject subject = deep();
  const Machine machine = with_memory(1e12);
  const Plan one = make_plan(subject, machine, 1), four = make_plan(subject, machine, 4);
  CHECK(one.speedup() == 1.0);
  CHECK(four.one_device == one.forecast.step);
  CHECK(four.speedup() > 2.5);
  CHECK(four.speedup() <= 4.0);
  REQUIRE(four.stages.size() == 2);
  CHECK(four.run_seconds == Approx(5 * four.stages[0].step + 7 * four.stages[1].step));
  CHECK(four.stages[1].step == four.forecast.step);
  CHECK(four.fits());
  const nlohmann::ordered_json json = to_json(four);
  CHECK(json["per_device"].size() == 4);
  CHECK(json["partition"].size() == 4);
  CHECK(json["bytes_per_epoch"] == 3 * (four.forecast.boundary.down + four.forecast.boundary.up));
  check_says(four.limit(), "uneven layers");
  // A plan is a function of its inputs.
  CHECK(to_json(make_plan(subject, machine, 4)) == json);
}

TEST_CASE("a plan says what compression brings, by the bytes that workers send and the link") {
  const auto planned = [](double bandwidth, const std::string& bits) {
    nlohmann::ordered_json json = simple_gpus(4);
    json["link"]["bandwidth"] = bandwidth;
    const std::string squeeze = R"({"warmup_share": 0.2, "bits": )" + bits + "}";
    return make_plan(
        plan_subject(small_config({"method.name=apmsqueeze", "method.microbatches=4", "model.width=256",
                                   R"(stages=[{"layers": 8, "epochs": 10}])", "method.squeeze=" + squeeze}),
                     counts_of(400, 256, 8)),
        machine_of(json), 4);
  };
  // On a link so slow that nothing else counts, a run takes 1/(w + (1 − w) b/32) of the time, w its warm-up.
  const Plan slow = planned(1e5, "1"), eight = planned(1e5, "8"), fast = planned(1e13, "1");
  REQUIRE(slow.compresses);
  CHECK(slow.forecast.placement.shards == 4);
  CHECK(slow.uncompressed_seconds == Approx(eight.uncompressed_seconds).epsilon(1e-6));
  CHECK(slow.uncompressed_seconds / slow.run_seconds == Approx(1 / (0.2 + 0.8 / 32)).epsilon(0.05));
  CHECK(eight.uncompressed_seconds / eight.run_seconds == Approx(1 / (0.2 + 0.8 / 4)).epsilon(0.05));
  CHECK(fast.uncompressed_seconds / fast.run_seconds < 1.03);
  CHECK(to_json(slow)["uncompressed_run_seconds"] == slow.uncompressed_seconds);
  // Two groups of two add up float32 within, and exchange a bit per value between them.
  const Plan grouped = planned(1e5, R"(1, "group": 2)");
  CHECK(grouped.run_seconds > slow.run_seconds);
  CHECK(grouped.run_seconds < 0.7 * grouped.uncompressed_seconds);
  const Plan adam = make_plan(deep({"method.name=adam"}), with_memory(1e12), 2);
  CHECK_FALSE(adam.compresses);
  CHECK(adam.uncompressed_seconds == adam.run_seconds);
  CHECK_FALSE(to_json(adam).contains("uncompressed_run_seconds"));
}

TEST_CASE("a plan says what PowerSGD and top-k bring, and has the memory of their warm-up") {
  const auto planned = [](const std::vector<std::string>& set) {
    nlohmann::ordered_json json = simple_gpus(2);
    json["link"]["bandwidth"] = 1e5;
    std::vector<std::string> all = {"method.name=adam", "method.microbatches=4",
                                    "model.width=256",  R"(stages=[{"layers": 8, "epochs": 50}])",
                                    "devices=auto",     "partition.shards=2"};
    all.insert(all.end(), set.begin(), set.end());
    return make_plan(plan_subject(small_config(all), counts_of(400, 256, 8)), machine_of(json), 2);
  };
  const Plan plain = planned({});
  const double values = 7 * (256 * 256 + 256) + 8 * 256 + 8;  // of 256 inputs, 7 hidden layers and 8 classes
  for (const auto& [format, warmup, sent] : {std::tuple{"powersgd", 10.0, 7 * (2.0 * 512 + 256) + 2 * 264 + 8},
                                             {"powersgd", 0.0, 7 * (2.0 * 512 + 256) + 2 * 264 + 8},
                                             {"top_k", 10.0, 0.01 * values * 6 / 8}}) {
    const std::string text = format;
    const Plan plan =
        planned({"method.gradients=" + text, "method." + text + ".warmup=" + std::to_string(static_cast<int>(warmup))});
    const double share = warmup / 50;
    INFO(text << ", warm-up " << warmup);
    REQUIRE(plan.compresses);
    CHECK(plan.uncompressed_seconds / plain.run_seconds == Approx(1.0).epsilon(0.02));
    CHECK(plan.uncompressed_seconds / plan.run_seconds ==
          Approx(1 / (share + (1 - share) * sent / values)).epsilon(0.05));
    // The sums in float32 of the warm-up, beside what is exchanged after it.
    const auto exchange = [](const Plan& of) {
      return of.forecast.per_device.front().memory.bytes[static_cast<std::size_t>(MemoryKind::exchange)];
    };
    CHECK((exchange(plan) > exchange(plain)) == (warmup > 0));
  }
}

TEST_CASE("a plan says how many micro-batches have memory for their activations") {
  const auto planned = [](int devices, const std::string& shards) {
    const Plan plan =
        make_plan(deep({"method.name=adam", "method.microbatches=12", "devices=auto", "partition.shards=" + shards}),
                  with_memory(1e12), devices);
    CHECK(to_json(plan)["in_flight"] == plan.forecast.in_flight);
    return plan.forecast.in_flight;
  };
  CHECK(planned(1, "1") == "a device has memory for the activations of 1 of its 12 micro-batches");
  CHECK(planned(4, "1") == "a device has memory for the activations of 5 of its 12 micro-batches");
  CHECK(planned(8, "4") == "a device has memory for the activations of 3 of its 3 micro-batches");
  CHECK(to_json(make_plan(deep(), with_memory(1e12), 2)).count("in_flight") == 0);
}

TEST_CASE("devices that are not there are refused") {
  check_says(error_of<ConfigError>([] { make_plan(deep(), with_memory(1e12, 4), 5); }),
             "5 devices: made-up GPUs (test.json) has 4");
  check_says(error_of<ConfigError>([] { make_plan(deep(), with_memory(1e12, 16), 9); }),
             "possible are up to 8 devices");
}

TEST_CASE("every grid of the devices is forecast, and the fastest that fits is named") {
  const auto of = [](const std::vector<std::string>& more) {
    return plan_subject(
        small_config(joined({"devices=auto", "model.width=256", R"(stages=[{"layers": 3, "epochs": 7}])"}, more)),
        counts_of(40000, 256, 8));
  };
  const Machine machine = with_memory(1e12);
  for (const std::string update : {"method.update=gradient", "method.update=exact"}) {
    const PlanSubject subject = of({update});
    const std::vector<GridPlan> grids = grids_of(subject, machine, 6);
    REQUIRE(grids.size() == 3);  // 3 × 2, 2 × 3, 1 × 6: 16 blocks are enough
    for (const GridPlan& grid : grids) {
      CHECK(grid.ranges * grid.shards == 6);
      const Plan plan = make_plan(of({update, "partition.shards=" + std::to_string(grid.shards)}), machine, 6);
      CHECK(grid.step == plan.forecast.step);
      CHECK(grid.memory_needed == plan.memory_needed);
      CHECK(grid.fits);
    }
    CHECK(fastest(grids)->step == std::min({grids[0].step, grids[1].step, grids[2].step}));
    CHECK(fastest(grids)->shards == 6);  // no layer is like the others
    CHECK(grids_of(of({update, "partition.shards=2"}), machine, 6).empty());
    // Where memory is short, only grids that fit are named.
    for (const double share : {0.9, 0.7, 0.5, 0.3}) {
      const Machine small = with_memory(share * grids[0].memory_needed);
      std::vector<GridPlan> fitting = grids_of(subject, small, 6);
      for (const GridPlan& grid : fitting) {
        CHECK(grid.fits ==
              make_plan(of({update, "devices=cpu:6", "partition.shards=" + std::to_string(grid.shards)}), small, 6)
                  .fits());
      }
      const GridPlan* named = fastest(fitting);
      const bool any = std::any_of(fitting.begin(), fitting.end(), [](const GridPlan& grid) { return grid.fits; });
      CHECK((named != nullptr) == any);
      CHECK((named == nullptr || named->fits));
    }
  }
  // 4 devices for 2 layers are 2 shards, so layer 1 has all inputs, although they are more than the nodes.
  const PlanSubject wide =
      plan_subject(small_config({"devices=auto", "method.update=exact", R"(stages=[{"layers": 2, "epochs": 7}])"}),
                   counts_of(5000, 9000, 3));
  CHECK(make_plan(wide, machine, 4).forecast.placement.shards == 2);
  // 400 nodes are one block.
  const PlanSubject few = plan_subject(small_config(), counts_of(400, 256, 8));
  CHECK(grids_of(few, machine, 4).size() == 1);
  CHECK(fastest(grids_of(few, with_memory(100), 4)) == nullptr);
}

TEST_CASE("on several hosts a grid has two orders, and the plan says what crosses the network") {
  const PlanSubject subject = plan_subject(small_config({"devices=auto", "method.update=gradient", "model.width=64",
                                                         R"(stages=[{"layers": 4, "epochs": 7}])"}),
                                           counts_of(40000, 60, 8));
  const Machine hosts = on_hosts(with_memory(1e12), 2, 100);
  const std::vector<GridPlan> grids = plan_grids(subject, hosts, make_plan(subject, hosts, 4));
  REQUIRE(grids.size() == 4);
  CHECK((grids[1].shards == 2 && grids[1].order == RankOrder::shards));
  CHECK((grids[2].shards == 2 && grids[2].order == RankOrder::layers));
  CHECK_FALSE((grids[0].order || grids[3].order));
  CHECK(grids[2].step < 0.5 * grids[1].step);
  const auto of = [&](std::int64_t shards, RankOrder order) {
    Config config = subject.given;
    config.partition.shards = shards, config.partition.order = order;
    return make_plan(plan_subject(config, subject.counts), hosts, 4);
  };
  const Plan by_shards = of(2, RankOrder::shards), by_layers = of(2, RankOrder::layers);
  CHECK(by_shards.forecast.step == grids[1].step);
  CHECK(by_layers.forecast.step == grids[2].step);
  // p and q, whose message has 16 bytes before the codes of each shard; and what two shards' sums take on both sides.
  CHECK(by_shards.forecast.network_bytes == static_cast<std::uint64_t>(by_shards.forecast.boundary.down));
  CHECK(by_layers.forecast.network_bytes * 2 == by_layers.forecast.shard_bytes());
  // Over 4 shards a host sends a whole tensor of sums, of the 6 that all members send; without the sums within it two.
  const Plan four = of(4, RankOrder::shards);
  const double share =
      static_cast<double>(four.forecast.network_bytes) / static_cast<double>(four.forecast.shard_bytes());
  CHECK(share > 1.0 / 6);
  CHECK(share < 0.25);  // with the sums of a few values, which all send all
  CHECK(to_json(by_layers)["order"] == "layers");
  CHECK(to_json(by_layers)["network_bytes_per_epoch"] == by_layers.forecast.network_bytes);
  CHECK(make_plan(subject, with_memory(1e12), 4).forecast.network_bytes == 0);
  // Where shards are given, their order is open still.
  Config given = subject.given;
  given.partition.shards = 2;
  const PlanSubject two = plan_subject(given, subject.counts);
  const std::vector<GridPlan> orders = plan_grids(two, hosts, make_plan(two, hosts, 4));
  REQUIRE(orders.size() == 2);
  CHECK(fastest(orders)->order == RankOrder::layers);
}

TEST_CASE("a stage of fewer layers stays on the first hosts") {
  const PlanSubject subject =
      plan_subject(small_config({"devices=auto", "method.update=gradient", "model.width=64", "partition.shards=1",
                                 R"(stages=[{"layers": 2, "epochs": 5}, {"layers": 4, "epochs": 7}])"}),
                   counts_of(40000, 60, 8));
  const Machine one = with_memory(1e12);
  const Plan apart = make_plan(subject, on_hosts(one, 2, 100), 4), together = make_plan(subject, one, 4);
  CHECK(apart.stages[0].step == together.stages[0].step);  // on two devices of one host
  CHECK(apart.stages[1].step > 2 * together.stages[1].step);
}

TEST_CASE("each host needs memory for its own workers") {
  Machine one = parse_machine(std::string(built_in_machines().at("cpu")), "cpu");
  one.devices = 4;
  const PlanSubject subject = plan_subject(
      small_config({"devices=auto", "model.width=64", "partition.shards=4", R"(stages=[{"layers": 2, "epochs": 7}])"}),
      counts_of(40000, 60, 8));
  const Plan together = make_plan(subject, one, 4), apart = make_plan(subject, on_hosts(one, 4, 1000), 4);
  double all = 0, most = 0;
  for (const DeviceForecast& device : apart.forecast.per_device) {
    all += static_cast<double>(device.memory.peak);
    most = std::max(most, static_cast<double>(device.memory.peak));
  }
  CHECK(together.memory_needed == Approx(together.host_memory + all));
  CHECK(apart.memory_needed == Approx(apart.host_memory + most));
  CHECK(apart.memory_available == together.memory_available);
}

TEST_CASE("what would fit does") {
  const PlanSubject subject = deep({"method.update=exact"});
  const Plan one = make_plan(subject, with_memory(1e12), 1);
  // Room for a share of what the program asks for, beside what training and evaluation have on a GPU for themselves.
  const auto with_share = [](double needed, double share) {
    const double own = 2 * static_cast<double>(kCudaWorkspaceBytes);
    return with_memory(own + share * (needed - own));
  };
  const Machine small = with_share(one.memory_needed, 1.0 / 3.0);
  CHECK_FALSE(make_plan(subject, small, 1).fits());
  const std::vector<std::string> ways = what_would_fit(subject, small, 1);
  REQUIRE(ways.size() >= 2);
  check_says(ways[0], " devices");
  const int enough = std::stoi(ways[0]);
  CHECK(make_plan(subject, small, enough).fits());
  CHECK_FALSE(make_plan(subject, small, enough - 1).fits());
  check_says(ways[1], "model.width=");
  const std::int64_t width = std::stoll(ways[1].substr(ways[1].find('=') + 1));
  const auto of_width = [&](std::int64_t w) {
    PlanSubject other = subject;
    other.config.model.width = w;
    return make_plan(other, small, 1);
  };
  CHECK(of_width(width).fits());
  CHECK_FALSE(of_width(width + 1).fits());
  CHECK(what_would_fit(subject, with_memory(100), 1).empty());
  // An update that is left to the program may change with the width: the advice counts that in.
  const PlanSubject open =
      plan_subject(small_config({"model.width=800", "method.update=auto", R"(stages=[{"layers": 8, "epochs": 7}])"}),
                   counts_of(2000, 256, 8));
  REQUIRE(admm_of(open.config).update == Update::gradient);
  const Machine tight = with_share(make_plan(open, with_memory(1e12), 1).memory_needed, 0.7);
  for (const std::string& way : what_would_fit(open, tight, 1)) {
    if (way.rfind("model.width=", 0) != 0) continue;
    Config narrower = open.given;
    narrower.model.width = std::stoll(way.substr(way.find('=') + 1));
    CHECK(make_plan(plan_subject(narrower, open.counts), tight, 1).fits());
  }
}

TEST_CASE("where tensors of nodes do not fit GPUs, a plan gives them what is left") {
  const auto with = [](double bytes, double host_bandwidth) {
    nlohmann::ordered_json json = simple_gpus(2);
    json["memory_per_device"] = bytes;
    json["host_bandwidth"] = host_bandwidth;
    return machine_of(json);
  };
  for (const std::string method : {"method.update=gradient", "method.update=exact"}) {
    const auto of = [&](const std::vector<std::string>& more = {}) {
      return plan_subject(
          small_config(
              joined({method, "model.width=64", "devices=auto", R"(stages=[{"layers": 4, "epochs": 7}])"}, more)),
          counts_of(40000, 60, 8));
    };
    INFO(method);
    const Plan whole = make_plan(of(), with(1e12, 1e10), 1);
    CHECK_FALSE(whole.node_memory.has_value());
    CHECK(whole.forecast.busiest().staged_bytes == 0);
    // On so small a machine the inputs of the evaluation are not resident.
    const auto least_on = [&](double bytes) {
      return make_plan(of({"node_memory=0"}), with(bytes, 1e10), 1).memory_needed;
    };
    const double least = least_on(least_on(1e12)), nodes = whole.memory_needed - least;
    double step = whole.forecast.step, moved = 0;
    for (const double share : {0.5, 0.3, 0.0}) {
      const double bytes = least + share * nodes;
      const Machine machine = with(bytes, 1e10);
      const Plan plan = make_plan(of(), machine, 1);
      INFO("room for " << share << " of the nodes");
      REQUIRE(plan.fits());
      const double left = std::max(0.95 * bytes - least, 0.0);  // some memory is left free
      CHECK(*plan.node_memory == static_cast<std::int64_t>(left / 1e6));
      CHECK(plan.memory_needed > least + left - 4 * 40000 * 64 - 1e6);  // no more tensors fit
      const DeviceForecast& device = plan.forecast.per_device.front();
      CHECK(static_cast<double>(device.staged_bytes) >= moved);
      moved = static_cast<double>(device.staged_bytes);
      CHECK(plan.forecast.step >= 0.999 * step);
      step = plan.forecast.step;
      CHECK(device.staging == Approx(moved / 1e10));
      CHECK(device.waiting >= 0.999 * device.staging_exposed);
      // Copies in both directions pass at once.
      CHECK(plan.forecast.step >= 0.5 * moved / 1e10);
      // The same as where the config says it.
      const Plan said = make_plan(of({"node_memory=" + std::to_string(*plan.node_memory)}), machine, 1);
      CHECK(said.forecast.step == plan.forecast.step);
      CHECK(said.memory_needed == plan.memory_needed);
      // Copies that cost nothing hide.
      const Plan fast = make_plan(of(), with(bytes, 1e18), 1);
      CHECK(fast.forecast.step == Approx(whole.forecast.step).epsilon(0.01));
    }
    CHECK_FALSE(make_plan(of(), with(least - 1, 1e10), 1).fits());
    // Nobody knows what copies take.
    nlohmann::ordered_json json = simple_gpus(2);
    json["memory_per_device"] = least + 0.5 * nodes;
    CHECK_FALSE(make_plan(of(), machine_of(json), 1).fits());
    check_says(error_of<DataError>([&] { make_plan(of({"node_memory=0"}), machine_of(json), 1); }),
               "host_bandwidth: missing");
    const std::vector<GridPlan> grids = grids_of(of(), with(least + 0.1 * nodes, 1e10), 2);
    REQUIRE(grids.size() == 2);
    for (const GridPlan& grid : grids) {
      CHECK(grid.fits);
      CHECK(grid.staged);
    }
    CHECK(what_would_fit(of(), machine_of(json), 1).back() == "node_memory=0");
  }
}

TEST_CASE("the memory of CPU workers counts together, with the inputs") {
  nlohmann::ordered_json json = simple_workers();
  Machine machine = machine_of(json);
  // Figures for every op: those that the ops' families ask for, all of one rate.
  const PlanSubject subject = deep();
  for (;;) {
    try {
      const Plan plan = make_plan(subject, machine, 2);
      double devices = 0;
      for (const DeviceForecast& d : plan.forecast.per_device) devices += static_cast<double>(d.memory.peak);
      CHECK(plan.host_memory > 0);
      CHECK(plan.memory_needed == Approx(devices + plan.host_memory));
      CHECK(plan.memory_available == 1e9);
      break;
    } catch (const DataError& error) {
      const std::string text = error.what();
      const std::string mark = "no figures for ";
      const std::size_t at = text.find(mark);
      REQUIRE(at != std::string::npos);
      const std::string family = text.substr(at + mark.size(), text.find(';') - at - mark.size());
      machine.seconds[1][family] = {{{100, 100, 100}, 1e-4}};
    }
  }
}

}  // namespace gamlp::test
