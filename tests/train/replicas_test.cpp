// Runs of several replicas of a network: what they report, on which devices they may lie, and where they go on.
#include "host/methods/registry.hpp"
#include "host/train/processes.hpp"
#include "tests/train/support.hpp"

namespace gamlp::test {
namespace {

const std::vector<std::string> kMethods = {"local_sgd", "lsgd", "easgd", "slowmo", "diloco"};

// Stages of 2 and 4 layers on 60 training nodes, 5 steps an epoch.
Config replicated(const std::string& method, const std::vector<std::string>& more) {
  return small_config(joined({"method.name=" + method, "method.optimizer.learning_rate=0.02", "method.batch=12",
                              "method.local.tau=3", "train.checkpoint_every=3"},
                             more));
}

std::vector<std::string> on(int replicas, int devices, int shards = 1) {
  return {"devices=cpu:" + std::to_string(devices), "partition.replicas=" + std::to_string(replicas),
          "partition.shards=" + std::to_string(shards)};
}

}  // namespace

TEST_CASE("replicas give the same run wherever their layers and shards lie, and after an interruption") {
  for (const std::string& method : kMethods) {
    const ScratchFolder scratch;
    const std::vector<std::string> shards = {"method.microbatches=2"};
    run_in(scratch / "one", replicated(method, joined(shards, on(3, 3))));
    const nlohmann::json result = json_of(scratch / "one/result.json");
    CHECK(result["replicas"] == 3);
    CHECK(result["leader"]["test_accuracy"].get<double>() > 0);
    CHECK(result["leader"]["best_epoch"].get<int>() > 0);
    CHECK(result.contains("leads") == (method == "lsgd"));
    CHECK(result["tau"] == 3);
    for (const auto& [devices, each] : {std::pair{6, 1}, {12, 1}, {6, 2}, {12, 2}}) {
      INFO(method << " on " << devices << " devices, " << each << " shards");
      const fs::path run = scratch / std::to_string(10 * devices + each);
      run_in(run, replicated(method, joined(shards, on(3, devices, each))));
      CHECK(metrics_of(run) == metrics_of(scratch / "one"));
      CHECK(weights_of(run) == weights_of(scratch / "one"));
    }
    const fs::path stopped = scratch / "stopped";
    REQUIRE(train_until(stopped, replicated(method, joined(shards, on(3, 3))), 8).interrupted);
    TrainOptions options;
    options.overrides = {"devices=cpu:6"};
    Recorder recorder;
    resume(RunFolder::open(stopped), recorder, options);
    CHECK(metrics_of(stopped) == metrics_of(scratch / "one"));
    CHECK(weights_of(stopped) == weights_of(scratch / "one"));
    nlohmann::json again = json_of(stopped / "result.json");
    for (const char* key : {"leader", "leads", "test_accuracy", "replicas"}) {
      if (result.contains(key)) CHECK(again[key] == result[key]);
    }
  }
}

TEST_CASE("how often replicas are evaluated changes no bit of their training") {
  for (const std::string& method : kMethods) {
    const ScratchFolder scratch;
    const auto hashes = [&](int every) {
      const fs::path run = scratch / std::to_string(every);
      run_in(run, replicated(method, joined(on(4, 4), {"stages.1.start=last", "train.weights_hash=true",
                                                       "train.evaluate_every=" + std::to_string(every)})));
      std::vector<std::string> all;
      for (const std::string& line : lines_of(run / "metrics.jsonl")) {
        all.push_back(nlohmann::json::parse(line).at("weights_hash"));
      }
      return all;
    };
    const auto often = hashes(1);
    CHECK(often == hashes(5));
    CHECK(std::set<std::string>(often.begin(), often.end()).size() == often.size());
  }
}

TEST_CASE("a line of metrics has the leader, the loss of every replica, and who has led") {
  const ScratchFolder scratch;
  run_in(scratch / "run", replicated("lsgd", joined(on(4, 4), {"train.evaluate_every=2"})));
  std::vector<std::int64_t> leads(4, 0);
  std::int64_t exchanges = 0;
  for (const std::string& line : lines_of(scratch / "run/metrics.jsonl")) {
    const nlohmann::json json = nlohmann::json::parse(line);
    CHECK(json.at("stage_steps") == 5 * json.at("stage_epoch").get<int>());
    const auto risks = json.at("replica_risks").get<std::vector<double>>();
    REQUIRE(risks.size() == 4);
    const std::size_t leader = json.at("leader");
    CHECK(risks[leader] == *std::min_element(risks.begin(), risks.end()));
    double mean = 0.0;
    for (const double risk : risks) mean += risk / 4;
    CHECK(json.at("risk").get<double>() == Approx(mean));
    CHECK(json.at("leader_test_accuracy").is_null() == json.at("test_accuracy").is_null());
    const auto of_epoch = json.at("leads").get<std::vector<std::int64_t>>();
    for (std::size_t i = 0; i < 4; ++i) leads[i] += of_epoch[i], exchanges += of_epoch[i];
  }
  CHECK(json_of(scratch / "run/result.json")["leads"] == leads);
  CHECK(exchanges == 2 * (10 * 5 / 3));  // two stages
  // One network has none of it.
  run_in(scratch / "one", replicated("lsgd", on(1, 2)));
  const std::string line = lines_of(scratch / "one/metrics.jsonl").front();
  for (const char* key : {"leader", "replica_risks", "leads"}) CHECK(line.find(key) == std::string::npos);
  CHECK_FALSE(json_of(scratch / "one/result.json").contains("replicas"));
}

TEST_CASE("the weights of a run are the mean of its replicas") {
  // With no exchange each goes its own way.
  const ScratchFolder scratch;
  const std::vector<std::string> apart = {"method.lsgd.lambda_global=0", "method.lsgd.p2=0",
                                          "stages=[{\"layers\":2,\"epochs\":4}]", "train.evaluate_every=4"};
  run_in(scratch / "run", replicated("lsgd", joined(on(2, 2), apart)));
  const auto checkpoint = load_checkpoint(checkpoints_of(RunFolder::open(scratch / "run").checkpoints()).front());
  const HostTensor& w = checkpoint.state.at("W2");
  const Network& best = checkpoint.best.network;
  REQUIRE(w.rows == 2 * best[1].w.rows());
  for (std::int64_t i = 0; i < best[1].w.rows(); ++i) {
    const auto* first = reinterpret_cast<const float*>(w.row(i));
    const auto* second = reinterpret_cast<const float*>(w.row(best[1].w.rows() + i));
    for (std::int64_t j = 0; j < best[1].w.cols(); ++j) {
      CHECK(best[1].w(i, j) ==
            static_cast<float>((static_cast<double>(first[j]) + static_cast<double>(second[j])) / 2));
    }
  }
}

TEST_CASE("a run goes on with other replicas, which begin with the mean of those before, and says so") {
  for (const std::string& method : kMethods) {
    const ScratchFolder scratch;
    REQUIRE(train_until(scratch / "run", replicated(method, on(4, 4)), 8).interrupted);
    Recorder recorder;
    TrainOptions options;
    options.overrides = on(2, 4);
    resume(RunFolder::open(scratch / "run"), recorder, options);
    CHECK(json_of(scratch / "run/result.json")["replicas"] == 2);
    std::string told;
    for (const std::string& message : recorder.messages) told += message + "\n";
    INFO(told);
    CHECK(told.find("the run had 4 replicas, and goes on with 2: results depend on their number") != std::string::npos);
    CHECK(told.find("the run had 4 replicas of the network: each of 2 begins with their mean") != std::string::npos);
  }
}

TEST_CASE("every device is a replica where nobody says otherwise") {
  const ScratchFolder scratch;
  Recorder recorder;
  run_in(scratch / "all", replicated("local_sgd", {"devices=cpu:3"}), {}, &recorder);
  CHECK(json_of(scratch / "all/result.json")["replicas"] == 3);
  REQUIRE(recorder.stages.size() == 2);
  CHECK(recorder.stages[1].replicas == 3);
  CHECK(recorder.stages[1].runs() == 1);
  run_in(scratch / "runs", replicated("local_sgd", {"devices=cpu:6", "partition.layers=[2, 2]"}));
  CHECK(json_of(scratch / "runs/result.json")["replicas"] == 3);
}

TEST_CASE("what cannot be replicas is refused") {
  const auto says = [](const std::vector<std::string>& more, const std::string& text) {
    check_says(error_of<ConfigError>([&] {
                 const ScratchFolder scratch;
                 run_in(scratch / "run", small_config(joined({"devices=cpu:4"}, more)));
               }),
               text);
  };
  says({"method.name=adam", "partition.replicas=2"},
       "`partition.replicas` is 2 with `method.name` \"adam\": must be 1");
  says({"method.name=lsgd", "partition.replicas=3"}, "`partition.replicas` is 3, which does not divide 4 devices");
  says({"method.name=lsgd", "method.lsgd.groups=3"}, "`method.lsgd.groups` is 3: must divide the 4 replicas");
  says({"method.name=lsgd", "method.local.tau=3", "method.lsgd.tau_global=4"},
       "`method.lsgd.tau_global` is 4: must be a multiple of 3 (`method.local.tau`)");
  says({"method.name=diloco", "method.diloco.bits=3"}, "`method.diloco.bits` is 3: must be 1, 4, 8 or 32");
  says({"method.name=diloco", "stages.1.method.name=adam"},
       "`stages` have the methods \"diloco\", which trains replicas");
  says({"method.name=local_sgd", "method.batch=2", "method.local.data=fixed", "method.microbatches=15"},
       "`method.batch` is 2: must be at least");
}

TEST_CASE("the best of the leader is the first that validates best") {
  ReplicaFigures figures;
  figures.evaluated(2, {0.5, 0.4, 0.3});
  figures.evaluated(4, {0.6, 0.4, 0.9});
  CHECK(figures.best_epoch == 2);
  figures.evaluated(6, {0.6, 0.5, 0.2});
  CHECK(figures.best_epoch == 6);
  figures.add({});
  CHECK(figures.leads.empty());
  figures.add({1, 0, 2});
  figures.add({0, 1, 2});
  CHECK(figures.leads == std::vector<std::int64_t>{1, 1, 4});
}

}  // namespace gamlp::test
