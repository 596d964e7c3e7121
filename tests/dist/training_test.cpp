// Whole runs of several processes, with threads in their place: the bits of a run in one process, whatever happens.
#include <atomic>

#include "host/config/enums.hpp"
#include "host/train/processes.hpp"
#include "tests/dist/thread_group.hpp"
#include "tests/train/support.hpp"

namespace gamlp::test {
namespace {

struct Fault {
  int rank = -1;
  std::int64_t epoch = 0;
  std::function<void()> action;
};

// Trains (or resumes, without a config) in `run` on `size` members.
std::vector<std::string> train_together(int size, const fs::path& run, const Config* config, const Fault& fault = {},
                                        std::atomic<int>* interrupted = nullptr, const std::vector<int>& hosts = {}) {
  const auto process = [&](ProcessGroup& group) {
    std::atomic<bool> stop{false};
    TrainOptions options;
    options.group = &group;
    options.stop = &stop;
    options.before_iteration = [&](int rank, std::int64_t epoch) {
      if (rank != fault.rank || epoch != fault.epoch) return;
      if (fault.action) return fault.action();
      stop = true;
    };
    TrainResult result;
    Recorder recorder;
    if (group.rank() != 0) {
      result = join_training(options);
    } else if (config != nullptr) {
      result = train(*config, fs::path(), RunFolder::create(run), recorder, options);
    } else {
      result = resume(RunFolder::open(run), recorder, options);
    }
    if (interrupted != nullptr && result.interrupted) ++*interrupted;
  };
  return together(size, process, hosts);
}

#ifdef NDEBUG
const std::vector<int> kSizes = {2, 3, 4};
#else
const std::vector<int> kSizes = {3};
#endif

Config short_config(const std::vector<std::string>& overrides = {}) {
  return small_config(joined({"stages.0.epochs=4", "stages.1.epochs=5", "train.checkpoint_every=3"}, overrides));
}

}  // namespace

TEST_CASE("several processes train to the bits of one", "[threads]") {
  std::vector<Coded> cases = trainings();
  cases.push_back(
      {"several methods, other coordinates",
       {"method.update=exact", "dataset.hops=12",
        R"(stages=[{"layers":2,"epochs":20},{"layers":4,"epochs":5,"method":{"name":"adam","dropout":0.2}}])"}});
  const ScratchFolder other_graph;
  run_in(other_graph / "weights", short_config({"dataset.generate.seed=5", "dataset.standardize=columns"}));
  cases.push_back({"from the weights of another graph",
                   {"train.from=" + (other_graph / "weights").string(), R"(stages=[{"layers":4,"epochs":9}])"}});
  for (const Coded& coded : cases) {
    const ScratchFolder scratch;
    const std::vector<std::string> common = coded.overrides;
    run_in(scratch / "one", short_config(common));
    for (const int size : kSizes) {
      for (const char* reading : {"broadcast", "each_process"}) {
        INFO(coded.name << ", " << size << " processes, " << reading);
        const ScratchFolder run;
        const Config config = short_config(
            joined(common, {"devices=cpu", std::string("distributed.dataset=") + reading, "train.evaluate_every=2"}));
        REQUIRE(train_together(size, run / "run", &config) == none(size));
        const ScratchFolder other;
        Config alone = config;
        alone.devices = "cpu:" + std::to_string(size);
        run_in(other / "run", alone);
        CHECK(metrics_of(run / "run", true) == metrics_of(other / "run", true));
        CHECK(read_file(run / "run/best.safetensors") == read_file(other / "run/best.safetensors"));
        const nlohmann::json a = json_of(run / "run/result.json"), b = json_of(other / "run/result.json");
        for (const char* key : {"bytes_sent", "devices", "memory_per_device", "layers_per_device", "test_per_class"}) {
          INFO(key);
          CHECK(a[key] == b[key]);
        }
        CHECK(a["exchange_per_device"].size() == static_cast<std::size_t>(size));
        CHECK(json_of(run / "run/config.json") == json_of(other / "run/config.json"));
      }
    }
  }
}

TEST_CASE("what rank 0 chose and where it resumes reaches every process", "[threads]") {
  const std::vector<std::string> set = {"devices=cpu", "stages.1.method.name=adam"};
  PreparedProblem prepared = prepare_problem(small_config(set), 1);
  prepared.config.partition.shards = 3;
  prepared.config.partition.order = RankOrder::layers;
  const Config chosen = prepared.config;
  const std::vector<std::int32_t> labels = prepared.problem.train_labels();
  const std::int64_t inputs = prepared.problem.inputs;
  Checkpoint from;
  from.stage = 2, from.stage_epoch = 7, from.epoch = 11;
  from.recent = {{3.0, 2.5}, {0.5, 0.25}, {0.125, 0.0625}, 0.75};
  std::atomic<int> told{0};
  REQUIRE(together(3, [&](ProcessGroup& group) {
            TrainingStart start;
            if (group.rank() == 0) {
              static_cast<PreparedProblem&>(start) = {chosen, std::move(prepared.problem)}, start.from = from;
            } else {
              start.config = small_config(set);
            }
            broadcast_start(group, start);
            const bool same = start.config.method.options.json() == chosen.method.options.json() &&
                              method_of(start.config, 2).options.json() == method_of(chosen, 2).options.json() &&
                              start.config.partition.shards == 3 && start.config.partition.order == RankOrder::layers &&
                              start.config.dataset.standardize == chosen.dataset.standardize &&
                              start.problem.train_labels() == labels && start.problem.inputs == inputs && start.from &&
                              start.from->stage == 2 && start.from->stage_epoch == 7 && start.from->epoch == 11 &&
                              start.from->recent == from.recent;
            told += same;
          }) == none(3));
  CHECK(told == 3);
}

TEST_CASE("several processes converge where one does", "[threads]") {
  const ScratchFolder scratch;
  const Config one =
      small_config({"train.stop.objective=0.9", "train.stop.window=3", "train.evaluate_every=7", "devices=cpu:3"});
  run_in(scratch / "one", one);
  Config config = one;
  config.devices = "cpu";
  REQUIRE(train_together(3, scratch / "three", &config) == none(3));
  CHECK(metrics_of(scratch / "one") == metrics_of(scratch / "three"));
  CHECK(json_of(scratch / "one/result.json")["epochs"] < 20);
}

TEST_CASE("a signal to any process stops all, and any number of them goes on", "[threads]") {
  const ScratchFolder scratch;
  const Config config = short_config({"devices=cpu", "stages.1.epochs=14"});
  run_in(scratch / "one", short_config({"stages.1.epochs=14"}));
  for (const auto& [rank, epoch] : {std::pair{0, 3}, {2, 6}}) {  // the first stage has two layers
    const fs::path run = scratch / ("stopped by " + std::to_string(rank));
    std::atomic<int> interrupted{0};
    REQUIRE(train_together(3, run, &config, {rank, epoch, {}}, &interrupted) == none(3));
    REQUIRE(interrupted == 3);
    interrupted = 0;
    // On fewer processes, then in one, which must find the stage's weights, then on more.
    REQUIRE(train_together(2, run, nullptr, {1, 10, {}}, &interrupted) == none(2));
    REQUIRE(interrupted == 2);
    TrainOptions options;
    std::atomic<bool> stop{false};
    options.stop = &stop;
    options.before_iteration = [&](int, std::int64_t at) { stop = stop || at == 14; };
    Recorder recorder;
    REQUIRE(resume(RunFolder::open(run), recorder, options).interrupted);
    REQUIRE(train_together(4, run, nullptr) == none(4));
    CHECK(metrics_of(run) == metrics_of(scratch / "one"));
    CHECK(weights_of(run) == weights_of(scratch / "one"));
  }
}

TEST_CASE("processes of a grid train to the bits of one device, and go on on another", "[threads]") {
  const std::vector<std::string> adam = {"method.name=adam", "method.microbatches=4", "devices=cpu"};
  for (const char* reading : {"broadcast", "each_process"}) {
    const ScratchFolder scratch;
    run_in(scratch / "one", short_config(adam));
    Config config = short_config(joined(adam, {"partition.shards=2", std::string("distributed.dataset=") + reading}));
    for (const RankOrder order : {RankOrder::shards, RankOrder::layers}) {
      config.partition.order = order;
      for (const int size : {2, 4, 6}) {
        const fs::path run = scratch / (std::to_string(size) + " by " + std::string(name_of(order)));
        INFO(size << " processes, " << reading);
        CHECK(train_together(size, run, &config) == none(size));
        CHECK(metrics_of(run) == metrics_of(scratch / "one"));
        CHECK(weights_of(run) == weights_of(scratch / "one"));
      }
    }
    // Sums within each of two hosts first.
    Config four = config;
    four.partition.order.reset();
    four.partition.shards = 4;
    for (const int size : {4, 8}) {
      std::vector<int> hosts(static_cast<std::size_t>(size), 0);
      std::fill(hosts.begin() + size / 2, hosts.end(), size / 2);
      const fs::path run = scratch / (std::to_string(size) + " on two hosts");
      INFO(size << " processes on two hosts, " << reading);
      CHECK(train_together(size, run, &four, {}, nullptr, hosts) == none(size));
      CHECK(metrics_of(run) == metrics_of(scratch / "one"));
      CHECK(weights_of(run) == weights_of(scratch / "one"));
    }
    // Layer 1 in V coordinates, which rank 0 has found.
    const std::vector<std::string> wide = {"method.name=gd", "method.microbatches=4", "dataset.hops=12", "devices=cpu"};
    run_in(scratch / "wide", short_config(wide));
    CHECK(json_of(scratch / "wide/result.json")["input"] == "qr");
    Config reduced = short_config(joined(wide, {"partition.shards=2", std::string("distributed.dataset=") + reading}));
    CHECK(train_together(2, scratch / "wide shards", &reduced) == none(2));
    CHECK(weights_of(scratch / "wide shards") == weights_of(scratch / "wide"));
    // Stages in other coordinates: layer 1 of every shard starts from the weights that rank 0 has brought into them.
    const std::vector<std::string> staged = joined(
        wide,
        {R"(stages=[{"layers":2,"epochs":20},{"layers":4,"epochs":5,"method":{"name":"adam","microbatches":4}}])"});
    run_in(scratch / "staged", short_config(staged));
    CHECK(prepare_problem(short_config(staged), 1).problem.stage_kinds ==
          std::vector<InputKind>{InputKind::qr, InputKind::plain});
    Config other = short_config(joined(staged, {"partition.shards=2", std::string("distributed.dataset=") + reading}));
    CHECK(train_together(2, scratch / "staged shards", &other) == none(2));
    CHECK(metrics_of(scratch / "staged shards") == metrics_of(scratch / "staged"));
    // The second stage's first layers are other processes' than the first stage's. (Eight processes that each read the
    // dataset would share OpenBLAS's threads here, which ThreadSanitizer does not understand.)
    if (std::string(reading) == "broadcast") {
      other.partition.order = RankOrder::layers;
      CHECK(train_together(8, scratch / "staged by layers", &other) == none(8));
      CHECK(metrics_of(scratch / "staged by layers") == metrics_of(scratch / "staged"));
    }
    const fs::path run = scratch / "failed";
    const auto errors = train_together(4, run, &config, {3, 8, [] { throw std::runtime_error("injected"); }});
    for (const std::string& error : errors) check_says(error, "worker cpu:3 failed: injected");
    REQUIRE(train_together(3, run, nullptr) == none(3));  // which 2 shards do not divide: layers alone
    CHECK(metrics_of(run) == metrics_of(scratch / "one"));
    CHECK(weights_of(run) == weights_of(scratch / "one"));
  }
}

TEST_CASE("ADMM on two hosts trains to the bits of one device, with either order of the processes", "[threads]") {
  // 8,450 training nodes, which are 4 blocks.
  const std::vector<std::string> data = {"dataset.generate.nodes=13000",
                                         "dataset.split.kind=fraction",
                                         "dataset.split.train_fraction=0.65",
                                         "dataset.split.validation_fraction=0.1",
                                         "stages.0.epochs=2",
                                         "stages.1.epochs=3",
                                         "devices=cpu"};
  for (const char* update : {"method.update=gradient", "method.update=exact"}) {
    const ScratchFolder scratch;
    const std::vector<std::string> set = joined(data, {update});
    run_in(scratch / "one", small_config(set));
    for (const RankOrder order : {RankOrder::shards, RankOrder::layers}) {
      Config config = small_config(joined(set, {"partition.shards=4"}));
      config.partition.order = order;
      INFO(update << " by " << name_of(order));
      const fs::path run = scratch / std::string(name_of(order));
      CHECK(train_together(4, run, &config, {}, nullptr, {0, 0, 2, 2}) == none(4));
      CHECK(metrics_of(run) == metrics_of(scratch / "one"));
      CHECK(weights_of(run) == weights_of(scratch / "one"));
    }
  }
}

TEST_CASE("a process that throws ends the others with its name, and the run goes on from its checkpoint", "[threads]") {
  const ScratchFolder scratch;
  const Config config = short_config({"devices=cpu"});
  run_in(scratch / "one", short_config());
  for (const int rank : {0, 1, 2}) {
    const fs::path run = scratch / ("failed at " + std::to_string(rank));
    const auto errors = train_together(3, run, &config, {rank, 8, [] { throw std::runtime_error("injected"); }});
    const std::string name = "cpu:" + std::to_string(rank);
    for (int other = 0; other < 3; ++other) {
      const std::string& error = errors[static_cast<std::size_t>(other)];
      check_says(error, "worker " + name + " failed: injected");
      if (other != rank) check_says(error, "stopped: rank " + std::to_string(rank) + " (" + name + ") failed: ");
    }
    REQUIRE(train_together(2, run, nullptr) == none(2));
    CHECK(metrics_of(run) == metrics_of(scratch / "one"));
    CHECK(weights_of(run) == weights_of(scratch / "one"));
  }
}

TEST_CASE("a run that diverges says so on every process, and keeps its checkpoint", "[threads]") {
  const ScratchFolder scratch;
  const Config config = short_config({"devices=cpu"});
  const fs::path run = scratch / "run", folder = run / "checkpoints";
  train_together(3, run, &config, {1, 8, [] { throw std::runtime_error("injected"); }});
  std::vector<std::string> warnings;
  Checkpoint checkpoint = load_latest_checkpoint(folder, warnings);
  // Finite, but so large that the square of the residual is not.
  for (std::byte& byte : checkpoint.state.at("z3").data) byte = std::byte{0x7e};
  save_checkpoint(checkpoint_path(folder, checkpoint.epoch), checkpoint);
  for (const std::string& error : train_together(3, run, nullptr)) {
    check_says(error, "diverged at epoch " + std::to_string(checkpoint.epoch + 1) + ", layer ");
  }
  CHECK(load_latest_checkpoint(folder, warnings).epoch == checkpoint.epoch);
  CHECK_FALSE(fs::exists(run / "result.json"));
}

TEST_CASE("rank 0's errors before and during a run end all", "[threads]") {
  const ScratchFolder scratch;
  Config config = short_config({"devices=cpu"});
  config.dataset.generate.reset();
  config.dataset.path = "absent.npz";
  for (const std::string& error : train_together(3, scratch / "absent", &config)) {
    check_says(error, "agreed: ");
    check_says(error, "absent.npz");
  }
  // A folder that vanishes: metrics cannot be written.
  const Config good = short_config({"devices=cpu"});
  const fs::path run = scratch / "vanishing";
  const auto errors = train_together(3, run, &good, {0, 3, [&] { fs::remove_all(run); }});
  CHECK(errors[0].find("group: ") == std::string::npos);
  CHECK_FALSE(errors[0].empty());
  for (const int rank : {1, 2}) check_says(errors[static_cast<std::size_t>(rank)], "stopped: rank 0 (cpu:0) failed: ");
}

}  // namespace gamlp::test
