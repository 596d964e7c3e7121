// Forecasts against what CPU workers do, and against times that can be worked out.
#include <numeric>

#include "host/cpu/cpu_fleet.hpp"
#include "host/device/accelerator.hpp"
#include "host/device/cuda_sizes.hpp"
#include "host/methods/registry.hpp"
#include "host/problem/chosen_devices.hpp"
#include "host/train/stage_runner.hpp"
#include "tests/plan/support.hpp"

namespace gamlp::test {
namespace {

Config wide_config(const std::vector<std::string>& overrides = {}) {
  return small_config(joined({"model.width=64", R"(stages=[{"layers": 6, "epochs": 10}])", "devices=auto"}, overrides));
}

}  // namespace

TEST_CASE("memory and bytes of a forecast are those of the workers, by device and kind") {
  const std::vector<std::vector<std::string>> cases = {
      {"method.update=gradient"},
      {"method.update=exact"},
      {"method.update=exact", "dataset.hops=9"},  // fewer training nodes than inputs: layer 1 by its kernel
      {"method.update=gradient", "dataset.hops=9"},
      {"method.update=exact", "model.width=30", "dataset.split.kind=fraction"},
      {"exchange.p.bits=2", "exchange.q.bits=2", "exchange.p.coding=difference", "exchange.q.coding=difference",
       "exchange.p.range=block", "exchange.q.range=block"},
      {"exchange.p.bits=32", "exchange.q.bits=4", "exchange.q.error_feedback=true"},
      {"method.name=gd"},
      {"method.name=adam", "method.microbatches=4", "dataset.hops=9"},
      {"method.name=adam", "method.microbatches=5", "partition.shards=2"},
      {"method.update=gradient", "dataset.generate.nodes=7000", "dataset.split.kind=fraction", "partition.shards=2"},
      {"method.update=exact", "dataset.generate.nodes=7000", "dataset.split.kind=fraction", "partition.shards=2"}};
  for (const auto& overrides : cases) {
    const int shards = overrides.back() == "partition.shards=2" ? 2 : 1;
    for (const int devices : shards == 1 ? std::vector<int>{1, 2, 5} : std::vector<int>{2, 4}) {
      const auto [config, problem] =
          prepare_problem(wide_config(joined(overrides, {"devices=cpu:" + std::to_string(devices)})), 1);
      StageRunner runner(config, problem, create_cpu_fleet(devices, 1));
      runner.build(1, runner.initial(1, 0));
      runner.start();
      constexpr std::int64_t kPastFirstGradients = 6;  // in which shards add up more
      for (std::int64_t epoch = 0; epoch < kPastFirstGradients; ++epoch) {
        runner.run_all([&](int rank) { runner.program(rank).enqueue_iteration(epoch, true); });
      }
      runner.settle();
      const TransportCounters before = runner.fleet().traffic();
      runner.run_all([&](int rank) { runner.program(rank).enqueue_iteration(kPastFirstGradients, true); });
      runner.settle();

      const Machine machine = machine_of(simple_gpus(5));
      const Forecast forecast =
          forecast_stage(make_stage_spec(config, problem.shape(1), 1, devices), problem.shape(1), machine);
      REQUIRE(forecast.per_device.size() == static_cast<std::size_t>(devices));
      INFO(overrides.front() << ", " << devices << " devices");
      CHECK(forecast.placement.ranges == runner.spec().placement.ranges);
      const std::vector<MemoryUse> used = runner.fleet().memory(),
                                   need = stage_memory(runner.spec(), problem.shape(1), DeviceKind::cpu),
                                   on_gpus = stage_memory(runner.spec(), problem.shape(1), DeviceKind::cuda);
      for (std::size_t rank = 0; rank < used.size(); ++rank) {
        CHECK(need[rank].bytes == used[rank].bytes);
        CHECK(need[rank].peak == used[rank].peak);
        // GPUs have the libraries' workspace besides, and one of their own for each of these small layers.
        CHECK(forecast.per_device[rank].memory.bytes == on_gpus[rank].bytes);
        constexpr auto kWorkspace = static_cast<std::size_t>(MemoryKind::workspace);
        const auto layers = static_cast<std::size_t>(runner.spec().placement.layers_of(static_cast<int>(rank)).count());
        // With shards CPU workers have two already.
        const std::size_t own = shards == 1 ? 1 : std::min<std::size_t>(layers, 2);
        // Of several micro-batches every layer has sums of its own.
        const bool turns = overrides.size() < 2 || !overrides[1].starts_with("method.microbatches");
        if (overrides.size() < 4 && turns) {
          CHECK(own * (on_gpus[rank].bytes[kWorkspace] - kCudaWorkspaceBytes) == layers * used[rank].bytes[kWorkspace]);
        }
        MemoryUse rest = on_gpus[rank];
        rest.bytes[kWorkspace] = used[rank].bytes[kWorkspace];
        CHECK(rest.bytes == used[rank].bytes);
        CHECK(on_gpus[rank].peak ==
              std::accumulate(on_gpus[rank].bytes.begin(), on_gpus[rank].bytes.end(), std::size_t{0}));
      }
      CHECK(forecast.bytes == runner.fleet().traffic().bytes_sent - before.bytes_sent);
      if (shards == 1) {
        CHECK(static_cast<std::uint64_t>((forecast.boundary.down + forecast.boundary.up) * (devices - 1)) ==
              forecast.bytes);
      }
    }
  }
}

TEST_CASE("the memory of a forecast is that of the workers where tensors of nodes are staged") {
  for (const std::vector<std::string>& method : std::vector<std::vector<std::string>>{
           {"method.update=gradient"}, {"method.update=exact"}, {"method.name=adam", "method.microbatches=4"}}) {
    for (const std::string room : {"0", "1", "1000"}) {
      for (const int devices : {1, 2}) {
        const auto [config, problem] = prepare_problem(
            wide_config(joined(method, {"dataset.generate.nodes=7000", "dataset.split.kind=fraction",
                                        "node_memory=" + room, "devices=cpu:" + std::to_string(devices)})),
            1);
        StageRunner runner(config, problem, create_cpu_fleet(devices, 1));
        runner.build(1, runner.initial(1, 0));
        const std::vector<MemoryUse> used = runner.fleet().memory(),
                                     need = stage_memory(runner.spec(), problem.shape(1), DeviceKind::cpu);
        INFO(method.front() << ", " << room << " MB, " << devices << " devices");
        for (std::size_t rank = 0; rank < used.size(); ++rank) {
          CHECK(need[rank].bytes == used[rank].bytes);
          CHECK(need[rank].peak == used[rank].peak);
          const std::size_t host = used[rank].bytes[static_cast<std::size_t>(MemoryKind::host)];
          // Backpropagation has the inputs of layer 1 alone, about a megabyte.
          const bool inputs_only = method.front() == "method.name=adam";
          CHECK((host > 0) == (inputs_only ? room == "0" && rank == 0 : room != "1000"));
          CHECK(need[rank].total + host ==
                std::accumulate(used[rank].bytes.begin(), used[rank].bytes.end(), std::size_t{0}));
        }
      }
    }
  }
}

TEST_CASE("the sizes of a problem are known without it") {
  for (const auto& overrides : std::vector<std::vector<std::string>>{
           {},
           {"dataset.split.kind=fraction"},
           {"dataset.split.kind=file"},
           {"dataset.split.kind=file", "dataset.generate.nodes=31", "dataset.generate.classes=4"},
           {"dataset.split.kind=fraction", "dataset.generate.nodes=50", "dataset.generate.classes=7",
            "dataset.split.train_fraction=0.33"},
           {"dataset.split.kind=file", "dataset.generate.shape=cora"}}) {
    Config config = small_config(overrides);
    const ProblemCounts counts = count_problem(config.dataset);
    const Problem problem = prepare_problem(config, 1).problem;
    INFO((overrides.empty() ? "default" : overrides.back()));
    CHECK(counts.shape.train_nodes == problem.shape(1).problem.train_nodes);
    CHECK(counts.shape.inputs == problem.inputs);
    CHECK(counts.shape.classes == problem.classes);
    CHECK(counts.nodes == problem.nodes);
    CHECK(counts.features == problem.features);
    for (std::size_t i = 0; i < 3; ++i)
      CHECK(counts.parts[i] == static_cast<std::int64_t>(problem.parts[i].nodes.size()));
  }
}

TEST_CASE("with messages that cost nothing the busiest device sets the pace") {
  nlohmann::ordered_json json = simple_gpus(6);
  json["link"]["bandwidth"] = 1e18;
  const Machine machine = machine_of(json);
  const PlanSubject subject = plan_subject(wide_config({"model.width=300"}), counts_of(400, 300, 3));
  for (int devices = 1; devices <= 6; ++devices) {
    const Forecast f =
        forecast_stage(make_stage_spec(subject.config, subject.shape(1), 1, devices), subject.shape(1), machine);
    double busiest = 0;
    for (const DeviceForecast& d : f.per_device) {
      busiest = std::max(busiest, d.busy());
      CHECK(d.exposed == Approx(0.0).margin(1e-12));
    }
    INFO(devices << " devices");
    CHECK(f.step == Approx(busiest).epsilon(1e-6));
  }
}

TEST_CASE("a slow link shows, and fewer bits make up for it") {
  nlohmann::ordered_json json = simple_gpus(6);
  json["link"]["bandwidth"] = 2e8;
  const Machine machine = machine_of(json);
  const auto step = [&](const std::vector<std::string>& overrides) {
    const PlanSubject subject =
        plan_subject(wide_config(joined({"model.width=300"}, overrides)), counts_of(400, 300, 3));
    return forecast_stage(make_stage_spec(subject.config, subject.shape(1), 1, 6), subject.shape(1), machine);
  };
  const Forecast full = step({"exchange.p.bits=32", "exchange.q.bits=32"});
  const Forecast few =
      step({"exchange.p.bits=2", "exchange.q.bits=2", "exchange.p.coding=difference", "exchange.q.coding=difference"});
  // 480,000 bytes of p, then of q, one after the other: 2.4 ms each.
  CHECK(full.step >= 4.8e-3);
  CHECK(full.per_device[2].exposed > 0.5 * full.step);
  CHECK(few.step < 0.2 * full.step);
}

TEST_CASE("4,000 neurons hide their exchange: NVLink, and PCIe 4 at 8 bits") {
  // A layer per device, from fewer nodes than neurons to Flickr's.
  for (const auto& [file, most] :
       {std::pair{"dgx_h100", 0.05}, {"dgx_a100", 0.05}, {"hgx_h200", 0.05}, {"dgx_2", 0.05}, {"pcie4_a100", 0.10}}) {
    const Machine machine = load_machine(std::string(GAMLP_SOURCE_DIR) + "/configs/machines/" + file + ".json", "");
    for (const char* update : {"gradient", "exact"}) {
      for (const std::int64_t nodes : {1000, 10000, 44625}) {
        const std::string stages = R"(stages=[{"layers": )" + std::to_string(machine.devices) + R"(, "epochs": 10}])";
        const PlanSubject subject =
            plan_subject(wide_config({"model.width=4000", stages, std::string("method.update=") + update}),
                         counts_of(nodes, 2000, 7));
        const StageSpec spec = make_stage_spec(subject.config, subject.shape(1), 1, machine.devices);
        INFO(file << ", " << update << ", " << nodes << " nodes, " << machine.devices << " devices");
        CHECK(forecast_stage(spec, subject.shape(1), machine).exposed_share() <= most);
      }
    }
  }
}

TEST_CASE("the best partition is the best of all of them") {
  const Machine machine = machine_of(simple_gpus(3));
  // Layer 1 reads many inputs, so that layers cost differently.
  for (const std::int64_t inputs : {20, 900, 3000}) {
    const PlanSubject subject = plan_subject(wide_config({"model.width=80"}), counts_of(3000, inputs, 3));
    StageSpec spec = make_stage_spec(subject.config, subject.shape(1), 1, 3);
    double best = 1e9;
    for (int first = 1; first <= 4; ++first) {
      for (int second = 1; first + second <= 5; ++second) {
        spec.placement.ranges = {{1, first}, {first + 1, first + second}, {first + second + 1, 6}};
        best = std::min(best, forecast_stage(spec, subject.shape(1), machine).step);
      }
    }
    spec.placement.ranges = best_partition(spec, subject.shape(1), machine, 3);
    INFO(inputs << " inputs");
    CHECK(forecast_stage(spec, subject.shape(1), machine).step <= best * 1.002);
  }
}

TEST_CASE("a schedule of bits counts epoch by epoch") {
  nlohmann::ordered_json json = simple_gpus(6);
  json["link"]["bandwidth"] = 2e8;
  const Machine machine = machine_of(json);
  const auto planned = [&](const std::string& schedule, const std::string& bits) {
    return make_plan(plan_subject(wide_config({"model.width=300", "exchange.schedule=" + schedule,
                                               "exchange.p.bits=" + bits, "exchange.q.bits=" + bits}),
                                  counts_of(400, 300, 3)),
                     machine, 6);
  };
  const Plan sixteen = planned("[]", "16"), four = planned("[]", "4");
  REQUIRE(sixteen.stages[0].step > 1.5 * four.stages[0].step);
  const Plan mixed =
      planned(R"([{"epoch": 4, "bits": 4}, {"epoch": 900, "bits": 2}])", "16");  // 10 epochs: 2 bits never
  CHECK(mixed.run_seconds == Approx(0.4 * sixteen.run_seconds + 0.6 * four.run_seconds).epsilon(1e-3));
  CHECK(mixed.forecast.boundary.down == four.forecast.boundary.down);
  CHECK(mixed.forecast.step == Approx(four.forecast.step).epsilon(1e-3));
  CHECK(mixed.memory_needed == Approx(sixteen.memory_needed));
}

TEST_CASE("config.partition is what runs") {
  const auto [config, problem] = prepare_problem(
      wide_config({"partition=[1, 4, 1]", R"(stages=[{"layers": 3, "epochs": 2}, {"layers": 6, "epochs": 2}])"}), 1);
  CHECK(device_count(config) == 3);
  StageRunner runner(config, problem, create_cpu_fleet(3, 1));
  const std::vector<LayerRange> wanted = {{1, 1}, {2, 5}, {6, 6}};
  CHECK(runner.spec_of(2).placement.ranges == wanted);
  CHECK(runner.spec_of(1).placement.ranges.size() == 3);  // a shorter stage is balanced by cost
  // As many micro-batches as shards, also before any training.
  const PlanSubject sharded =
      plan_subject(wide_config({"method.name=adam", "partition.shards=3"}), counts_of(400, 300, 3));
  CHECK(make_stage_spec(sharded.config, sharded.shape(1), 1, 3).blocks == 3);
  check_says(error_of<ConfigError>([] { wide_config({"partition=[1, 1]"}); }),
             "`partition.layers` adds up to 2 layers");
  check_says(error_of<ConfigError>([] {
               wide_config({"partition=[3, 3]", "devices=cpu:3"});
             }),
             "`partition.layers` has 2 entries for 3 devices");
}

TEST_CASE("a process needs what loading or training needs, and more where it saves checkpoints") {
  Config config = small_config();
  ProblemCounts counts = counts_of(45, 24, 3);
  counts.features = 12, counts.nodes = counts.parts[0];
  const std::size_t megabyte = 1000000;
  MemoryUse device;
  device.bytes[static_cast<std::size_t>(MemoryKind::variables)] = 30 * megabyte;
  device.bytes[static_cast<std::size_t>(MemoryKind::weights)] = 2 * megabyte;
  device.total = device.peak = 40 * megabyte;
  resolve_problem(config, counts.shape);
  const auto needed = [&] {
    return process_memory(config, counts, {config.stages.size(), InputKind::plain}, stage_count(config),
                          {device, device});
  };
  const double plain = needed();
  CHECK(plain > 80e6);
  config.train.checkpoint_every = 5;
  CHECK(needed() == Approx(plain + 3 * 2 * 30e6));
  device.bytes[static_cast<std::size_t>(MemoryKind::host)] = 5 * megabyte;  // variables, too
  CHECK(needed() == Approx(plain + 3 * 2 * 35e6));
  config.method.name = "adam";
  CHECK(needed() == Approx(plain + 3 * 2 * 2e6));
  config = small_config();
  resolve_problem(config, counts.shape);
  // A graph that is gone before the devices allocate counts only where it needs more than they do.
  counts.nodes = 10000, counts.features = 500;
  CHECK(needed() == plain);
  counts.nodes = 1000000;
  CHECK(needed() > 2e9);
  counts.sparse_values = 3000000;
  CHECK(needed() < 2e9);
  // The inputs are held once in each kind of coordinates, whichever stages have it.
  counts = counts_of(45, 240000, 3);
  config.stages = {{3, 5}, {3, 5}, {3, 5}};
  const auto with_kinds = [&](const std::vector<InputKind>& kinds) {
    return process_memory(config, counts, kinds, 3, {device});
  };
  constexpr InputKind p = InputKind::plain, k = InputKind::kernel;
  CHECK(with_kinds({k, p, k}) == with_kinds({p, k, k}));
  const double width = static_cast<double>(config.model.width);
  CHECK(with_kinds({k, p, p}) - with_kinds({k, k, p}) == Approx(4 * width * (240000 - 45)));  // its best weights
}

}  // namespace gamlp::test
