// CUDA devices on the stand-in: every op, whole runs, graphs and exchange.
#include "cuda/accelerator.hpp"
#include "cuda/device/cuda_device.hpp"
#include "host/device/accelerator.hpp"
#include "host/methods/registry.hpp"
#include "host/plan/forecast.hpp"
#include "host/problem/chosen_devices.hpp"
#include "tests/conformance/suite.hpp"
#include "tests/cuda/check_clean.hpp"
#include "tests/support/methods.hpp"
#include "tests/train/evaluation.hpp"

namespace gamlp::test {
namespace {

// The run of a config on `devices` of the fake GPU, and what was left when all was over.
std::vector<std::string> metrics_on(const Config& config, const std::string& devices, const fake_cuda::Options& fake,
                                    const TrainOptions& options = {}) {
  use_cuda();
  fake_cuda::reset(fake);
  const ScratchFolder scratch;
  Config on = config;
  on.devices = devices;
  run_in(scratch / "run", on, options);
  const fake_cuda::Counts counts = fake_cuda::counts();
  CHECK(counts.misuse == "");
  CHECK(counts.live == 0);
  CHECK(counts.launches > 0);
  return metrics_of(scratch / "run");
}

Config tiny(const std::vector<std::string>& more) {
  return small_config(joined(
      {"model.width=9", "dataset.generate.nodes=60", "dataset.split.train_per_class=6", "dataset.split.validation=12",
       "dataset.split.test=12", "stages.0.epochs=4", "stages.1.epochs=6", "exchange.p.block=32"},
      more));
}

}  // namespace

TEST_CASE("every op agrees with the CPU by way of the CUDA device") {
  fake_cuda::reset({});
  {
    CudaDevice device(0, {});
    const auto stream = device.create_stream("compute", StreamKind::compute);
    std::uint64_t seed = 5;
    for (const conformance::Case& one : conformance::all_cases({})) {
      const conformance::Result result = conformance::compare(one, seed++, device, *stream, false);
      INFO(result.op << ": " << result.what << ": " << result.failure);
      CHECK(result.passed);
    }
  }
  check_clean();
}

TEST_CASE("a run has the same bits on one device, on several that share a GPU, and in any order of streams") {
  for (const Coded& coded : trainings()) {
    INFO(coded.name);
    const Config config = tiny(coded.overrides);
    const auto one = metrics_on(config, "cuda:0", {});
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      CHECK(metrics_on(config, "cuda:0", {.seed = seed}) == one);
      CHECK(metrics_on(config, "cuda:0,0", {.seed = seed}) == one);
      CHECK(metrics_on(config, "cuda:0,1,1,0", {.seed = seed}) == one);
    }
  }
}

TEST_CASE("tensors of nodes in the host's memory give the same bits, in any order of streams") {
  for (const Coded& coded : trainings()) {
    INFO(coded.name);
    const Config config = tiny(coded.overrides), staged = tiny(joined(coded.overrides, {"node_memory=0"}));
    const auto one = metrics_on(config, "cuda:0", {});
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      CHECK(metrics_on(staged, "cuda:0", {.seed = seed}) == one);
      CHECK(metrics_on(staged, "cuda:0,1,1,0", {.seed = seed}) == one);
    }
  }
}

TEST_CASE("iterations are replayed from graphs, but for what cannot be captured") {
  const Config gradient = tiny({"stages.1.epochs=20"}), exact = tiny({"stages.1.epochs=20", "method.update=exact"});
  for (const Config& config : {gradient, exact}) {
    const auto metrics = metrics_on(config, "cuda:0", {});
    const fake_cuda::Counts counts = fake_cuda::counts();
    CHECK(counts.captures >= 2);  // one for each stage
    CHECK(counts.graph_launches >= 16);
    const auto refused = metrics_on(config, "cuda:0", {.refuse_capture = true});
    CHECK(refused == metrics);
    if (admm_of(config).update == Update::exact) CHECK(fake_cuda::counts().graph_launches < counts.graph_launches);
  }
}

TEST_CASE("small layers run beside each other, with the bits of one after the other") {
  const std::string layers = R"(stages=[{"layers": 12, "epochs": 16}])";
  for (const char* update : {"gradient", "exact"}) {
    for (const Coded& coded : codings()) {
      INFO(update << ", " << coded.name);
      Config config = tiny(joined(coded.overrides, {layers, std::string("method.update=") + update}));
      TrainOptions profiled;  // for a profiler ops are enqueued one by one
      profiled.profile_first = 1, profiled.profile_count = 1000;
      const auto metrics = metrics_on(config, "cuda:0", {}, profiled);
      CHECK(fake_cuda::counts().captures == 0);
      for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        CHECK(metrics_on(config, "cuda:0", {.seed = seed}) == metrics);
        const fake_cuda::Counts counts = fake_cuda::counts();
        CHECK(counts.graph_nodes > 100);
        // Of the exact update all ops that use cuSOLVER are in order.
        const double chains = admm_of(config).update == Update::gradient ? 4.0 : 1.5;
        CHECK(chains * static_cast<double>(counts.graph_depth) < static_cast<double>(counts.graph_nodes));
      }
    }
  }
}

TEST_CASE("large layers keep their order, and their one workspace") {
  const Config config = tiny({"model.width=520", "stages.0.epochs=1", "stages.1.epochs=9"});
  static_assert(520 * 520 > kSmallTensor);
  metrics_on(config, "cuda:0", {});
  const fake_cuda::Counts counts = fake_cuda::counts();
  CHECK(counts.captures >= 1);
  CHECK(counts.graph_depth == counts.graph_nodes);
}

