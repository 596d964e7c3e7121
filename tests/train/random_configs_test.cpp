// Random valid configs train, are evaluated and resumed, or say why not.
#include <atomic>
#include <cmath>

#include "host/cli/saved_run.hpp"
#include "tests/config/random_config.hpp"
#include "tests/train/support.hpp"

namespace gamlp::test {
namespace {

// What decides the size of a run, or needs files or GPUs.
bool fixed(const JsonPath& path) {
  const std::string key = join_path(path);
  for (const char* start :
       {"dataset.path", "dataset.text", "dataset.generate.", "dataset.split", "model.width", "stages", "devices",
        "threads_per_device", "partition", "distributed", "method.weight_decay_layers"}) {
    if (key.rfind(start, 0) == 0 && key != "dataset.generate.homophily" && key != "dataset.generate.seed") return true;
  }
  return false;
}

enum class End { trained, diverged };

End train_in(const fs::path& run, const Config& config) {
  std::atomic<bool> stop{false};
  TrainOptions options;
  options.stop = &stop;
  options.before_iteration = [&](int, std::int64_t epoch) { stop = epoch >= 3; };
  Recorder recorder;
  try {
    TrainResult result = run_in(run, config, options);
    const Config saved = load_config(run / "config.json");
    if (result.interrupted) result = resume(RunFolder::open(run), recorder, {});
    CHECK_FALSE(result.interrupted);
    CHECK(to_json(load_config(run / "config.json")).dump() == to_json(saved).dump());
  } catch (const DivergenceError&) {
    return End::diverged;
  }
  const nlohmann::json result = json_of(run / "result.json");
  CHECK(result["epochs"].get<int>() >= 1);
  const cli::SavedRun saved = cli::open_saved_run(run, std::nullopt);
  const Matrix scores = cli::class_scores(saved, {0, 1, 2});
  for (std::int64_t i = 0; i < scores.rows(); ++i) {
    for (std::int64_t c = 0; c < scores.cols(); ++c) CHECK(std::isfinite(scores(i, c)));
  }
  return End::trained;
}

}  // namespace

TEST_CASE("random valid configs train, are evaluated and resumed") {
  RandomConfigs configs(5);
  const nlohmann::json base = nlohmann::json::parse(
      to_json(small_config({"stages.0.epochs=2", "stages.1.epochs=4", "model.width=8", "method.update=auto"})).dump());
  int trained = 0;
  constexpr int kRuns = 40;
  for (int i = 0; i < kRuns; ++i) {
    const ScratchFolder scratch;
    nlohmann::json document = configs.next(base, 6, fixed);
    document["devices"] = i % 3 == 0 ? "cpu:2" : "cpu:1";
    INFO(document.dump());
    try {
      trained += train_in(scratch / "run", parse_config(document, "random")) == End::trained;
    } catch (const std::exception& error) {
      FAIL_CHECK(error.what());
    }
  }
  CHECK(trained > kRuns * 3 / 4);
}

TEST_CASE("constants at the least that is allowed train") {
  for (const char* key :
       {"method.nu", "method.rho", "method.init_scale_first", "method.exact.nu2", "method.exact.kappa"}) {
    for (const char* update : {"gradient", "exact"}) {
      const ScratchFolder scratch;
      INFO(key << ", " << update);
      const Config config = small_config({std::string(key) + "=1e-9", std::string("method.update=") + update,
                                          "stages.0.epochs=2", "stages.1.epochs=4"});
      CHECK(train_in(scratch / "run", config) == End::trained);
    }
  }
  for (const char* name : {"gd", "nesterov", "adam", "adadelta", "adagrad"}) {
    for (const char* least : {"method.optimizer.eps=1e-30", "method.optimizer.learning_rate=1e-12"}) {
      const ScratchFolder scratch;
      INFO(name << ", " << least);
      const Config config =
          small_config({least, std::string("method.name=") + name, "stages.0.epochs=2", "stages.1.epochs=4"});
      CHECK(train_in(scratch / "run", config) == End::trained);
    }
  }
}

}  // namespace gamlp::test
