// Whatever valid config a run starts from, the config that it resolves to is valid, says the same when it is read
// again, and has nothing left to resolve.
#include "host/config/schema.hpp"
#include "host/methods/admm/admm_method.hpp"
#include "host/methods/registry.hpp"
#include "tests/config/random_config.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/methods.hpp"

using namespace gamlp;
using nlohmann::json;

namespace {

std::string text_of(const Config& config) { return to_json(config).dump(); }

// False where the program refuses the combination, which must name the key.
bool check_resolved(const json& document, const ProblemShape& shape) {
  INFO(document.dump() << ", " << shape.train_nodes << " training nodes, " << shape.inputs << " inputs");
  Config config = parse_config(document, "random");
  try {
    resolve_problem(config, shape);
  } catch (const ConfigError& error) {
    INFO(error.what());
    const std::string what = error.what();
    const bool shards = config.partition.shards.value_or(1) > 1;      // more than the nodes have micro-batches for
    const bool batch = what.find("`method.batch` is ") == 0;          // fewer nodes than there are micro-batches
    const bool group = what.find("`method.squeeze.group` is ") == 0;  // does not divide the shards
    CHECK((batch || group || what.find(shards && what.front() == '`' ? "`partition.shards` is " : "method.rho") == 0));
    return false;
  }
  const std::string text = text_of(config);
  Config again;
  CHECK_NOTHROW(again = parse_config_text(text, "config.json"));
  CHECK(text_of(again) == text);
  resolve_problem(again, shape);
  CHECK(text_of(again) == text);
  return true;
}

const ProblemShape shapes[] = {{1, 1, 2}, {7, 3, 7}, {140, 5732, 7}, {5000, 300, 40}, {100000000, 32000000, 10000}};

}  // namespace

TEST_CASE("the largest weight decay that is derived is the largest that the schema allows") {
  CHECK(schema_node({"method", "weight_decay_first"})->at("maximum") == kLargestWeightDecay);
}

TEST_CASE("what a random valid config resolves to is a valid config that reads as the same") {
  test::RandomConfigs configs(20);
  const json bases[] = {{{"dataset", {{"path", "g.npz"}}}},
                        {{"dataset", {{"generate", json::object()}}},
                         {"stages", {{{"layers", 2}, {"epochs", 5}}}},
                         {"exchange", {{"schedule", {{{"epoch", 3}, {"bits", 4}}}}}},
                         {"method", {{"weight_decay_layers", {0.5, 0.25}}}}}};
  int resolved = 0;
  for (int i = 0; i < 600; ++i) {
    const json document = configs.next(bases[i % 2], 8, [](const JsonPath&) { return false; });
    resolved += check_resolved(document, shapes[i % 5]);
  }
  CHECK(resolved > 500);
}

TEST_CASE("shards take all inputs where one device takes the V × V form") {
  MethodConfig method;
  AdmmConfig admm;
  admm.update = Update::exact;
  set_options(method, admm);
  const auto chosen = [&](std::int64_t shards, std::string* why) {
    return make_method(method)->choose_input({5000, 9000, 3, shards}, 100, 200, why);
  };
  std::string why;
  CHECK(chosen(1, &why) == InputKind::kernel);
  CHECK(chosen(2, &why) == InputKind::plain);
  CHECK(why.find("needs all training nodes on one device") != std::string::npos);

  // More shards than blocks are refused before the inputs are computed.
  Config config = parse_config({{"dataset", {{"path", "g.npz"}}}, {"partition", {{"shards", 4}}}}, "a");
  CHECK_NOTHROW(resolve_problem(config, {9000, 30, 3}));
  CHECK_THROWS_AS(resolve_problem(config, {8000, 30, 3}), ConfigError);
}

TEST_CASE("what is derived from another key keeps to its own bounds at both ends of that key's") {
  const json methods[] = {{{"nu", 1e6}}, {{"nu", 100001}}, {{"rho", 1e6}}, {{"nu", 1e-9}}, {{"rho", 1e-9}}};
  for (json method : methods) {
    for (const char* update : {"gradient", "exact"}) {
      method["update"] = update;
      CHECK(check_resolved({{"dataset", {{"path", "g.npz"}}}, {"method", method}}, shapes[2]));
    }
  }
  Config config = parse_config({{"dataset", {{"path", "g.npz"}}}, {"method", {{"nu", 100001}}}}, "a");
  resolve_problem(config, shapes[2]);
  CHECK(*test::admm_of(config).weight_decay_first == 1e6);
}

TEST_CASE("a group of workers divides their number, and one worker has none") {
  const auto resolve = [](std::int64_t group, std::int64_t shards) {
    Config config = parse_config({{"dataset", {{"path", "g.npz"}}},
                                  {"method", {{"name", "apmsqueeze"}, {"squeeze", {{"group", group}}}}},
                                  {"partition", {{"shards", shards}}}},
                                 "a");
    resolve_problem(config, {8000, 30, 3});
  };
  CHECK_NOTHROW(resolve(2, 4));
  CHECK_NOTHROW(resolve(2, 1));
  CHECK_THROWS_WITH(resolve(3, 4), "`method.squeeze.group` is 3: must divide the 4 workers");
}

TEST_CASE("a section of an exchange that is not chosen is told") {
  const auto warned = [](const json& method) {
    const Config config = parse_config({{"dataset", {{"path", "g.npz"}}}, {"method", method}}, "a");
    return make_method(config)->warnings(config);
  };
  CHECK(warned({{"name", "adam"}, {"powersgd", {{"rank", 2}}}}).empty());
  CHECK(warned({{"name", "adam"}, {"gradients", "powersgd"}, {"powersgd", {{"rank", 4}}}}).empty());
  CHECK(warned({{"name", "adam"}, {"powersgd", {{"rank", 4}}}}) ==
        std::vector<std::string>{"`method.powersgd` has no effect with `method.gradients` \"float32\": it belongs to "
                                 "\"powersgd\""});
  CHECK(warned({{"name", "adam"}, {"gradients", "powersgd"}, {"top_k", {{"share", 0.5}}}}).size() == 1);
}

TEST_CASE("a step has nodes of every micro-batch, of which there are as many as it has thousands of nodes") {
  const auto resolved = [](const json& method, std::int64_t nodes) {
    Config config = parse_config({{"dataset", {{"path", "g.npz"}}}, {"method", method}}, "a");
    resolve_problem(config, {nodes, 30, 3});
    return *test::backprop_of(config).microbatches;
  };
  CHECK(resolved({{"name", "adam"}}, 8000) == 7);
  CHECK(resolved({{"name", "adam"}, {"batch", 2100}}, 8000) == 2);
  CHECK(resolved({{"name", "adam"}, {"batch", 100}}, 8000) == 1);
  CHECK(resolved({{"name", "adam"}, {"batch", 100000}}, 8000) == 7);
  CHECK(resolved({{"name", "adam"}, {"batch", 5}, {"microbatches", 5}}, 23) == 5);
  // 23 nodes in 6 micro-batches: the last has 3, so there are 3 steps at most.
  CHECK(resolved({{"name", "adam"}, {"batch", 8}, {"microbatches", 6}}, 23) == 6);
  try {
    resolved({{"name", "adam"}, {"batch", 7}, {"microbatches", 6}}, 23);
    FAIL("resolved");
  } catch (const ConfigError& error) {
    CHECK(std::string(error.what()) ==
          "`method.batch` is 7: must be at least 8, of 23 training nodes in 6 micro-batches (`method.microbatches`): "
          "each step takes nodes of each");
  }
}