TEST_CASE("a profiler records the epochs that it is asked to, and the run stays the same") {
  const Config config = tiny({"stages.1.epochs=20", "devices=cuda:0,0"});
  const auto metrics = metrics_on(config, "cuda:0,0", {});
  const std::int64_t graphs = fake_cuda::counts().graph_launches;
  for (const std::int64_t first : {8, 22}) {  // in the middle, and over the end
    fake_cuda::reset({});
    const ScratchFolder scratch;
    TrainOptions options;
    options.profile_first = first, options.profile_count = 5;
    run_in(scratch / "run", config, options);
    const fake_cuda::Counts counts = fake_cuda::counts();
    CHECK(metrics_of(scratch / "run") == metrics);
    CHECK(counts.profiler_starts == 1);
    CHECK(counts.profiler_stops == 1);
    CHECK(counts.graph_launches < graphs);
    CHECK(counts.live == 0);
  }
}

TEST_CASE("devices are found, named and refused with reasons") {
  use_cuda();
  fake_cuda::reset({});
  CHECK(accelerator()->count() == 4);
  Config config = small_config();
  config.devices = "cuda:7";
  check_says(error_of<ConfigError>([&] { choose_devices(config); }), "names cuda:7, but");
  config.devices = "cuda:0,0,0,0,0";
  config.partition.shards = 1;
  check_says(error_of<ConfigError>([&] { choose_devices(config); }),
             "5 devices in 1 shard (`partition.shards`) are 5 for the 4 layers");
  config.partition.shards.reset();
  config.devices = "auto";
  CHECK(choose_devices(config).text().rfind("cuda:0", 0) == 0);
}

TEST_CASE("memory is accounted for, and what does not fit is refused with numbers") {
  fake_cuda::reset({.memory = std::size_t{200} << 20});
  {
    CudaDevice device(0, {});
    {
      const Buffer a = device.allocate(1000, "a", MemoryKind::weights);
      const Buffer b = device.allocate(500, "b", MemoryKind::exchange);
      CHECK(device.memory().total == 1500);
      const std::string message =
          error_of<DeviceError>([&] { device.allocate(std::size_t{300} << 20, "z3", MemoryKind::variables); });
      check_says(message, "cuda:0: cannot allocate 314572800 bytes for z3: out of memory; 200 MB of 200 MB are free");
    }
    CHECK(device.memory().total == 0);
    CHECK(device.memory().peak == 1500);
  }
  CHECK(fake_cuda::counts().live == 0);
}

TEST_CASE("the forecast of a device's memory is what a run allocates") {
  use_cuda();
  for (const char* update : {"gradient", "exact"}) {
    fake_cuda::reset({});
    const ScratchFolder scratch;
    Config config = tiny({std::string("method.update=") + update, "devices=cuda:0,1"});
    std::vector<MemoryUse> expected;
    std::size_t expected_evaluation = 0;
    TrainOptions options;
    const bool resident = admm_of(config).update == Update::exact;
    options.check = [&](const Config& c, const Problem& problem, const ChosenDevices&,
                        const std::vector<std::size_t>&) {
      expected = stage_memory(make_stage_spec(c, problem.shape(2), 2, 2), problem.shape(2), DeviceKind::cuda);
      const EvaluationShape shape = evaluation_shape(c, problem.shape(1), problem.part_nodes(), resident);
      expected_evaluation = evaluation_memory(shape, DeviceKind::cuda).peak;
      return DeviceRoom{resident, {}};
    };
    run_in(scratch / "run", config, options);
    const auto result = json_of(scratch / "run" / "result.json");
    REQUIRE(expected.size() == 2);
    CHECK(result.at("evaluation_memory") == expected_evaluation);
    for (std::size_t rank = 0; rank < 2; ++rank) {
      const auto& found = result.at("memory_per_device").at(rank);
      CHECK(found.at("peak") == expected[rank].peak);
      for (std::size_t kind = 0; kind < kMemoryKindNames.size(); ++kind) {
        INFO(kMemoryKindNames[kind]);
        CHECK(found.at(kMemoryKindNames[kind]) == expected[rank].bytes[kind]);
      }
    }
  }
}

TEST_CASE("accuracies on the device are the CPU's, whether inputs stay there or pass through") {
  fake_cuda::reset({.seed = 7});
  {
    CudaDevice device(0, {});
    check_evaluation(device, 2.0);
  }
  check_clean();
}

TEST_CASE("downloads arrive in order, through the ring and past it") {
  fake_cuda::reset({});
  {
    CudaDevice device(0, {});
    const auto stream = device.create_stream("compute", StreamKind::compute);
    const auto event = device.create_event("downloaded");
    Random random(3);
    for (int round = 0; round < 20; ++round) {
      std::vector<std::vector<std::byte>> sent, received;
      std::vector<Buffer> buffers;
      for (int i = 0; i < 6; ++i) {
        const std::size_t bytes = random.below(6) == 0 ? (std::size_t{9} << 20) : 1 + random.below(5u << 20);
        sent.emplace_back(bytes, std::byte(round * 6 + i));
        received.emplace_back(bytes);
        buffers.push_back(device.allocate(bytes, "x", MemoryKind::data));
        stream->enqueue(ops::Upload{sent.back().data(), buffers.back().raw(bytes)});
      }
      for (std::size_t i = 0; i < 6; ++i) {
        stream->enqueue(ops::Download{buffers[i].raw(sent[i].size()), received[i].data()});
        if (i == 3) stream->record(*event);
      }
      event->synchronize();
      for (std::size_t i = 0; i <= 3; ++i) CHECK(sent[i] == received[i]);
      stream->synchronize();
      CHECK(sent == received);
    }
  }
  CHECK(fake_cuda::counts().live == 0);
}

}  // namespace gamlp::test
