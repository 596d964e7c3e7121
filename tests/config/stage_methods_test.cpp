// A stage's own method: what it leaves out, what it is checked by, and that it survives writing.
#include "tests/config/support.hpp"

using namespace gamlp;
using nlohmann::json;
using test::config_error;
using test::contains;

namespace {

json document(const json& method, const json& of_stage) {
  json out = {{"dataset", {{"path", "g.npz"}}}, {"method", method}};
  out["stages"] = {{{"layers", 2}, {"epochs", 3}}, {{"layers", 4}, {"epochs", 5}, {"method", of_stage}}};
  return out;
}

}  // namespace

TEST_CASE("a stage's method has the keys of section method, but for those that it gives", "[config]") {
  const Config config = parse_config(document({{"init", "normal"}, {"optimizer", {{"beta1", 0.5}, {"rho", 0.75}}}},
                                              {{"name", "adam"}, {"optimizer", {{"beta1", 0.25}}}}),
                                     "a");
  CHECK(method_of(config, 1).name == "pdadmm-g");
  CHECK(method_of(config, 2).name == "adam");
  CHECK(method_of(config, 2).init == Init::normal);
  const json written = json::parse(to_json(config).dump());
  CHECK_FALSE(written["stages"][0].contains("method"));
  CHECK(written["method"]["optimizer"]["beta1"] == 0.5);
  CHECK(written["stages"][1]["method"]["optimizer"]["beta1"] == 0.25);
  CHECK(written["stages"][1]["method"]["optimizer"]["rho"] == 0.75);
  CHECK(json::parse(to_json(parse_config(written, "b")).dump()) == written);
}

TEST_CASE("rules and warnings name the stage whose method they are of", "[config]") {
  CHECK(contains(config_error([] {
                   parse_config(
                       document(json::object(), {{"name", "gd"}, {"optimizer", {{"decoupled_weight_decay", true}}}}),
                       "a");
                 }),
                 "`stages.1.method.optimizer.decoupled_weight_decay` is true with `stages.1.method.name` \"gd\""));
  CHECK(contains(config_error([] {
                   parse_config(document(json::object(), {{"nane", "gd"}}), "a");
                 }),
                 "`stages.1.method`"));
  // Keys that the stage has from the section are no mistake of the stage; its own are.
  CHECK(config_warnings(parse_config(document({{"microbatches", 3}, {"name", "adam"}}, {{"name", "pdadmm-g"}}), "a"))
            .empty());
  CHECK(config_warnings(parse_config(document({{"weight_decay_first", 0.1}}, {{"name", "adam"}}), "a")).empty());
  const auto decay =
      config_warnings(parse_config(document(json::object(), {{"name", "adam"}, {"weight_decay_first", 0.1}}), "a"));
  REQUIRE(decay.size() == 1);
  CHECK(contains(decay[0], "its own is `stages.1.method.optimizer.weight_decay`"));
  const auto warnings = config_warnings(parse_config(document(json::object(), {{"microbatches", 3}}), "a"));
  REQUIRE(warnings.size() == 1);
  CHECK(contains(warnings[0], "`stages.1.method.microbatches` has no effect"));
}

TEST_CASE("a residual may end stages where some stage's method has one", "[config]") {
  const auto with = [](const json& method, const json& of_stage) {
    json out = document(method, of_stage);
    out["train"]["stop"]["residual"] = 0.01;
    return out;
  };
  CHECK_NOTHROW(parse_config(with(json::object(), {{"name", "adam"}}), "a"));
  CHECK_NOTHROW(parse_config(with({{"name", "adam"}}, {{"name", "pdadmm-g"}}), "a"));
  CHECK(contains(config_error([&] {
                   parse_config(with({{"name", "gd"}}, {{"name", "adam"}}), "a");
                 }),
                 "`train.stop.residual`"));
}
