// Stages with methods of their own: what they start from, in which coordinates, and that a run of them has the same
// bits however it is run.
#include <cmath>

#include "host/methods/registry.hpp"
#include "tests/train/support.hpp"

namespace gamlp::test {
namespace {

using nlohmann::json;

// Two stages of ADMM, then two of Adam, of which the second is as deep.
std::vector<std::string> mixed(const std::vector<std::string>& more = {}) {
  return joined({R"(stages=[{"layers":2,"epochs":6},{"layers":4,"epochs":6},
                            {"layers":4,"epochs":5,"method":{"name":"adam","dropout":0.2,
                             "optimizer":{"learning_rate":0.01,"schedule":{"kind":"cosine","warmup":2}}}},
                            {"layers":5,"epochs":4,"start":"last","method":{"name":"gd","microbatches":3}}])"},
                more);
}

const std::vector<std::vector<std::string>> kCoordinates = {
    {"method.update=gradient", "dataset.hops=2"},   // plain
    {"method.update=gradient", "dataset.hops=12"},  // QR, then plain
    {"method.update=exact", "dataset.hops=2"},
    {"method.update=exact", "dataset.hops=12"}};  // kernel, then plain

json stages_of(const std::filesystem::path& run) { return json_of(run / "result.json")["stages"]; }

}  // namespace

TEST_CASE("a stage starts from the best weights of the one before, or from its last, whatever their coordinates") {
  int telling = 0;  // runs whose best epoch is not their last
  for (const std::vector<std::string>& coordinates : kCoordinates) {
    for (const char* start : {"best", "last"}) {
      for (const char* finish : {"adam", "gd", "pdadmm-g"}) {
        const ScratchFolder scratch;
        // A rate that changes no bit of the weights: the second stage shows what the first one has left.
        const std::string stages = std::string(R"(stages=[{"layers":3,"epochs":9},{"layers":4,"epochs":1,"start":")") +
                                   start + R"(","method":{"name":")" + finish +
                                   R"(","optimizer":{"learning_rate":1e-12}}}])";
        run_in(scratch / "run",
               small_config(joined(coordinates, {stages, "dataset.generate.feature_signal=0.4", "train.seed=5"})));
        const auto epochs = metrics_of(scratch / "run");
        const json result = stages_of(scratch / "run");
        INFO(coordinates[0] << " " << coordinates[1] << ", " << start << ", " << finish);
        REQUIRE(epochs.size() == 10);
        const json left = std::string(start) == "best"
                              ? json::parse(epochs[result[0]["best_stage_epoch"].get<std::size_t>() - 1])
                              : json::parse(epochs[8]);
        telling += std::string(start) == "best" && result[0]["best_stage_epoch"] < 9;
        if (std::string(finish) == "pdadmm-g") continue;  // its first epoch changes weights
        for (const char* part : {"train_accuracy", "validation_accuracy", "test_accuracy"}) {
          CHECK(json::parse(epochs[9])[part] == left[part]);
        }
      }
    }
  }
  CHECK(telling >= 6);
}

TEST_CASE("a stage has coordinates that hold the weights it starts from") {
  const ProblemShape few{100, 1000, 5}, many{5000, 1000, 5};
  const auto kinds = [](const std::vector<std::string>& methods, const ProblemShape& shape, bool warm = false) {
    Config config = small_config({});
    if (warm) config.train.from = "weights.safetensors";
    config.stages.clear();
    for (const std::string& method : methods) {
      StageConfig stage{3, 100};
      stage.method.emplace().name = method.substr(0, method.find(' '));
      if (method.find(' ') != std::string::npos) {
        stage.method->options.json()["update"] = method.substr(method.find(' ') + 1);
      }
      config.stages.push_back(stage);
    }
    std::string text;
    for (const InputKind kind : resolve_problem(config, shape)) text += std::string(1, input_kind_name(kind)[0]);
    return text;
  };
  CHECK(kinds({"pdadmm-g exact", "pdadmm-g exact"}, few) == "kk");
  CHECK(kinds({"pdadmm-g exact", "adam"}, few) == "kp");
  CHECK(kinds({"pdadmm-g exact", "gd", "adam"}, few) == "kqp");     // the span of the inputs holds that of centred ones
  CHECK(kinds({"adam", "gd", "pdadmm-g gradient"}, few) == "ppp");  // Adam leaves the span
  CHECK(kinds({"adam", "pdadmm-g exact", "gd"}, few) == "pkq");     // and the exact update returns to it
  CHECK(kinds({"pdadmm-g gradient", "pdadmm-g exact", "adam", "pdadmm-g exact"}, few) == "qkpk");
  CHECK(kinds({"pdadmm-g exact", "adam", "gd"}, many) == "ppp");
  CHECK(kinds({"gd", "pdadmm-g gradient"}, few, true) == "pp");  // weights of other data are not in the span
  CHECK(kinds({"pdadmm-g exact", "gd"}, few, true) == "kq");
}

