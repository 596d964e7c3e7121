// The exchange by NCCL, on its stand-in: several GPUs in one process, and one per process (threads in their place).
#include <cstdlib>
#include <sys/wait.h>
#include <unistd.h>

#include "cuda/accelerator.hpp"
#include "cuda/comm/nccl_transport.hpp"
#include "host/core/clock.hpp"
#include "host/core/pause.hpp"
#include "host/device/accelerator.hpp"
#include "host/problem/chosen_devices.hpp"
#include "tests/cuda/check_clean.hpp"
#include "tests/dist/thread_group.hpp"
#include "tests/gpu/check.hpp"
#include "tests/support/timeline.hpp"
#include "tests/train/support.hpp"

namespace gamlp::test {
namespace {

Config tiny_training(const std::vector<std::string>& more) {
  return small_config(joined(
      {"model.width=7", "dataset.generate.nodes=48", "dataset.split.train_per_class=5", "dataset.split.validation=9",
       "dataset.split.test=9", "stages.0.epochs=3", "stages.1.epochs=5", "train.checkpoint_every=2"},
      more));
}

std::string gpus(int count) {
  std::string text = "cuda:0";
  for (int i = 1; i < count; ++i) text += "," + std::to_string(i);
  return text;
}

void begin(const fake_cuda::Options& options) {
  use_cuda();
  ::setenv("GAMLP_START_TIMEOUT", "1", 1);  // s that connecting may take
  fake_cuda::reset(options);
  accelerator()->count();  // asked once, before threads do
}

// A run in a process for each GPU; what each process ended with. Without a config: resumes.
std::vector<std::string> train_together(int size, const fs::path& run, const Config* config,
                                        const std::function<void(int rank, std::int64_t epoch)>& before = {}) {
  return together(size, [&](ProcessGroup& group) {
    TrainOptions options;
    options.group = &group;
    options.before_iteration = before;
    Recorder recorder;
    if (group.rank() != 0) {
      join_training(options);
    } else if (config != nullptr) {
      train(*config, fs::path(), RunFolder::create(run), recorder, options);
    } else {
      resume(RunFolder::open(run), recorder, options);
    }
  });
}

struct Reference {
  ScratchFolder folder;
  std::vector<std::string> metrics;
  std::string weights;
};
void run_reference(Reference& reference, const Config& config) {
  begin({});
  Config one = config;
  one.devices = "cuda:0";
  run_in(reference.folder / "run", one);
  reference.metrics = metrics_of(reference.folder / "run");
  reference.weights = weights_of(reference.folder / "run");
  CHECK(fake_cuda::counts().nccl_calls == 0);
}

}  // namespace

TEST_CASE("GPUs that exchange by NCCL give the bits of one") {
  std::uint64_t seed = 0;
  for (const Coded& coded : trainings()) {
    const Config config = tiny_training(coded.overrides);
    Reference one;
    run_reference(one, config);
    for (const int size : {2, 3, 4}) {
      for (const bool processes : {false, true}) {
        INFO(coded.name << ", " << size << (processes ? " processes" : " GPUs") << ", seed " << seed + 1);
        begin({.seed = ++seed});
        const ScratchFolder scratch;
        Config several = config;
        several.devices = processes ? "cuda:all" : gpus(size);
        if (processes) {
          CHECK(train_together(size, scratch / "run", &several) == none(size));
        } else {
          run_in(scratch / "run", several);
        }
        check_clean();
        CHECK(fake_cuda::counts().nccl_groups > 8);
        CHECK(fake_cuda::counts().nccl_aborts == 0);
        CHECK(metrics_of(scratch / "run") == one.metrics);
        CHECK(weights_of(scratch / "run") == one.weights);
        const nlohmann::json result = json_of(scratch / "run/result.json");
        REQUIRE(result.at("exchange_per_device").size() == static_cast<std::size_t>(size));
        for (const auto& device : result.at("exchange_per_device")) {
          CHECK(device.at("exposed").get<double>() > 0.0);
          CHECK(device.at("exposed").get<double>() + device.at("hidden").get<double>() > 0.01);
        }
      }
    }
  }
}

TEST_CASE("GPUs in a grid that exchange by NCCL or by copies give the bits of one") {
  // 4,100 training nodes are two blocks for ADMM. 7 inputs are no multiple of 16 bytes.
  const std::vector<std::string> blocks = {"dataset.generate.nodes=5000",       "dataset.split.kind=fraction",
                                           "dataset.split.train_fraction=0.82", "dataset.split.validation_fraction=0.1",
                                           "dataset.generate.features=7",       "dataset.hops=1"};
  std::uint64_t seed = 0;
  for (const std::vector<std::string>& method :
       std::vector<std::vector<std::string>>{{"method.name=adam", "method.microbatches=3"},
                                             joined(blocks, {"method.update=gradient"}),
                                             joined(blocks, {"method.update=exact"})}) {
    const bool admm = method.size() > 2;
    const Config config = tiny_training(method);
    Reference one;
    run_reference(one, config);
    for (const auto& [size, shards] : {std::pair{1, 1}, {2, 2}, {4, 2}, {3, 3}}) {
      for (const char* how : {"nccl", "copy", "processes"}) {
        if (size == 1 ? !admm || std::string(how) != "copy"
                      : admm && size != (std::string(how) == "nccl" ? 4 : 2)) {  // these graphs are large
          continue;
        }
        INFO(method.back() << ", " << size << " GPUs, " << shards << " shards, " << how << ", seed " << seed + 1);
        begin({.seed = ++seed});
        const ScratchFolder scratch;
        Config several = config;
        several.partition.shards = shards;
        if (std::string(how) == "processes") {
          several.devices = "cuda:all";
          CHECK(train_together(size, scratch / "run", &several) == none(size));
        } else {
          several.devices = gpus(size);
          several.distributed.gpu_transport = std::string(how) == "nccl" ? GpuTransport::nccl : GpuTransport::copy;
          run_in(scratch / "run", several);
        }
        check_clean();
        CHECK(metrics_of(scratch / "run") == one.metrics);
        CHECK(weights_of(scratch / "run") == one.weights);
      }
    }
  }
}

// What is to go wrong.
struct Planted {
  const char* what;
  std::int64_t fake_cuda::Options::*option;
};

TEST_CASE("whichever of NCCL's calls fails or hangs, all end, name it, leak nothing, and the run goes on") {
  for (const bool processes : {false, true}) {
    Config config = tiny_training({"distributed.stall_timeout=0.4"});
    Reference one;
    run_reference(one, config);
    config.devices = processes ? "cuda:all" : gpus(3);
    const auto attempt = [&](const fs::path& run) {
      if (processes) return train_together(3, run, &config);
      std::vector<std::string> errors(1);
      try {
        run_in(run, config);
      } catch (const DeviceError& error) {
        errors[0] = error.what();
      }
      return errors;
    };
    begin({});
    const ScratchFolder first;
    CHECK(attempt(first / "run") == none(processes ? 3 : 1));
    const std::int64_t calls = fake_cuda::counts().nccl_calls;
    REQUIRE(calls > 100);
    std::int64_t failed = 0, resumed = 0;
    for (const Planted& planted :
         {Planted{"breaks", &fake_cuda::Options::nccl_break_at}, Planted{"hangs", &fake_cuda::Options::nccl_hang_at}}) {
      Random random(7);
      std::int64_t step = 1;
      for (std::int64_t at = 1; at <= calls; at += step) {
        if (at > 4) step = 1 + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(calls) / 5));
        INFO(planted.what << " at " << at << (processes ? ", processes" : ", one process"));
        fake_cuda::Options options{.seed = static_cast<std::uint64_t>(at)};
        options.*planted.option = at;
        begin(options);
        const ScratchFolder scratch;
        const fs::path run = scratch / "run";
        const auto start = Clock::now();
        const std::vector<std::string> errors = attempt(run);
        CHECK(seconds_since(start) < 8);
        fake_cuda::end_hangs();  // a connection that does not close is left to itself
        for (int turn = 0; turn < 2000 && fake_cuda::counts().live != 0; ++turn) pause(turn);
        check_clean();
        if (errors == none(static_cast<int>(errors.size()))) {  // that call begins nothing, or the run was over
          CHECK(weights_of(run) == one.weights);
          continue;
        }
        ++failed;
        for (const std::string& error : errors) {
          INFO(error);
          const bool nccl = error.find("NCCL") != std::string::npos || error.find("waited ") != std::string::npos;
          CHECK(nccl);
          const bool named = error.find("cuda:") != std::string::npos;
          CHECK(named);
        }
        // From the last checkpoint, where there is one, to the bits of the undisturbed run.
        if (!fs::exists(run / "checkpoints") || fs::is_empty(run / "checkpoints")) continue;
        ++resumed;
        begin({.seed = static_cast<std::uint64_t>(at)});
        if (processes) {
          CHECK(train_together(2, run, nullptr) == none(2));
        } else {
          Recorder recorder;
          resume(RunFolder::open(run), recorder, {});
        }
        check_clean();
        CHECK(metrics_of(run) == one.metrics);
        CHECK(weights_of(run) == one.weights);
      }
    }
    CHECK(failed > 20);
    CHECK(resumed > 3);
  }
}

