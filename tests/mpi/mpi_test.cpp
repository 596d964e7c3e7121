// gamlp under mpirun: the bits of a run in one process, resumed on any number of ranks; and what is refused.
#include <algorithm>
#include <cstdlib>
#include <thread>

#include "tests/cli/program.hpp"
#include "tests/support/timeline.hpp"

using namespace gamlp::test;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

std::vector<std::string> mpirun(int ranks, const std::vector<std::string>& arguments,
                                const std::string& program = gamlp::test::program()) {
  ::setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
  ::setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
  std::vector<std::string> command = {"mpirun", "--oversubscribe",     "--bind-to", "none",
                                      "-np",    std::to_string(ranks), program};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

Outcome run_ranks(const WorkFolder& work, int ranks, const std::vector<std::string>& arguments) {
  return Child(work, mpirun(ranks, arguments), RLIM_INFINITY, "mpirun").wait();
}

// A config of 2 → 8 layers.
std::string deep_config(const std::string& more = "") {
  return R"({"dataset": {"generate": {"nodes": 240, "classes": 3, "features": 12}, "hops": 2,
              "split": {"kind": "per_class", "train_per_class": 20, "validation": 60, "test": 90}},
  "model": {"width": 16}, "method": {"update": "gradient"}, "devices": "cpu:1",
  "train": {"checkpoint_every": 4, "evaluate_every": 2},
  "stages": [{"layers": 2, "epochs": 6}, {"layers": 8, "epochs": 10}])" +
         more + "}";
}

std::vector<json> metrics_of(const fs::path& run, bool with_bytes = false) {
  std::vector<json> out;
  for (const std::string& line : lines_of(file_text(run / "metrics.jsonl"))) {
    out.push_back(json::parse(line));
    out.back().erase("seconds");
    if (!with_bytes) out.back().erase("bytes_sent");
  }
  return out;
}

std::string weights_of(const fs::path& run) {
  const std::string bytes = file_text(run / "best.safetensors");
  std::uint64_t header = 0;
  std::copy_n(bytes.data(), 8, reinterpret_cast<char*>(&header));
  return bytes.substr(8 + header);
}

}  // namespace

TEST_CASE("1 to 8 ranks train to the bits of one process") {
  struct Training {
    std::string more;
    std::vector<std::string> overrides;
  };
  // Parts of 20 nodes × 600 neurons are messages of 48,000 bytes, which MPI carries another way than short ones.
  const std::vector<std::string> adam = {"--set", "method.name=adam", "--set", "method.microbatches=3",
                                         "--set", "model.width=600"};
  const std::vector<Training> trainings = {
      {"", {}},
      {R"(, "exchange": {"p": {"bits": 2, "coding": "difference", "range": "block"},
                        "q": {"bits": 2, "coding": "difference", "range": "block"}})",
       {}},
      {R"(, "exchange": {"p": {"bits": 32}, "q": {"bits": 32}}, "distributed": {"dataset": "each_process"})", {}},
      {"", adam}};
  for (std::size_t i = 0; i < trainings.size(); ++i) {
    const WorkFolder work;
    work.write("deep.json", deep_config(trainings[i].more));
    const auto train = [&](std::vector<std::string> arguments) {
      std::vector<std::string> all = {"train", "deep.json"};
      all.insert(all.end(), arguments.begin(), arguments.end());
      all.insert(all.end(), trainings[i].overrides.begin(), trainings[i].overrides.end());
      return all;
    };
    REQUIRE(run(work, train({"--run", "one"})).status == 0);
    for (const int ranks : {1, 2, 3, 5, 8}) {
      INFO("training " << i << ", " << ranks << " ranks");
      const Outcome trained = run_ranks(work, ranks, train({"--devices", "cpu", "--run", "many"}));
      INFO(trained.out << trained.err);
      REQUIRE(trained.status == 0);
      CHECK(metrics_of(work / "many") == metrics_of(work / "one"));
      CHECK(weights_of(work / "many") == weights_of(work / "one"));
      const json result = json::parse(file_text(work / "many/result.json"));
      CHECK(result["devices"] == (ranks == 1 ? result["devices"].get<int>() : ranks));
      CHECK(result["exchange_per_device"].size() == result["devices"].get<std::size_t>());
      // As many workers in one process exchange as many bytes.
      const std::string devices = "cpu:" + std::to_string(ranks);
      if (ranks > 1) {
        REQUIRE(run(work, train({"--devices", devices, "--run", "workers"})).status == 0);
        CHECK(metrics_of(work / "many", true) == metrics_of(work / "workers", true));
        CHECK(file_text(work / "many/config.json") == file_text(work / "workers/config.json"));
        fs::remove_all(work / "workers");
      }
      if (trainings[i].overrides == adam && ranks % 2 == 0) {
        const Outcome sharded =
            run_ranks(work, ranks, train({"--devices", "cpu", "--set", "partition.shards=2", "--run", "sharded"}));
        INFO(sharded.out << sharded.err);
        REQUIRE(sharded.status == 0);
        CHECK(metrics_of(work / "sharded") == metrics_of(work / "one"));
        CHECK(weights_of(work / "sharded") == weights_of(work / "one"));
        fs::remove_all(work / "sharded");
      }
      fs::remove_all(work / "many");
    }
  }
}