TEST_CASE("stages that a run has begun keep their coordinates, and so do later ones of their method") {
  const ProblemShape shape{100, 1000, 5};
  const auto kinds = [&](const std::vector<std::string>& stages, const std::vector<InputKind>& begun,
                         std::int64_t epochs = 100) {
    Config config = small_config({});
    config.stages.clear();
    for (const std::string& name : stages) {
      StageConfig& stage = config.stages.emplace_back(StageConfig{3, epochs});
      if (name != "shared") stage.method.emplace().name = name;
    }
    return resolve_problem(config, shape, nullptr, begun);
  };
  constexpr InputKind p = InputKind::plain, q = InputKind::qr;
  using Kinds = std::vector<InputKind>;
  CHECK(kinds({"shared", "shared"}, {}) == Kinds{q, q});
  CHECK(kinds({"shared", "shared"}, {p}) == Kinds{p, p});
  CHECK(kinds({"shared", "adam", "shared"}, {p}) == Kinds{p, p, p});
  CHECK(kinds({"shared", "gd"}, {q}) == Kinds{q, q});
  CHECK(kinds({"adam", "gd"}, {p}) == Kinds{p, p});  // as without: Adam leaves the span
  CHECK(kinds({"gd", "shared"}, {p, p}) == Kinds{p, p});
  CHECK(kinds({"shared", "shared"}, {}, 2) == Kinds{p, p});
  CHECK(kinds({"shared", "shared"}, {q}, 2) == Kinds{q, q});
}

TEST_CASE("a run of several methods has the same bits on any number of workers") {
  for (const std::vector<std::string>& coordinates : kCoordinates) {
    const ScratchFolder scratch;
    run_in(scratch / "one", small_config(mixed(coordinates)));
    const auto one = metrics_of(scratch / "one");
    REQUIRE(one.size() == 21);
    for (const char* workers : {"cpu:2", "cpu:3", "cpu:5"}) {
      const auto folder = scratch / workers;
      run_in(folder, small_config(joined(mixed(coordinates), {std::string("devices=") + workers})));
      INFO(coordinates[0] << " " << coordinates[1] << ", " << workers);
      CHECK(metrics_of(folder) == one);
      CHECK(stages_of(folder) == stages_of(scratch / "one"));
    }
  }
}

TEST_CASE("a run of several methods goes on to the same bits from any of its checkpoints") {
  for (const std::vector<std::string>& coordinates : kCoordinates) {
    const ScratchFolder scratch;
    run_in(scratch / "whole", small_config(mixed(coordinates)));
    for (const int epoch : {5, 6, 9, 12, 14, 17, 18, 20}) {
      const auto folder = scratch / std::to_string(epoch);
      REQUIRE(train_until(folder, small_config(mixed(coordinates)), epoch).interrupted);
      Recorder recorder;
      resume(RunFolder::open_to_train(folder), recorder);
      INFO(coordinates[0] << " " << coordinates[1] << ", after epoch " << epoch);
      CHECK(metrics_of(folder) == metrics_of(scratch / "whole"));
      CHECK(stages_of(folder) == stages_of(scratch / "whole"));
    }
  }
}

TEST_CASE("a stage of other constants computes with its own, as when the run begins there again") {
  for (const char* hops : {"2", "12"}) {
    const ScratchFolder scratch;
    const Config config =
        small_config({"method.update=exact", std::string("dataset.hops=") + hops,
                      R"(stages=[{"layers":3,"epochs":5},{"layers":3,"epochs":5,"method":{"nu":0.5,"rho":0.5}}])"});
    run_in(scratch / "whole", config);
    REQUIRE(train_until(scratch / "run", config, 6).interrupted);
    Recorder recorder;
    resume(RunFolder::open_to_train(scratch / "run"), recorder);
    INFO(hops << " hops");
    CHECK(metrics_of(scratch / "run") == metrics_of(scratch / "whole"));
  }
}