TEST_CASE("a group that does not come to its end is told with its messages and peers") {
  begin({});
  Config config = tiny_training({"distributed.stall_timeout=0.4", "devices=cuda:0,1"});
  const ScratchFolder whole;
  run_in(whole / "run", config);
  const std::int64_t calls = fake_cuda::counts().nccl_calls;
  int told = 0;
  for (std::int64_t at = calls / 2; at < calls && told < 4; ++at) {  // some of them begin groups
    begin({.nccl_hang_at = at});
    const ScratchFolder scratch;
    try {
      run_in(scratch / "run", config);
    } catch (const DeviceError& error) {
      const std::string message = error.what();
      INFO(message);
      const bool right = message.find(" of layer 3, epoch ") != std::string::npos ||
                         message.find(" of layer 2, epoch ") != std::string::npos;
      const bool peer = message.find(" device 0 (cuda:0)") != std::string::npos ||
                        message.find(" device 1 (cuda:1)") != std::string::npos;
      if (message.find("waited 0.4 s for ") == std::string::npos) continue;
      ++told;
      CHECK(right);
      CHECK(peer);
    }
    check_clean();
  }
  CHECK(told > 0);
}

TEST_CASE("a device that throws ends the others") {
  for (const bool processes : {false, true}) {
    begin({.seed = 11});
    Config config = tiny_training({});
    config.devices = processes ? "cuda:all" : gpus(3);
    const ScratchFolder scratch;
    const auto fault = [](int rank, std::int64_t epoch) {
      if (rank == 1 && epoch == 6) throw std::runtime_error("injected");
    };
    if (processes) {
      for (const std::string& error : train_together(3, scratch / "run", &config, fault)) {
        check_says(error, "worker cuda:1 failed: injected");
      }
    } else {
      TrainOptions options;
      options.before_iteration = fault;
      check_says(error_of<DeviceError>([&] { run_in(scratch / "run", config, options); }),
                 "worker cuda:1 failed: injected");
    }
    check_clean();
    CHECK(fake_cuda::counts().nccl_aborts == 3);
    begin({.seed = 12});
    Recorder recorder;
    resume(RunFolder::open(scratch / "run"), recorder, {});
    Reference one;
    run_reference(one, config);
    CHECK(weights_of(scratch / "run") == one.weights);
  }
}

