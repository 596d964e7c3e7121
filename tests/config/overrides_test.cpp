#include <vector>

#include "tests/config/support.hpp"
#include "tests/support/methods.hpp"

using namespace gamlp;
using nlohmann::json;
using test::contains;

namespace {

Config overridden(const std::string& rest, const std::vector<std::string>& overrides) {
  json document = json::parse(test::with_dataset(rest));
  for (const std::string& text : overrides) apply_override(document, text);
  return parse_config(document, "test.json");
}

std::string refused(const std::string& text) {
  return test::config_error([&] {
    json document = json::parse(test::with_dataset(R"("model": {"width": 5})"));
    apply_override(document, text);
  });
}

}  // namespace

TEST_CASE("an override sets a value, in a section that exists or not", "[config]") {
  const Config config = overridden(R"("model": {"width": 5})", {"model.width=7", "method.rho=1e-3", "devices=cpu:4",
                                                                "exchange.p.coding=difference", "train.seed=3"});
  CHECK(config.model.width == 7);
  CHECK(*test::admm_of(config).rho == 1e-3);
  CHECK(config.devices == "cpu:4");
  CHECK(config.exchange.p.coding == Coding::difference);
  CHECK(config.exchange.q.coding == Coding::value);
  CHECK(config.train.seed == 3);
}

TEST_CASE("later overrides win, and null takes a value back", "[config]") {
  CHECK(overridden("", {"model.width=7", "model.width=9"}).model.width == 9);
  CHECK_FALSE(test::admm_of(overridden(R"("method": {"rho": 1})", {"method.rho=null"})).rho);
  const Config config = overridden("", {"dataset.path=null", "dataset.generate.nodes=50"});
  CHECK(config.dataset.generate->nodes == 50);
  CHECK_FALSE(config.dataset.path);
}

TEST_CASE("an override reaches into arrays", "[config]") {
  const Config defaults = overridden("", {"stages.2.epochs=50"});  // of the default stages
  REQUIRE(defaults.stages.size() == 3);
  CHECK(defaults.stages[2].epochs == 50);
  CHECK(defaults.stages[2].layers == 10);
  const Config own =
      overridden(R"("stages": [{"layers": 3, "epochs": 4}])", {"stages.1.layers=6", "stages.1.epochs=5"});
  REQUIRE(own.stages.size() == 2);
  CHECK(own.stages[1].layers == 6);
  const Config whole =
      overridden("", {R"(stages=[{"layers": 2, "epochs": 1}])", "method.weight_decay_layers.0=0.5",
                      "method.weight_decay_layers.1=0", "exchange.schedule.0.epoch=0", "exchange.schedule.0.bits=4"});
  CHECK(whole.stages.size() == 1);
  CHECK(*test::admm_of(whole).weight_decay_layers == std::vector<double>{0.5, 0.0});
  CHECK(whole.exchange.schedule.front().bits == 4);
}

TEST_CASE("values that are not JSON are texts", "[config]") {
  CHECK(*overridden("", {"dataset.path=a=b.npz"}).dataset.path == "a=b.npz");
  CHECK(*overridden("", {R"(dataset.path="12")"}).dataset.path == "12");
  CHECK(*overridden("", {"dataset.path=/data/my graph.npz"}).dataset.path == "/data/my graph.npz");
}

TEST_CASE("malformed overrides get an example", "[config]") {
  for (const char* text : {"", "=", "=5", "model.width", "model..width=5", ".width=5", "model.=5", "."}) {
    INFO(text);
    const std::string message = refused(text);
    CHECK(contains(message, "override \"" + std::string(text) + "\""));
    CHECK(contains(message, "expected key.path=value, for example method.rho=1e-3"));
  }
}

TEST_CASE("overrides of unknown keys get a suggestion", "[config]") {
  CHECK(contains(refused("method.roh=1"), R"(`method` has the unknown key "roh"; did you mean "rho"?)"));
  CHECK(contains(refused("rho=1"), "`rho` belongs in `method.optimizer` or `method`"));
  CHECK(contains(refused("exchange.p.bitz=4"), R"(did you mean "bits"?)"));
  CHECK(contains(refused("model.width.x=4"), "`model.width` is a single value"));
  CHECK(contains(refused("stages.last.epochs=4"), R"(`stages` is an array: expected an index such as stages.0)"));
  CHECK(contains(refused("stages.9.epochs=4"), "`stages` has 3 entries"));
  CHECK(contains(refused("stages.99999999999999999999999.epochs=4"), "`stages` has 3 entries"));
}

TEST_CASE("overrides of broken documents and by broken values are errors", "[config]") {
  CHECK(contains(refused("method={\"rho\": 1"), "not valid JSON"));
  CHECK(contains(refused(R"(method={"rho": 1, "rho": 2})"), "`rho` is given twice"));
  json document = json::parse(R"({"dataset": 5})");
  const std::string message = test::config_error([&] { apply_override(document, "dataset.hops=3"); });
  CHECK(contains(message, "`dataset` is 5: must be an object"));
  CHECK(contains(test::config_error([] { overridden("", {"model.width=many"}); }),
                 R"(`model.width` is "many": must be an integer from 1 to 100000)"));
}