TEST_CASE("replicas on ranks train to the bits of one process") {
  for (const std::string method : {"lsgd", "easgd", "diloco"}) {
    const WorkFolder work;
    work.write("deep.json", deep_config());
    const auto train = [&](const std::vector<std::string>& arguments) {
      std::vector<std::string> all = {
          "train", "deep.json",          "--set", "method.name=" + method, "--set", "method.batch=16",
          "--set", "method.local.tau=3", "--set", "method.diloco.bits=8",  "--set", "partition.replicas=3"};
      all.insert(all.end(), arguments.begin(), arguments.end());
      return all;
    };
    REQUIRE(run(work, train({"--run", "one", "--devices", "cpu:3"})).status == 0);
    for (const int ranks : {3, 6}) {
      INFO(method << ", " << ranks << " ranks");
      const Outcome trained = run_ranks(work, ranks, train({"--devices", "cpu", "--run", "many"}));
      INFO(trained.out << trained.err);
      REQUIRE(trained.status == 0);
      CHECK(metrics_of(work / "many", ranks == 3) == metrics_of(work / "one", ranks == 3));
      CHECK(weights_of(work / "many") == weights_of(work / "one"));
      const json result = json::parse(file_text(work / "many/result.json"));
      CHECK(result["replicas"] == 3);
      fs::remove_all(work / "many");
    }
  }
}

TEST_CASE("ADMM on grids of ranks trains to the bits of one process, and goes on on another") {
  const WorkFolder work;
  work.write("grid.json", R"({"dataset": {"generate": {"nodes": 13000, "classes": 3, "features": 12}, "hops": 2,
    "split": {"kind": "fraction", "train_fraction": 0.65, "validation_fraction": 0.1}},
    "model": {"width": 16}, "devices": "cpu:1", "train": {"checkpoint_every": 4},
    "stages": [{"layers": 2, "epochs": 4}, {"layers": 4, "epochs": 8}]})");
  for (const std::string update : {"gradient", "exact"}) {
    const auto train = [&](const std::string& name, const std::vector<std::string>& more) {
      std::vector<std::string> all = {"train", "grid.json", "--set", "method.update=" + update, "--run", name};
      all.insert(all.end(), more.begin(), more.end());
      return all;
    };
    REQUIRE(run(work, train("one-" + update, {})).status == 0);
    for (const auto& [ranks, shards] : {std::pair{2, 2}, {4, 2}, {3, 3}, {8, 4}}) {
      INFO(update << ", " << ranks << " ranks, " << shards << " shards");
      const std::string name = update + std::to_string(ranks);
      const std::vector<std::string> grid = {"--devices", "cpu", "--set", "partition.shards=" + std::to_string(shards)};
      const Outcome trained = run_ranks(work, ranks, train(name, grid));
      INFO(trained.out << trained.err);
      REQUIRE(trained.status == 0);
      CHECK(metrics_of(work / name) == metrics_of(work / ("one-" + update)));
      CHECK(weights_of(work / name) == weights_of(work / ("one-" + update)));
    }
    // From a grid to another, and to one process.
    REQUIRE(run(work, train("long-" + update, {"--set", "stages.1.epochs=12"})).status == 0);
    const auto resume = [&](const std::string& name, const std::string& epochs, const std::string& devices) {
      return std::vector<std::string>{"resume", name,
                                      "--set",  "stages.1.epochs=" + epochs,
                                      "--set",  "partition.shards=" + devices,
                                      "--set",  "devices=cpu:" + devices};
    };
    const Outcome again = run_ranks(work, 3, resume(update + "4", "10", "3"));
    INFO(again.out << again.err);
    REQUIRE(again.status == 0);
    const Outcome alone = run(work, resume(update + "4", "12", "1"));
    INFO(alone.out << alone.err);
    REQUIRE(alone.status == 0);
    CHECK(metrics_of(work / (update + "4")) == metrics_of(work / ("long-" + update)));
    CHECK(weights_of(work / (update + "4")) == weights_of(work / ("long-" + update)));
  }
}