TEST_CASE("whichever call of CUDA or NCCL fails, GPUs that exchange by NCCL end, and leak nothing") {
  for (const bool processes : {false, true}) {
    Config config = tiny_training({});
    config.devices = processes ? "cuda:all" : gpus(3);
    // Empty: all went well. Of several processes all fail, or none.
    const auto failure_of = [&](std::int64_t at) -> std::string {
      begin({.seed = static_cast<std::uint64_t>(at), .fail_at = at});
      const ScratchFolder scratch;
      try {
        if (!processes) {
          run_in(scratch / "run", config);
          return "";
        }
        const std::vector<std::string> errors = train_together(3, scratch / "run", &config);
        const auto failed = errors.size() - static_cast<std::size_t>(std::count(errors.begin(), errors.end(), ""));
        const bool all_or_none = failed == 0 || failed == errors.size();
        CHECK(all_or_none);
        return errors[0];
      } catch (const DeviceError& error) {
        return error.what();
      }
    };
    CHECK(failure_of(0) == "");
    const std::int64_t calls = fake_cuda::counts().calls;
    Random random(3);
    std::int64_t failed = 0;
    for (std::int64_t at = 1; at <= calls;
         at += 1 + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(calls) / 50))) {
      const std::string message = failure_of(at);
      INFO((processes ? "processes, call " : "call ")
           << at << " (" << fake_cuda::counts().failed_call << "): " << message);
      check_clean();
      if (message.empty()) continue;
      ++failed;
      const bool named = message.find("failed") != std::string::npos || message.find("cannot") != std::string::npos;
      CHECK(named);
    }
    CHECK(failed > 30);
  }
}