TEST_CASE("config.json of a run of several methods repeats it") {
  const ScratchFolder scratch;
  run_in(scratch / "run", small_config(mixed(kCoordinates[3])));
  run_in(scratch / "again", load_config(scratch / "run/config.json"));
  CHECK(metrics_of(scratch / "again") == metrics_of(scratch / "run"));
  CHECK(json_of(scratch / "again/config.json") == json_of(scratch / "run/config.json"));
}

TEST_CASE("patience counts from the start where nothing is better than the weights that a run starts from") {
  const ScratchFolder scratch;
  run_in(scratch / "good", small_config({"train.checkpoint_every=20"}));
  // Steps that change nothing.
  const std::vector<std::string> set = {"train.from=" + (scratch / "good").string(), "method.name=adam",
                                        "method.optimizer.learning_rate=1e-12", "train.stop.patience=4"};
  run_in(scratch / "tuned",
         small_config(joined(set, {R"(stages=[{"layers":4,"epochs":40},{"layers":5,"epochs":40}])"})));
  const json result = json_of(scratch / "tuned" / "result.json");
  CHECK(metrics_of(scratch / "tuned").size() == 10);
  CHECK(result["stages"][0]["best_stage_epoch"] == 0);
  CHECK(result["stages"][1]["best_stage_epoch"] == 0);
}

TEST_CASE("patience without validation nodes is of no effect, and the run says so") {
  const ScratchFolder scratch;
  Recorder recorder;
  const Config config = small_config(
      {"train.stop.patience=2", "dataset.split.kind=fraction", "dataset.split.validation_fraction=0.000001"});
  run_in(scratch / "run", config, {}, &recorder);
  CHECK(metrics_of(scratch / "run").size() == 20);
  REQUIRE(recorder.warnings.size() == 1);
  check_says(recorder.warnings[0], "`train.stop.patience` has no effect: no node validates");
}

TEST_CASE("patience ends a stage, one epoch after its evaluations have shown no gain") {
  const ScratchFolder scratch;
  const std::vector<std::string> common = {R"(stages=[{"layers":2,"epochs":40},{"layers":4,"epochs":40}])",
                                           "dataset.generate.feature_signal=0.4"};
  for (const int every : {1, 3}) {
    const std::string name = std::to_string(every);
    const std::vector<std::string> set =
        joined(common, {"train.stop.patience=4", "train.evaluate_every=" + std::to_string(every)});
    run_in(scratch / ("patient" + name), small_config(set));
    const auto epochs = metrics_of(scratch / ("patient" + name));
    const json result = json_of(scratch / ("patient" + name) / "result.json");
    REQUIRE(epochs.size() < 80);
    std::size_t at = 0;
    double best = -1;
    for (int stage = 1; stage <= 2; ++stage) {
      int best_at = 0, last = 0;
      for (; at < epochs.size() && json::parse(epochs[at])["stage"] == stage; ++at) {
        const json epoch = json::parse(epochs[at]);
        last = epoch["stage_epoch"];
        // The second stage has the first one's best weights, until others are better by half a standard error.
        const bool start = stage == 2 && best_at == 0;
        const double least = start                        ? best + 0.5 * std::sqrt(best * (1 - best) / 60)
                             : stage == 1 && best_at == 0 ? -1
                                                          : best;
        if (epoch["validation_accuracy"].is_null() || epoch["validation_accuracy"] <= least) continue;
        best = epoch["validation_accuracy"], best_at = last;
      }
      // The first evaluated epoch that is 4 after the best one, and the one trained meanwhile.
      int expected = best_at + 4;
      while (expected % every != 0) ++expected;
      INFO("every " << every << ", stage " << stage << ", best " << best_at);
      CHECK(last == std::min(40, expected + 1));
      CHECK(result["stages"][static_cast<std::size_t>(stage) - 1]["best_stage_epoch"] == best_at);
    }
    // The same on several workers, and when it was interrupted on the way.
    run_in(scratch / ("two" + name), small_config(joined(set, {"devices=cpu:2"})));
    CHECK(metrics_of(scratch / ("two" + name)) == epochs);
    for (const int stop : {3, 5, 6, 9}) {
      const auto folder = scratch / ("stopped" + name + "-" + std::to_string(stop));
      REQUIRE(train_until(folder, small_config(set), stop).interrupted);
      Recorder recorder;
      resume(RunFolder::open_to_train(folder), recorder);
      INFO("stopped after " << stop);
      CHECK(metrics_of(folder) == epochs);
    }
  }
}

}  // namespace gamlp::test