TEST_CASE("a signal stops all ranks with a checkpoint, and other numbers of ranks go on") {
  const WorkFolder work;
  std::string config = deep_config();
  config.replace(config.find("\"epochs\": 10"), 12, "\"epochs\": 2500");
  work.write("deep.json", config);
  REQUIRE(run(work, {"train", "deep.json", "--run", "one"}).status == 0);
  Child child(work, mpirun(3, {"train", "deep.json", "--devices", "cpu", "--run", "run"}), RLIM_INFINITY, "mpirun");
  const auto epochs = [&] { return lines_of(file_text(work / "run/metrics.jsonl")).size(); };
  while (child.running() && epochs() < 50) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  REQUIRE(child.running());
  ::kill(child.pid(), SIGUSR1);  // mpirun passes it on
  const Outcome stopped = child.wait();
  INFO(stopped.out << stopped.err);
  CHECK(stopped.status == 8);
  check_says(stopped.err, "continue with: gamlp resume run");
  CHECK_FALSE(fs::exists(work / "run/result.json"));
  CHECK(epochs() < 2500);
  const Outcome resumed = run_ranks(work, 2, {"resume", "run"});
  INFO(resumed.out << resumed.err);
  REQUIRE(resumed.status == 0);
  CHECK(metrics_of(work / "run") == metrics_of(work / "one"));
  CHECK(weights_of(work / "run") == weights_of(work / "one"));
}

TEST_CASE("what cannot be is refused, once and in clear words") {
  const WorkFolder work;
  work.write("deep.json", deep_config());
  work.write("other.json", deep_config(R"(, "threads_per_device": 2)"));
  const auto refused = [&](std::vector<std::string> command, int status, const std::string& part) {
    const std::string launcher = command.front();
    const Outcome outcome = Child(work, std::move(command), RLIM_INFINITY, launcher.c_str()).wait();
    INFO(outcome.err);
    CHECK(outcome.status == status);
    check_says(outcome.err, part);
    std::size_t said = 0;
    for (std::size_t at = 0; (at = outcome.err.find("gamlp: ", at)) != std::string::npos; ++at) ++said;
    CHECK(said == 1);
    CHECK_FALSE(fs::exists(work / "run"));
  };
  const auto train = [](const std::string& config, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"train", config, "--run", "run", "--devices", "cpu"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  };
  refused(mpirun(3, {"train", "deep.json", "--run", "run", "--devices", "cpu:2"}), 3,
          "devices: \"cpu:2\" asks for 2 devices, but 3 processes were started");
  refused(mpirun(2, train("absent.json")), 3, "absent.json");
  refused(mpirun(2, train("deep.json", {"--set", "method.rho=-1"})), 3, "method.rho");
  refused(mpirun(2, train("deep.json", {"--set", "dataset.generate=null", "--set", "dataset.path=absent.npz"})), 4,
          "absent.npz");
  refused(mpirun(9, train("deep.json")), 3,
          "the devices, more than the 8 layers of the last stage, make 3 shards of the training nodes: must "
          "be at most 1, the blocks of 60 training nodes");
  refused(mpirun(2, {"evaluate", "run"}), 2, "this command runs in one process, not in 2");
  refused(mpirun(2, {"train", "deep.json", "--run", "/proc/run"}), 5, "/proc/run");

  // One of several for its launcher, alone for this MPI: a launcher that does not speak with it.
  const auto launched_by = [&](std::vector<std::string> variables) {
    variables.insert(variables.begin(), "env");
    variables.emplace_back(GAMLP_PROGRAM);
    for (const std::string& argument : train("deep.json")) variables.push_back(argument);
    return variables;
  };
  refused(launched_by({"SLURM_STEP_NUM_TASKS=4", "SLURM_PROCID=2"}), 3, "`env -u SLURM_STEP_NUM_TASKS gamlp …`");
  refused(launched_by({"SLURM_STEP_NUM_TASKS=4", "SLURM_PROCID=0"}), 3, "is one of 4 started by srun, but this gamlp");
  refused(launched_by({"PALS_SIZE=2", "PALS_RANKID=0"}), 3, "finds no others by its MPI (");
  refused(launched_by({"PMI_SIZE=2", "PMI_RANK=1"}), 3, "so that each would train the whole model: start them with");

  std::vector<std::string> mixed = mpirun(1, train("deep.json"));
  const std::vector<std::string> second = mpirun(1, train("other.json"));
  mixed.push_back(":");
  mixed.insert(mixed.end(), std::find(second.begin(), second.end(), "-np"), second.end());
  refused(mixed, 3, "the config differs from that of rank 0: threads_per_device is 2, and 1 on rank 0");
}