TEST_CASE("a process that NCCL does not let go of says why and ends itself") {
  begin({.nccl_break_at = 60, .nccl_holds_on = true});
  const ScratchFolder scratch;
  const fs::path said = scratch / "said";
  const pid_t child = ::fork();
  if (child == 0) {
    if (std::freopen(said.c_str(), "w", stderr) == nullptr) ::_exit(99);
    try {
      run_in(scratch / "run", tiny_training({"devices=cuda:0,1"}));
    } catch (...) {
      ::_exit(98);
    }
    ::_exit(97);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == static_cast<int>(ExitCode::device));
  const std::string text = read_file(said);
  check_says(text, " device 0 (cuda:0)");
  check_says(text, "remote process exited or there was a network error");
  check_says(text, "NCCL does not let go of the devices; this process ends itself");
}

TEST_CASE("a timeline shows the exchange of every GPU, and what waited for it") {
  begin({.seed = 3});
  const ScratchFolder scratch;
  TraceLog trace;
  TrainOptions options;
  options.trace = &trace;
  run_in(scratch / "run", tiny_training({"devices=cuda:0,1,2"}), options);
  for (int rank = 0; rank < 3; ++rank) {
    INFO("device " << rank);
    int ops = 0, exchanges = 0, waits = 0;
    for (const Span& span : trace.spans_of(rank)) {
      if (span.lane == Lane::exchange) {
        ++exchanges;
        CHECK(std::string(span.name) == "exchange");
      } else {
        std::string(span.name) == "wait" ? ++waits : ++ops;
      }
    }
    CHECK(ops > 50);
    CHECK(exchanges > 10);
    CHECK(waits > 5);
  }
  trace.write(scratch / "trace.json", "a test");
  read_timeline(scratch / "trace.json");
  check_clean();
}

TEST_CASE("gpu_check's messages of a device to itself arrive") {
  begin({.seed = 5});
  gpu::Table table;
  gpu::check_self_exchange({.large = false}, table);
  CHECK(table.rows.size() == 2);
  CHECK(table.failures.empty());
  check_clean();
}

TEST_CASE("gpu_check's processes train to the bits of one") {
  begin({.seed = 6});
  for (const int size : {2, 4}) {
    for (const int stage : {0, 1, 2}) {
      const ScratchFolder scratch;
      const std::string id = create_nccl_id();
      std::vector<std::thread> threads;
      std::vector<int> status(static_cast<std::size_t>(size), -1);
      for (int rank = 0; rank < size; ++rank) {
        threads.emplace_back([&, rank] {
          const gpu::Scope scope{.ordinal = rank, .large = false};
          status[static_cast<std::size_t>(rank)] =
              gpu::nccl_member(gpu::nccl_member_arguments(scope, rank, size, stage, scratch.path().string(), id));
        });
      }
      for (std::thread& thread : threads) thread.join();
      CHECK(status == std::vector<int>(static_cast<std::size_t>(size), 0));
      CHECK(gpu::nccl_members_differ({.large = false}, size, stage, scratch.path().string()) == "");
      CHECK(gpu::nccl_members_differ({.large = false}, size, (stage + 1) % 3, scratch.path().string()) != "");
    }
  }
  check_clean();
}

TEST_CASE("what GPUs exchange by is chosen, and refused with reasons") {
  begin({});
  const ScratchFolder scratch;
  const auto refusal = [&](const std::vector<std::string>& more) {
    return error_of<ConfigError>([&] { run_in(scratch / "run", tiny_training(more)); });
  };
  check_says(refusal({"devices=cuda:0,0", "distributed.gpu_transport=nccl"}), "some devices of the run share a GPU");
  run_in(scratch / "shared", tiny_training({"devices=cuda:0,0"}));
  run_in(scratch / "copy", tiny_training({"devices=cuda:0,1", "distributed.gpu_transport=copy"}));
  CHECK(fake_cuda::counts().nccl_calls == 0);
  run_in(scratch / "nccl", tiny_training({"devices=cuda:0,1", "distributed.gpu_transport=nccl"}));
  CHECK(fake_cuda::counts().nccl_calls > 0);
  CHECK(weights_of(scratch / "copy") == weights_of(scratch / "nccl"));
  CHECK(weights_of(scratch / "shared") == weights_of(scratch / "nccl"));
  const Config copy = tiny_training({"devices=cuda:all", "distributed.gpu_transport=copy"});
  for (const std::string& error : train_together(2, scratch / "processes", &copy)) {
    check_says(error, "agreed: distributed.gpu_transport: \"copy\" is for the GPUs of one process");
  }
  const Config twice = tiny_training({"devices=cuda:1,1"});
  for (const std::string& error : train_together(2, scratch / "twice", &twice)) check_says(error, "NCCL");
  check_clean();
}

}  // namespace gamlp::test
