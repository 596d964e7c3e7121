// Runs over shards of the training nodes: the bits of one device, on any grid, also when it changes on the way.
#include "host/plan/choose_grid.hpp"
#include "host/train/processes.hpp"
#include "tests/train/support.hpp"

namespace gamlp::test {
namespace {

// Stages of 2 and 4 layers.
Config sharded(const std::vector<std::string>& more) {
  return small_config(joined(
      {"method.name=adam", "method.optimizer.learning_rate=0.03", "method.microbatches=6", "train.checkpoint_every=3"},
      more));
}

// 8,450 training nodes, which ADMM divides into 4 blocks.
Config sharded_admm(const std::vector<std::string>& more) {
  return small_config(joined(
      {"dataset.generate.nodes=13000", "dataset.split.kind=fraction", "dataset.split.train_fraction=0.65",
       "dataset.split.validation_fraction=0.1", "stages.0.epochs=4", "stages.1.epochs=8", "train.checkpoint_every=3"},
      more));
}

std::vector<std::string> on_grid(int devices, int shards, const std::string& order = "shards") {
  return {"devices=cpu:" + std::to_string(devices), "partition.shards=" + std::to_string(shards),
          "partition.order=" + order};
}

}  // namespace

TEST_CASE("any grid of devices gives the run of one") {
  for (const std::vector<std::string>& method :
       std::vector<std::vector<std::string>>{{}, {"method.name=gd", "method.dropout=0.2"}}) {
    const ScratchFolder scratch;
    run_in(scratch / "one", sharded(method));
    for (const auto& [devices, shards] : {std::pair{2, 2}, {3, 3}, {4, 2}, {6, 3}, {8, 2}, {6, 6}}) {
      INFO(devices << " devices, " << shards << " shards");
      const fs::path run = scratch / std::to_string(10 * devices + shards);
      Recorder recorder;
      run_in(run, sharded(joined(method, on_grid(devices, shards))), {}, &recorder);
      CHECK(metrics_of(run) == metrics_of(scratch / "one"));
      CHECK(weights_of(run) == weights_of(scratch / "one"));
      const nlohmann::json result = json_of(run / "result.json");
      CHECK(result["shards"] == shards);
      CHECK(result["layers_per_device"].size() == static_cast<std::size_t>(devices));
      CHECK(result["bytes_sent"].get<double>() > 0);
      REQUIRE(recorder.stages.size() == 2);
      CHECK(recorder.stages[0].devices() == std::min(2, devices / shards) * shards);  // 2 layers
      CHECK(recorder.stages[1].shards == shards);
    }
  }
}

TEST_CASE("the hash of the weights is that of one device, and another for other weights") {
  const auto hashes = [](const fs::path& run) {
    std::vector<std::string> all;
    for (const std::string& line : lines_of(run / "metrics.jsonl")) {
      all.push_back(nlohmann::json::parse(line).at("weights_hash"));
    }
    return all;
  };
  const std::string asked = "train.weights_hash=true";
  for (const auto& make : {&sharded, &sharded_admm}) {
    const ScratchFolder scratch;
    run_in(scratch / "one", make({asked}));
    const auto one = hashes(scratch / "one");
    CHECK(std::set<std::string>(one.begin(), one.end()).size() == one.size());
    for (const auto& [devices, shards] : {std::pair{2, 2}, {4, 2}, {4, 4}}) {
      const fs::path run = scratch / std::to_string(10 * devices + shards);
      run_in(run, make(joined({asked}, on_grid(devices, shards))));
      CHECK(hashes(run) == one);
    }
    run_in(scratch / "seed", make({asked, "train.seed=7"}));
    CHECK(hashes(scratch / "seed") != one);
    CHECK(hashes(scratch / "seed").size() == one.size());
    run_in(scratch / "plain", make({}));
    CHECK(lines_of(scratch / "plain" / "metrics.jsonl").front().find("weights_hash") == std::string::npos);
  }
}

TEST_CASE("devices that hold other weights than those that have the same layers are named") {
  Placement placement;
  placement.ranges = {{1, 3}, {4, 5}};
  placement.shards = 2;
  const std::uint64_t a = 0x00000001FFFFFFFF, b = 0xFFFFFFFF00000002;
  CHECK(hash_of_replicas(placement, {a, a, b, b}, 3) == 1);  // the halves are added up apart
  CHECK(hash_of_replicas(placement, {}, 3) == 0);
  try {
    hash_of_replicas(placement, {a, a, b, a}, 3);
    FAIL("no error");
  } catch (const DeviceError& error) {
    check_says(error.what(), "after epoch 3 devices 2 and 3 hold different weights of layers 4 to 5");
  }
  placement.order = RankOrder::layers;
  CHECK(hash_of_replicas(placement, {a, b, a, b}, 3) == 1);
  CHECK_THROWS_AS(hash_of_replicas(placement, {a, a, b, b}, 3), DeviceError);
}

TEST_CASE("the order of the devices changes nothing, also where a stage has fewer runs of layers") {
  const ScratchFolder scratch;
  const std::vector<std::string> admm = {"method.update=gradient"};
  run_in(scratch / "adam", sharded({}));
  run_in(scratch / "admm", sharded_admm(admm));
  for (const auto& [devices, shards] : {std::pair{4, 2}, {8, 2}, {9, 3}}) {
    INFO(devices << " devices, " << shards << " shards");
    Recorder recorder;
    const fs::path run = scratch / std::to_string(10 * devices + shards);
    run_in(run, sharded(on_grid(devices, shards, "layers")), {}, &recorder);
    CHECK(metrics_of(run) == metrics_of(scratch / "adam"));
    CHECK(weights_of(run) == weights_of(scratch / "adam"));
    REQUIRE(recorder.stages.size() == 2);
    CHECK(recorder.stages[1].order == RankOrder::layers);
    CHECK(recorder.stages[0].ranks_of(0)[1] == 2);  // of two layers
    CHECK(recorder.stages[1].ranks_of(0)[1] == devices / shards);
    CHECK(json_of(run / "config.json")["partition"]["order"] == "layers");
    const fs::path stopped = scratch / ("stopped " + std::to_string(devices));
    REQUIRE(train_until(stopped, sharded_admm(joined(admm, on_grid(devices, shards, "layers"))), 8).interrupted);
    TrainOptions options;
    options.overrides = on_grid(devices, shards, devices == 8 ? "layers" : "shards");
    resume(RunFolder::open(stopped), recorder, options);
    CHECK(metrics_of(stopped) == metrics_of(scratch / "admm"));
    CHECK(weights_of(stopped) == weights_of(scratch / "admm"));
  }
}

TEST_CASE("a run goes on on another grid to the same bits") {
  const ScratchFolder scratch;
  run_in(scratch / "one", sharded({}));
  const std::pair<int, int> grids[] = {{1, 1}, {2, 2}, {6, 3}, {4, 1}, {8, 2}};
  for (const auto& from : grids) {
    for (const auto& to : grids) {
      if (from == to) continue;
      INFO(from.first << " devices in " << from.second << " shards, then " << to.first << " in " << to.second);
      const fs::path run = scratch / (std::to_string(10 * from.first + from.second) + " to " +
                                      std::to_string(10 * to.first + to.second));
      REQUIRE(train_until(run, sharded(on_grid(from.first, from.second)), 8).interrupted);
      TrainOptions options;
      options.overrides = on_grid(to.first, to.second);
      Recorder recorder;
      resume(RunFolder::open(run), recorder, options);
      CHECK(metrics_of(run) == metrics_of(scratch / "one"));
      CHECK(weights_of(run) == weights_of(scratch / "one"));
    }
  }
}

TEST_CASE("ADMM gives the run of one device on any grid, and goes on on another") {
  for (const std::vector<std::string>& update :
       std::vector<std::vector<std::string>>{{"method.update=gradient"}, {"method.update=exact"}}) {
    const ScratchFolder scratch;
    run_in(scratch / "one", sharded_admm(update));
    const std::pair<int, int> grids[] = {{2, 2}, {3, 3}, {4, 4}, {8, 4}};
    for (const auto& [devices, shards] : grids) {
      INFO(update.front() << ", " << devices << " devices, " << shards << " shards");
      const fs::path run = scratch / std::to_string(10 * devices + shards);
      Recorder recorder;
      run_in(run, sharded_admm(joined(update, on_grid(devices, shards))), {}, &recorder);
      CHECK(metrics_of(run) == metrics_of(scratch / "one"));
      CHECK(weights_of(run) == weights_of(scratch / "one"));
      CHECK(recorder.stages[1].shards == shards);
      for (const auto& [to, to_shards] : {std::pair{1, 1}, {6, 3}}) {
        const fs::path stopped = scratch / (run.filename().string() + " to " + std::to_string(to));
        REQUIRE(train_until(stopped, sharded_admm(joined(update, on_grid(devices, shards))), 8).interrupted);
        TrainOptions options;
        options.overrides = on_grid(to, to_shards);
        resume(RunFolder::open(stopped), recorder, options);
        CHECK(metrics_of(stopped) == metrics_of(scratch / "one"));
        CHECK(weights_of(stopped) == weights_of(scratch / "one"));
      }
    }
  }
}

TEST_CASE("tensors of nodes that the devices have no room for change nothing, and may have some when a run goes on") {
  for (const std::vector<std::string>& method :
       std::vector<std::vector<std::string>>{{"method.update=gradient", "exchange.p.error_feedback=true"},
                                             {"method.update=exact"},
                                             {"method.name=adam"}}) {
    const ScratchFolder scratch;
    run_in(scratch / "one", sharded_admm(method));
    const auto memory = [&](const std::string& run, const char* kind) {
      return json_of(scratch / run / "result.json")["memory_per_device"][0][kind].get<double>();
    };
    CHECK(memory("one", "host") == 0);
    for (const std::string room : {"0", "1"}) {
      for (const auto& [devices, shards] : {std::pair{1, 1}, {2, 2}, {4, 2}}) {
        INFO(method.front() << ", " << room << " MB, " << devices << " devices, " << shards << " shards");
        const std::string run = room + " on " + std::to_string(10 * devices + shards);
        const auto config = joined(joined(method, {"node_memory=" + room}), on_grid(devices, shards));
        run_in(scratch / run, sharded_admm(config));
        CHECK(metrics_of(scratch / run) == metrics_of(scratch / "one"));
        CHECK(weights_of(scratch / run) == weights_of(scratch / "one"));
        if (room == "0") CHECK(memory(run, "host") > 0);
      }
    }
    for (const auto& [before, after] : {std::pair{"0", "null"}, {"null", "0"}}) {
      const fs::path run = scratch / (std::string(before) + " to " + after);
      REQUIRE(train_until(run, sharded_admm(joined(method, {"node_memory=" + std::string(before)})), 8).interrupted);
      TrainOptions options;
      options.overrides = {"node_memory=" + std::string(after)};
      Recorder recorder;
      resume(RunFolder::open(run), recorder, options);
      CHECK(metrics_of(run) == metrics_of(scratch / "one"));
      CHECK(weights_of(run) == weights_of(scratch / "one"));
    }
    if (method.front() == "method.name=adam") continue;  // has the inputs of layer 1 alone
    CHECK(memory("0 on 11", "peak") < 0.8 * memory("one", "peak"));
    CHECK(memory("1 on 11", "peak") > 5e5 + memory("0 on 11", "peak"));
    CHECK(memory("1 on 11", "peak") <= 1e6 + memory("0 on 11", "peak"));
  }
}

TEST_CASE("ADMM says how many shards a graph has nodes for, and where layer 1 cannot have them") {
  const ScratchFolder scratch;
  check_says(error_of<ConfigError>([&] { run_in(scratch / "few", small_config(on_grid(2, 2))); }),
             "`partition.shards` is 2: must be at most 1, the blocks of 60 training nodes (a power of two");
  check_says(error_of<ConfigError>([&] { run_in(scratch / "many", small_config({"devices=cpu:5"})); }),
             "the devices, more than the 4 layers of the last stage, make 5 shards");
}

TEST_CASE("shards have at least a micro-batch each, of which there are as many where nobody chose") {
  const ScratchFolder scratch;
  Recorder recorder;
  run_in(scratch / "raised", sharded(joined(on_grid(3, 3), {"method.microbatches=null"})), {}, &recorder);
  CHECK(json_of(scratch / "raised/config.json")["method"]["microbatches"] == 3);
  run_in(scratch / "chosen", sharded({"method.microbatches=3"}));
  CHECK(weights_of(scratch / "raised") == weights_of(scratch / "chosen"));
  check_says(error_of<ConfigError>([&] { run_in(scratch / "few", sharded(joined(on_grid(8, 8), {}))); }),
             "`partition.shards` is 8: must be at most 6, the micro-batches");
}

TEST_CASE("shards have their rows of the coordinates of layer 1") {
  const ScratchFolder scratch;
  const std::vector<std::string> wide = {"method.name=gd", "dataset.hops=12", "method.microbatches=3"};
  run_in(scratch / "one", sharded(wide));
  CHECK(json_of(scratch / "one/result.json")["input"] == "qr");
  run_in(scratch / "shards", sharded(joined(wide, on_grid(6, 3))));
  CHECK(json_of(scratch / "shards/result.json")["input"] == "qr");
  CHECK(metrics_of(scratch / "shards") == metrics_of(scratch / "one"));
  CHECK(weights_of(scratch / "shards") == weights_of(scratch / "one"));
}

TEST_CASE("workers of compressed momentum: a run keeps their number, and says what becomes of another") {
  const std::vector<std::string> set = {"method.name=apmsqueeze", "method.optimizer.learning_rate=0.03",
                                        "stages=[{\"layers\": 4, \"epochs\": 20}]", "train.checkpoint_every=5"};
  const ScratchFolder scratch;
  TrainOptions options;
  options.place = choose_grid;
  run_in(scratch / "run", small_config(joined(set, {"devices=cpu:3"})), options);
  const auto before = metrics_of(scratch / "run");
  CHECK(json_of(scratch / "run/result.json")["shards"] == 3);
  CHECK(json_of(scratch / "run/config.json")["partition"]["shards"] == 3);
  // Its own config repeats it, with a device for each layer too.
  run_in(scratch / "again", load_config(scratch / "run/config.json"), options);
  CHECK(weights_of(scratch / "again") == weights_of(scratch / "run"));
  run_in(scratch / "wide", load_config(scratch / "run/config.json", std::vector<std::string>{"devices=cpu:12"}),
         options);
  CHECK(weights_of(scratch / "wide") == weights_of(scratch / "run"));
  CHECK(json_of(scratch / "wide/result.json")["layers_per_device"].size() == 12);
  // On other workers it is another run, from there on; with the warm-up of 3 epochs that it had, not of 30.
  Recorder recorder;
  options.overrides = {"devices=cpu:2", "partition.shards=2", "stages.0.epochs=200"};
  resume(RunFolder::open_to_train(scratch / "run"), recorder, options);
  bool said = false;
  for (const std::string& message : recorder.messages) {
    said = said || message.find("the errors of compression of 3 workers become those of 2") != std::string::npos;
  }
  CHECK(said);
  const auto after = metrics_of(scratch / "run");
  REQUIRE(after.size() == 200);
  CHECK(std::equal(before.begin(), before.end(), after.begin()));
  const auto bytes = [&](std::size_t epoch) {
    return nlohmann::json::parse(lines_of(scratch / "run/metrics.jsonl")[epoch])["bytes_sent"].get<double>();
  };
  CHECK(bytes(22) - bytes(21) == bytes(39) - bytes(38));
  CHECK(bytes(22) - bytes(21) < bytes(0) / 3);  // 2 compress less than 3 send in float32
}

TEST_CASE("a warm-up that ends when v has settled is a warm-up of so many epochs, also when the run goes on") {
  const auto squeezed = [](const std::vector<std::string>& more) {
    return small_config(joined(
        {"method.name=apmsqueeze", "method.optimizer.learning_rate=0.003", "stages=[{\"layers\": 4, \"epochs\": 60}]",
         "devices=cpu:3", "partition.shards=3", "method.microbatches=3", "method.batch=60", "train.checkpoint_every=7"},
        more));
  };
  const std::vector<std::string> settled = {"method.squeeze.warmup=50", "method.squeeze.settled=0.97"};
  // The first epoch that sends less than the one before.
  const auto begins = [](const fs::path& run) {
    double last = 0, before = 0;
    std::int64_t epoch = 0;
    for (const std::string& line : lines_of(run / "metrics.jsonl")) {
      const double bytes = nlohmann::json::parse(line)["bytes_sent"].get<double>(), sent = bytes - before;
      if (epoch > 0 && sent < 0.5 * last) return epoch;
      last = sent, before = bytes, ++epoch;
    }
    return epoch;
  };
  const ScratchFolder scratch;
  run_in(scratch / "run", squeezed(settled));
  const std::int64_t first = begins(scratch / "run");
  REQUIRE(first >= 12);
  REQUIRE(first < 50);
  INFO("it begins after " << first << " epochs");
  run_in(scratch / "fixed", squeezed({"method.squeeze.warmup=" + std::to_string(first)}));
  CHECK(metrics_of(scratch / "fixed") == metrics_of(scratch / "run"));
  CHECK(weights_of(scratch / "fixed") == weights_of(scratch / "run"));
  run_in(scratch / "layers", squeezed(joined(settled, {"devices=cpu:6"})));
  CHECK(weights_of(scratch / "layers") == weights_of(scratch / "run"));
  for (const std::int64_t stop : {first - 5, first - 1, first, first + 1, first + 3}) {
    const fs::path run = scratch / ("stopped at " + std::to_string(stop));
    REQUIRE(train_until(run, squeezed(settled), stop).interrupted);
    Recorder recorder;
    resume(RunFolder::open(run), recorder);
    INFO("stopped at " << stop << " of " << first);
    CHECK(metrics_of(run) == metrics_of(scratch / "run"));
    CHECK(weights_of(run) == weights_of(scratch / "run"));
  }
  // Of weights that hardly move, gradients are the same, and so is v without its bias.
  run_in(scratch / "still", squeezed({"method.squeeze.warmup=50", "method.squeeze.settled=0.999", "method.batch=null",
                                      "method.optimizer.learning_rate=1e-12", "method.init=pytorch"}));
  CHECK(begins(scratch / "still") == 12);
  // v that never rests so much leaves the whole warm-up.
  run_in(scratch / "never", squeezed({"method.squeeze.warmup=50", "method.squeeze.settled=0.999999"}));
  CHECK(begins(scratch / "never") == 50);
}

TEST_CASE("workers: a run goes on with more of them, given the micro-batches, and without a compression too") {
  const ScratchFolder scratch;
  TrainOptions options;
  options.place = choose_grid;
  const std::vector<std::string> bf16 = {"method.name=adam", "method.gradients=bf16", "train.checkpoint_every=5"};
  run_in(scratch / "run", small_config(joined(bf16, {"devices=cpu:2"})), options);
  CHECK(json_of(scratch / "run/config.json")["partition"]["shards"] == 2);
  Recorder recorder;
  options.overrides = {"devices=cpu:3", "partition.shards=3", "stages.1.epochs=15"};
  check_says(error_of<ConfigError>([&] { resume(RunFolder::open_to_train(scratch / "run"), recorder, options); }),
             "`partition.shards` is 3: must be at most 2, the micro-batches of 60 training nodes");
  options.overrides.push_back("method.microbatches=3");
  recorder.messages.clear();
  resume(RunFolder::open_to_train(scratch / "run"), recorder, options);
  CHECK(json_of(scratch / "run/result.json")["shards"] == 3);
  const std::string told = "the run had 2 workers, and goes on with 3: results depend on their number";
  CHECK(std::count(recorder.messages.begin(), recorder.messages.end(), told) == 1);
  // A stage of workers that is added to a run on one device: every device is one.
  run_in(scratch / "one", small_config({"method.name=adam", "devices=cpu:1", "train.checkpoint_every=5"}),
         options = {});
  options.place = choose_grid;
  options.overrides = {"devices=cpu:4",
                       R"(stages=[{"layers":2,"epochs":10},{"layers":4,"epochs":10},{"layers":4,"epochs":5,"method":)"
                       R"({"name":"apmsqueeze","microbatches":4}}])",
                       "method.microbatches=1"};
  const std::string refused =
      error_of<ConfigError>([&] { resume(RunFolder::open_to_train(scratch / "one"), recorder, options); });
  check_says(refused, "`partition.shards` is 4: must be at most 1, the micro-batches of 60 training nodes");
}

TEST_CASE("devices that nobody counted are as many workers as the nodes allow") {
  Config config = small_config({"devices=auto", "method.name=apmsqueeze"});
  ChosenDevices devices;
  devices.count = devices.available = 40;
  CHECK(choose_grid(config, devices, {60, 24, 3}, {}) == "15 workers, each with a shard of the training nodes");
  CHECK(devices.count == 15);
  CHECK(config.partition.shards == 15);
  config = small_config({"devices=auto", "method.name=apmsqueeze", "method.microbatches=1"});
  devices.count = devices.available = 2;
  CHECK(choose_grid(config, devices, {60, 24, 3}, {}) == "1 worker, which has all training nodes");
  // Of one network in two runs of layers.
  config = small_config({"devices=cpu:4", "method.name=apmsqueeze", "partition.layers=[2,2]"});
  devices.count = 4, devices.available = 0;
  CHECK(choose_grid(config, devices, {60, 24, 3}, {}) == "2 workers, each with a shard of the training nodes");
  CHECK(config.partition.shards == 2);
}

}  // namespace gamlp::test