TEST_CASE("the transport carries every message, and says what is wrong with it") {
  const auto ranks = [](int count, const char* what) {
    const WorkFolder work;
    return Child(work, mpirun(count, {what}, GAMLP_RANKS), RLIM_INFINITY, "mpirun").wait();
  };
  for (const int count : {2, 4}) {
    const Outcome exchanged = ranks(count, "exchange");
    INFO(exchanged.err);
    CHECK(exchanged.status == 0);
  }
  for (int count = 2; count <= 8; ++count) {
    const Outcome collective = ranks(count, "collectives");
    INFO(count << " ranks: " << collective.err);
    CHECK(collective.status == 0);
  }
  const Outcome skipped = ranks(3, "skip_collective");
  CHECK(skipped.status == 6);
  check_says(skipped.err, "gradient of W of layer 3, epoch 5 of the stage from rank 1 (cpu, process ");
  check_says(skipped.err, "lives but does not go on");
  const Outcome queued = ranks(2, "queue");
  INFO(queued.err);
  CHECK(queued.status == 0);
  for (const auto& [what, said] : {std::pair{"longer", "a message is longer than the 1000 bytes that were expected"},
                                   {"shorter", "a message has 800 bytes, 1000 were expected"}}) {
    INFO(what);
    const Outcome mismatched = ranks(2, what);
    CHECK(mismatched.status == 6);
    check_says(mismatched.err, "ranks: rank 1: rank 1 (cpu, process ");
    check_says(mismatched.err, "q of layer 3, epoch 5 of the stage from rank 0 (cpu, process ");
    check_says(mismatched.err, said);
    check_says(mismatched.err, "ranks: rank 0: stopped: rank 1 (cpu, process ");
  }
  const Outcome ended = ranks(3, "end_unheard");
  INFO(ended.err);
  CHECK(ended.status == 0);
  const Outcome stalled = ranks(2, "stall");
  CHECK(stalled.status == 6);
  for (const char* rank : {"ranks: rank 0: stopped: rank 0 (", "ranks: rank 1: stopped: rank 0 ("})
    check_says(stalled.err, rank);
  check_says(stalled.err, "waited 1 s for p of layer 2, epoch 1 of the stage from rank 1 (cpu, process ");
  check_says(stalled.err, "lives but does not go on");
}

TEST_CASE("bench and a timeline of several ranks") {
  const WorkFolder work;
  work.write("deep.json", deep_config());
  const Outcome benched =
      run_ranks(work, 2, {"bench", "deep.json", "--devices", "cpu", "--iterations", "2", "--rounds", "1", "--json"});
  INFO(benched.err);
  REQUIRE(benched.status == 0);
  const json report = json::parse(benched.out);
  CHECK(report["devices"][0]["named"] == "2 processes");
  CHECK(report["devices"][1]["named"] == "cpu:2");
  CHECK(report["devices"][0]["bytes_per_iteration"] == report["devices"][1]["bytes_per_iteration"]);
  CHECK(report["devices"][0]["gflop"] == report["devices"][1]["gflop"]);

  REQUIRE(run_ranks(work, 3, {"train", "deep.json", "--run", "run", "--devices", "cpu", "--trace", "t.json"}).status ==
          0);
  std::array<int, 3> exchanges{}, ops{};
  const json timeline = read_timeline(work / "t.json");
  for (const json& event : timeline["traceEvents"]) {
    if (event["ph"] != "X") continue;
    const auto device = event["pid"].get<std::size_t>();
    (event["cat"] == "exchange" ? exchanges : ops).at(device) += 1;
  }
  for (std::size_t device = 0; device < 3; ++device) {
    INFO("device " << device);
    CHECK(exchanges[device] >= 20);
    CHECK(ops[device] >= 100);
  }
}
