// Contradictions between values that are each allowed.
#include <vector>

#include "tests/config/support.hpp"
#include "tests/support/methods.hpp"

using namespace gamlp;
using test::contains;

namespace {

struct Contradiction {
  std::string text;
  std::string message;
};

}  // namespace

TEST_CASE("contradictions are refused", "[config]") {
  const std::vector<Contradiction> corpus = {
      {R"("stages": [{"layers": 5, "epochs": 1}, {"layers": 2, "epochs": 1}])",
       "`stages.1.layers` is 2: must be at least the 5"},
      {R"("method": {"update": "exact", "nu": 0.5, "rho": 0.25})",
       "`method.rho` is 0.25 and `method.nu` 0.5: must be equal"},
      {R"("method": {"weight_decay_layers": [1, 0]})",
       "`method.weight_decay_layers` has 2 entries: must have one for each"},
      {R"("method": {"name": "apmsqueeze", "squeeze": {"bits": 4}})",
       "`method.squeeze.bits` is 4: must be 1 or 8 (32: momentum is not compressed); with a few bits"},
      {R"("method": {"name": "apmsqueeze", "squeeze": {"block": 384}})",
       "`method.squeeze.block` is 384: must be a power of two"},
      {R"("method": {"name": "apmsqueeze", "optimizer": {"weight_decay": 0.1}})",
       "`method.optimizer.weight_decay` is 0.1 with `method.name` \"apmsqueeze\": must be 0, or"},
      {R"("method": {"name": "apmsqueeze", "squeeze": {"warmup": 10}}, "stages": [{"layers": 2, "epochs": 11},
          {"layers": 3, "epochs": 10}])",
       "`method.squeeze.warmup` is 10: must be less than the 10 epochs of stage 2"},
      {R"("stages": [{"layers": 2, "epochs": 1}, {"layers": 3, "epochs": 3, "method":
          {"name": "apmsqueeze", "squeeze": {"warmup": 4}}}])",
       "`stages.1.method.squeeze.warmup` is 4: must be less than the 3 epochs of stage 2"},
      {R"("method": {"name": "adam"}, "train": {"stop": {"residual": 0.1}})",
       "`train.stop.residual` is 0.1 with `method.name` \"adam\": must be null"},
      {R"("exchange": {"p": {"error_feedback": true, "coding": "difference"}})", "`exchange.p.error_feedback` is true"},
      {R"("exchange": {"q": {"range": "fixed", "coding": "difference"}})", "`exchange.q.range` is \"fixed\""},
      {R"("exchange": {"q": {"grid": {"min": 2, "max": 2}}})", "`exchange.q.grid.min` is 2.0: must be below"},
      {R"("exchange": {"q": {"bits": 4, "range": "fixed"}})", "`exchange.q.grid.levels` is 22: must be at most 16"},
      {R"("exchange": {"q": {"bits": 1, "range": "fixed", "grid": {"levels": 3}}})",
       "must be at most 2, the codes of 1 bit"},
      {R"("exchange": {"q": {"range": "fixed"}, "schedule": [{"epoch": 5, "bits": 2}]})",
       "`exchange.q.grid.levels` is 22: must be at most 4"},
      {R"("exchange": {"schedule": [{"epoch": 5, "bits": 4}, {"epoch": 5, "bits": 2}]})",
       "`exchange.schedule.1.epoch` is 5: must be above the 5"},
      {R"("exchange": {"p": {"bits": 32}, "q": {"bits": 32}, "schedule": [{"epoch": 5, "bits": 4}]})",
       "`exchange.schedule` has no effect"},
  };
  for (const Contradiction& bad : corpus) {
    INFO(bad.text);
    const std::string message = test::config_error([&] { test::parsed(test::with_dataset(bad.text)); });
    INFO(message);
    CHECK(message.starts_with("test.json: "));
    CHECK(contains(message, bad.message));
  }
}

TEST_CASE("impossible datasets are refused", "[config]") {
  const std::vector<Contradiction> corpus = {
      {R"("text": {"edges": "e", "features": "f", "labels": "l"})",
       "`dataset.split.kind` is \"file\", but a text dataset"},
      {R"("path": "a", "split": {"kind": "fraction", "train_fraction": 0.7, "validation_fraction": 0.31})",
       "must be at most 1"},
      {R"("generate": {"nodes": 3, "classes": 4, "mean_degree": 1})",
       "`dataset.generate.classes` is 4: must be at most the 3"},
      {R"("generate": {"nodes": 8, "mean_degree": 8})",
       "`dataset.generate.mean_degree` is 8.0: must be at most one less than the 8"},
      {R"("generate": {"nodes": 8, "mean_degree": 7.5})", "`dataset.generate.mean_degree` is 7.5: must be at most one"},
      {R"("generate": {"nodes": 100000000, "features": 1000})", "must be at most 4000000000.0 values"},
      {R"("generate": {"nodes": 1000}, "split": {"kind": "per_class"})", "asks for 20 × 4 training, 1000 validation"},
  };
  for (const Contradiction& bad : corpus) {
    INFO(bad.text);
    const std::string message = test::config_error([&] { test::parsed("{\"dataset\": {" + bad.text + "}}"); });
    INFO(message);
    CHECK(contains(message, bad.message));
  }
  // No test part is left, which is fine.
  CHECK_NOTHROW(test::parsed(
      R"({"dataset": {"path": "a", "split": {"kind": "fraction", "train_fraction": 0.7, "validation_fraction": 0.3}}})"));
}

TEST_CASE("combinations that look alike and are fine pass", "[config]") {
  for (const char* text : {
           R"("method": {"update": "exact", "nu": 0.5, "rho": 0.5})",
           R"("method": {"update": "gradient", "nu": 0.5, "rho": 0.25})",
           R"("exchange": {"p": {"bits": 32, "coding": "difference"}})",
           R"("exchange": {"p": {"bits": 32}, "schedule": [{"epoch": 5, "bits": 4}]})",
           R"("exchange": {"p": {"bits": 4}})",  // a fixed grid that range tensor does not use
           R"("exchange": {"p": {"bits": 1, "range": "fixed", "grid": {"levels": 2}}})",
           R"("exchange": {"p": {"bits": 8, "range": "fixed"}, "schedule": [{"epoch": 999, "bits": 2}]})",
           R"("stages": [{"layers": 2, "epochs": 1}, {"layers": 2, "epochs": 1}])",
       }) {
    INFO(text);
    CHECK_NOTHROW(test::parsed(test::with_dataset(text)));
  }
}

TEST_CASE("check_config judges configs that were never JSON", "[config]") {
  Config config;
  CHECK(contains(test::config_error([&] { check_config(config); }), "`dataset` holds 0 of path, text and generate"));
  config.dataset.path = "a";
  CHECK_NOTHROW(check_config(config));
  config.stages.clear();
  CHECK(contains(test::config_error([&] { check_config(config); }), "`stages` is empty"));
  config.stages.emplace_back();
  test::change_admm(config, [&](AdmmConfig& m) { m.weight_decay_layers.emplace(10, -1.0); });
  CHECK(contains(test::config_error([&] { check_config(config); }), "`method.weight_decay_layers.9` is -1.0"));
}

TEST_CASE("a warm-up is compared with the stages that have it", "[config]") {
  CHECK_NOTHROW(test::parsed(test::with_dataset(
      R"("method": {"name": "adam"}, "stages": [{"layers": 2, "epochs": 1}, {"layers": 3, "epochs": 5, "method":
         {"name": "apmsqueeze", "squeeze": {"warmup": 4}}}])")));
}
