// A corpus of configs that the schema or the JSON reader refuses, each with what its message must say.
#include <algorithm>
#include <cmath>
#include <vector>

#include "host/config/json_text.hpp"
#include "tests/config/support.hpp"

using namespace gamlp;
using test::contains;

namespace {

struct BadConfig {
  std::string text;
  std::vector<std::string> message;
};

void check_all(const std::vector<BadConfig>& corpus, bool whole_documents) {
  for (const BadConfig& bad : corpus) {
    const std::string text = whole_documents ? bad.text : test::with_dataset(bad.text);
    const std::string message = test::config_error([&] { test::parsed(text); });
    INFO(text << "\n→ " << message);
    CHECK(message.starts_with("test.json:"));
    for (const std::string& part : bad.message) {
      INFO("wanted: " << part);
      CHECK(contains(message, part));
    }
  }
}

}  // namespace

TEST_CASE("malformed JSON names line and column", "[config]") {
  check_all(
      {
          {"", {"test.json:1:1: not valid JSON", "unexpected end of input"}},
          {"{", {"test.json:1:2: not valid JSON", "unexpected end of input"}},
          {"{\n  \"dataset\": tru\n}", {"test.json:2:17: not valid JSON", "invalid literal"}},
          {"{\"dataset\": {\"path\": \"g\"},}", {"test.json:1:27: not valid JSON", "(remove the comma before it)"}},
          {"{\"stages\": [1, ]}", {"test.json:1:16: not valid JSON", "(remove the comma before it)"}},
          {"{\"a\" 1}", {"test.json:1:6: not valid JSON", "expected ':'"}},
          {"{'a': 1}", {"test.json:1:2: not valid JSON"}},
          {"{\"a\": 1e999}", {"test.json:1:11: not valid JSON", "number overflow"}},
          {"{\"a\": NaN}", {"test.json:1:7: not valid JSON"}},
          {"{\"a\": 1} x", {"test.json:1:10: not valid JSON", "expected end of input"}},
          {"{\"a\": \"\xff\"}", {"test.json:1:8: not valid JSON", "UTF-8"}},
          {"{\"a\": \"x\ny\"}", {"test.json:1:9: not valid JSON", "control character"}},
          {"/* open", {"test.json:1:7: not valid JSON", "comment"}},
          {"{\"dataset\": {\"path\": \"a\",\n\"path\": \"b\"}}",
           {"test.json:2:6: the key `dataset.path` is given twice"}},
          {"{\"stages\": [{\"layers\": 2, \"layers\": 3}]}", {"the key `stages.0.layers` is given twice"}},
          {std::string(100, '['), {"test.json:1:33: is nested deeper than 32 levels"}},
          {"{\"" + std::string(300, 'k') + "\": 1}", {"a key is longer than 256 bytes"}},
      },
      true);
}

TEST_CASE("absurd sizes are refused before they cost anything", "[config]") {
  std::string many = "[0";
  for (int i = 0; i < 100'000; ++i) many += ",0";
  check_all({{"{\"stages\": " + many + "]}", {"holds more than 100000 values"}},
             {"{\"devices\": \"" + std::string(10000, 'c') + "\"}", {"`devices` is a string longer than 8192 bytes"}}},
            true);
  const std::string big((std::size_t{16} << 20) + 1, ' ');
  CHECK(contains(test::config_error([&] { test::parsed(big); }), "at most 16777216 are expected of a config"));
  nlohmann::json deep = 1;
  for (int i = 0; i < 50; ++i) deep = nlohmann::json::array({deep});
  CHECK(contains(test::config_error([&] { parse_config(deep, "deep"); }), "nested deeper than 32"));
  nlohmann::json nan = {{"method", {{"rho", std::nan("")}}}};
  CHECK(contains(test::config_error([&] { parse_config(nan, "nan"); }), "`method.rho` is not a finite number"));
}

TEST_CASE("documents of the wrong shape are refused", "[config]") {
  check_all(
      {
          {"[]", {"the config is []: must be an object"}},
          {"null", {"the config is null: must be an object"}},
          {"5", {"the config is 5: must be an object"}},
          {"{}", {"`dataset` is missing: must be an object with keys among"}},
          {R"({"dataset": {}})", {"`dataset` holds none of path, text and generate: exactly one"}},
          {R"({"dataset": {"path": null}})", {"`dataset` holds none of path, text and generate: exactly one"}},
          {R"({"dataset": {"path": "a", "generate": {}}})", {"`dataset` holds path and generate of path, text"}},
          {R"({"dataset": {"path": 5}})", {"`dataset.path` is 5: must be a string of 1 to 4096 bytes or null"}},
          {R"({"dataset": {"path": ""}})", {"`dataset.path` is \"\": must be a string of 1 to 4096 bytes"}},
          {R"({"dataset": "cora.npz"})", {"`dataset` is \"cora.npz\": must be an object"}},
          {R"({"dataset": {"text": {"edges": "e"}}})",
           {"`dataset.text.features` is missing: must be a string", "`dataset.text.labels` is missing"}},
          {R"({"dataset": {"generate": {"shape": "corra"}}})",
           {"`dataset.generate.shape` is \"corra\": must be one of", "\"papers100m\" or null",
            "did you mean \"cora\"?"}},
          {R"({"dataset": {"generate": {"nodes": 1}}})", {"`dataset.generate.nodes` is 1: must be an integer from 2"}},
          {R"({"dataset": {"generate": {"nodes": 9223372036854775808}}})", {"`dataset.generate.nodes` is 9.22"}},
          {R"({"dataset": {"generate": {"homophily": 1.5}}})",
           {"`dataset.generate.homophily` is 1.5: must be a number from 0 to 1"}},
          {R"({"dataset": {"generate": {"seed": -1}}})",
           {"`dataset.generate.seed` is -1: must be an integer from 0 to 9007199254740991"}},
          {R"({"dataset": {"generate": {"seed": 18446744073709551615}}})", {"`dataset.generate.seed` is 1.8"}},
          {R"({"dataset": {"generate": {"mean_degree": -0.5}}})", {"`dataset.generate.mean_degree` is -0.5"}},
          {R"({"dataset": {"path": "a", "hops": 0}})", {"`dataset.hops` is 0: must be an integer from 1 to 32"}},
          {R"({"dataset": {"path": "a", "hops": 2.5}})", {"`dataset.hops` is 2.5: must be an integer from 1 to 32"}},
          {R"({"dataset": {"path": "a", "symmetrize": "yes"}})",
           {"`dataset.symmetrize` is \"yes\": must be true or false"}},
          {R"({"dataset": {"path": "a", "operator": "sym"}})",
           {"`dataset.operator` is \"sym\": must be one of \"symmetric\" or \"random_walk\"",
            "did you mean \"symmetric\"?"}},
          {R"({"dataset": {"path": "a", "split": {"kind": "perclass"}}})",
           {"`dataset.split.kind` is \"perclass\"", "did you mean \"per_class\"?"}},
          {R"({"dataset": {"path": "a", "split": {"train_fraction": 1}}})",
           {"`dataset.split.train_fraction` is 1: must be a number above 0 and below 1"}},
          {R"({"dataset": {"path": "a", "split": "file"}})", {"`dataset.split` is \"file\": must be an object"}},
      },
      true);
}

TEST_CASE("values out of range are refused", "[config]") {
  check_all(
      {
          {R"("model": {"width": 0})", {"`model.width` is 0: must be an integer from 1 to 100000"}},
          {R"("model": {"width": "64"})", {"`model.width` is \"64\": must be an integer"}},
          {R"("model": {"width": null})", {"`model.width` is null: must be an integer"}},
          {R"("model": {"activation": "Relu6"})", {"`model.activation` is \"Relu6\"", "did you mean \"relu\"?"}},
          {R"("model": {"leaky_slope": 1})", {"`model.leaky_slope` is 1: must be a number at least 0 and below 1"}},
          {R"("model": [])", {"`model` is []: must be an object with keys among activation, leaky_slope and width"}},
          {R"("stages": [])", {"`stages` has 0 entries: must be an array of 1 to 100 entries"}},
          {R"("stages": {"layers": 2})", {"`stages` is {\"layers\":2}: must be an array"}},
          {R"("stages": [5])", {"`stages.0` is 5: must be an object"}},
          {R"("stages": [{"layers": 1, "epochs": 5}])", {"`stages.0.layers` is 1: must be an integer from 2 to 1000"}},
          {R"("stages": [{"layers": 2, "epochs": 5}, {"layers": 5, "epochs": 0}])",
           {"`stages.1.epochs` is 0: must be an integer from 1 to 1000000"}},
          {R"("stages": [{"layers": 2}])", {"`stages.0.epochs` is missing: must be an integer"}},
          {R"("method": {"name": "pdadmm-g-q"})", {"`method.name` is \"pdadmm-g-q\": must be ", "\"pdadmm-g\""}},
          {R"("method": {"update": "automatic"})", {"`method.update` is \"automatic\": must be one of \"auto\""}},
          {R"("method": {"nu": 0})", {"`method.nu` is 0: must be a number from 1e-09 to 1000000 or null"}},
          {R"("method": {"rho": -1e-3})", {"`method.rho` is -0.001: must be a number from 1e-09"}},
          {R"("method": {"rho": 2e6})", {"`method.rho` is 2000000: must be a number from 1e-09"}},
          {R"("method": {"rho": true})", {"`method.rho` is true: must be a number"}},
          {R"("method": {"weight_decay": -1})", {"`method.weight_decay` is -1: must be a number from 0"}},
          {R"("method": {"weight_decay_layers": []})", {"`method.weight_decay_layers` has 0 entries"}},
          {R"("method": {"weight_decay_layers": [0, -1]})", {"`method.weight_decay_layers.1` is -1"}},
          {R"("method": {"weight_decay_layers": 0.1})",
           {"`method.weight_decay_layers` is 0.1: must be an array of 1 to 1000 entries or null"}},
          {R"("method": {"init_scale_first": 0})", {"`method.init_scale_first` is 0: must be a number from 1e-09"}},
          {R"("method": {"init": "uniform"})", {"`method.init` is \"uniform\": must be "}},
          {R"("method": {"name": "adam", "optimizer": {"beta1": 1}})",
           {"`method.optimizer.beta1` is 1: must be a number at least 0 and below 1"}},
          {R"("method": {"microbatches": 0})", {"`method.microbatches` is 0: must be an integer from 1 to 64 or null"}},
          {R"("method": {"growth_head": "keeps"})", {"`method.growth_head` is \"keeps\"", "did you mean \"keep\"?"}},
          {R"("method": {"exact": {"beta": 1.0}})",
           {"`method.exact.beta` is 1: must be a number at least 0 and below 1"}},
          {R"("exchange": {"p": {"bits": 3}})", {"`exchange.p.bits` is 3: must be one of 1, 2, 4, 8, 16 or 32"}},
          {R"("exchange": {"q": {"bits": "8"}})", {"`exchange.q.bits` is \"8\": must be one of 1, 2, 4"}},
          {R"("exchange": {"q": {"block": 48}})", {"`exchange.q.block` is 48: must be one of 16, 32, 64"}},
          {R"("exchange": {"q": {"coding": "differences"}})",
           {"`exchange.q.coding` is \"differences\"", "did you mean \"difference\"?"}},
          {R"("exchange": {"q": {"rounding": "random"}})",
           {"`exchange.q.rounding` is \"random\": must be one of \"nearest\" or \"stochastic\""}},
          {R"("exchange": {"p": {"range": "row"}})",
           {"`exchange.p.range` is \"row\": must be one of \"fixed\", \"tensor\" or \"block\""}},
          {R"("exchange": {"p": {"grid": {"levels": 1}}})",
           {"`exchange.p.grid.levels` is 1: must be an integer from 2"}},
          {R"("exchange": {"p": 8})", {"`exchange.p` is 8: must be an object with keys among bits, block"}},
          {R"("exchange": {"schedule": [{"epoch": 0, "bits": 32}]})",
           {"`exchange.schedule.0.bits` is 32: must be one of 1, 2, 4, 8 or 16"}},
          {R"("exchange": {"schedule": [{"epoch": 0}]})", {"`exchange.schedule.0.bits` is missing"}},
          {R"("train": {"seed": 9007199254740994})", {"`train.seed` is 9.007199254740994e+15: must be an integer"}},
          {R"("train": {"seed": 9007199254740993})", {"`train.seed` is 9007199254740993: must be an integer from 0"}},
          {R"("train": {"seed": 9007199254740992})", {"`train.seed` is 9007199254740992: must be an integer from 0"}},
          {R"("devices": "cpu:11", "partition": {"shards": 1})",
           {"`devices` is \"cpu:11\": 11 devices in 1 shard (`partition.shards`) are 11 for the 10 layers of the last "
            "stage",
            "each device owns at least one layer", "possible are 10 devices"}},
          {R"("partition": [2, 2], "stages": [{"layers": 5, "epochs": 1}])",
           {"`partition.layers` adds up to 4 layers"}},
          {R"("partition": {"layers": [3, 2]}, "devices": "cpu:3", "stages": [{"layers": 5, "epochs": 1}])",
           {"`partition.layers` has 2 entries for 3 devices; possible are 2 or 4 devices"}},
          {R"("partition": {"shards": 3}, "devices": "cpu:8", "method": {"name": "adam"})",
           {"`partition.shards` is 3, which does not divide 8 devices; possible are 6 or 9 devices"}},
          {R"("partition": {"shards": 2}, "devices": "cpu:22", "method": {"name": "adam"})",
           {"22 devices in 2 shards (`partition.shards`) are 11 for the 10 layers", "possible are 20 devices"}},
          {R"("partition": {"layers": [5, 5], "shards": 2}, "devices": "cpu:2", "method": {"name": "adam"})",
           {"`partition` asks for 4 devices, 2 runs of layers × 2 shards, not for 2; possible are 4 devices"}},
          {R"("partition": {"shards": 65})", {"`partition.shards` is 65: must be an integer from 1 to 64 or null"}},
          {R"("method": {"nu": 1e-45})", {"`method.nu` is 1e-45: must be a number from 1e-09 to 1000000 or null"}},
          {R"("method": {"optimizer": {"eps": 1e-45}})", {"`method.optimizer.eps` is 1e-45: must be a number from"}},
          {R"("train": {"evaluate_every": 0})", {"`train.evaluate_every` is 0: must be an integer from 1"}},
          {R"("train": {"stop": {"residual": 0}})",
           {"`train.stop.residual` is 0: must be a number above 0 and at most 1 or null"}},
          {R"("train": {"stop": {"window": 0}})", {"`train.stop.window` is 0: must be an integer from 1"}},
          {R"("devices": "cuda")", {"`devices` is \"cuda\": must be \"auto\", \"cpu\", \"cpu:N\""}},
          {R"("devices": "cuda:0,")", {"`devices` is \"cuda:0,\": must be \"auto\""}},
          {R"("devices": [])", {"`devices` has 0 entries"}},
          {R"("devices": ["cuda:0", "cpu"])", {"`devices.1` is \"cpu\": must be \"cuda:I\" with the number of a GPU"}},
          {R"("precision": "fp16")", {"`precision` is \"fp16\": must be one of \"float32\", \"tf32\" or \"bf16\""}},
          {R"("devices": "cpu:0")",
           {"`devices` is \"cpu:0\": must be \"auto\", \"cpu\", \"cpu:N\" with N from 1 to 999"}},
          {R"("devices": "tpu")", {"`devices` is \"tpu\": must be \"auto\""}},
          {R"("devices": 4)", {"`devices` is 4: must be \"auto\""}},
          {R"("devices": ["cpu"])", {"`devices.0` is \"cpu\": must be \"cuda:I\""}},
          {R"("threads_per_device": 0)", {"`threads_per_device` is 0: must be an integer from 1 to 1024"}},
      },
      false);
}

TEST_CASE("unknown keys are refused with a suggestion", "[config]") {
  check_all(
      {
          {R"("modle": {})", {"the config has the unknown key \"modle\"", "did you mean \"model\"?"}},
          {R"("rho": 1)",
           {"the config has the unknown key \"rho\"", "`rho` belongs in `method.optimizer` or `method`"}},
          {R"("model": {"layers": 5})",
           {"`model` has the unknown key \"layers\"", "`layers` belongs in `partition` or `stages.0`"}},
          {R"("model": {"Width": 5})", {"`model` has the unknown key \"Width\"", "did you mean \"width\"?"}},
          {R"("method": {"roh": 1})", {"`method` has the unknown key \"roh\"", "did you mean \"rho\"?"}},
          {R"("method": {"nu2": 1})", {"did you mean \"nu\"?", "`nu2` belongs in `method.exact`"}},
          {R"("method": {"weight-decay": 1})", {"did you mean \"weight_decay\"?"}},
          {R"("method": {"devices": "cpu"})", {"`devices` belongs in the top level"}},
          {R"("exchange": {"p": {"bit": 8}})", {"`exchange.p` has the unknown key \"bit\"", "did you mean \"bits\"?"}},
          {R"("exchange": {"bits": 8})", {"`bits` belongs in `exchange.p`, `exchange.q` or `exchange.schedule.0`"}},
          {R"("exchange": {"q": {"grid": {"step": 1}}})", {"`exchange.q.grid` has the unknown key \"step\""}},
          {R"("stages": [{"layers": 2, "epochs": 3, "epoch": 3}])", {"`stages.0` has the unknown key \"epoch\""}},
          {R"("train": {"inertia": 1})", {"`train` has the unknown key \"inertia\"; known keys: "}},
          {R"("train": {"learning_rate": 1})", {"`learning_rate` belongs in `method.diloco` or `method.optimizer`"}},
          {R"("train": {"window": 1})", {"`window` belongs in `method.lsgd` or `train.stop`"}},
          {R"("model": {"$schema": "x"})", {"`model` has the unknown key \"$schema\""}},
          {R"("a\nb": 1)", {R"(the config has the unknown key "a\nb")"}},
          {R"("": 1)", {"the config has the unknown key \"\""}},
      },
      false);
}

TEST_CASE("one message lists several problems, ten at most", "[config]") {
  const std::string two =
      test::config_error([] { test::parsed(test::with_dataset(R"("model": {"width": 0}, "method": {"roh": 1})")); });
  CHECK(contains(two, "test.json: 2 problems:\n  `"));
  CHECK(contains(two, "\n  `model.width` is 0"));
  CHECK(contains(two, "\n  `method` has the unknown key"));
  std::string entries;
  for (int i = 0; i < 15; ++i) entries += std::string(i ? "," : "") + R"({"layers": 0, "epochs": 1})";
  const std::string many =
      test::config_error([&] { test::parsed(test::with_dataset("\"stages\": [" + entries + "]")); });
  CHECK(contains(many, "15 problems"));
  CHECK(contains(many, "and 5 more"));
  CHECK(std::count(many.begin(), many.end(), '\n') == 11);
}

TEST_CASE("long values are shortened in messages", "[config]") {
  const std::string message = test::config_error([] {
    test::parsed(test::with_dataset("\"devices\": \"" + std::string(29, 'x') + std::string(2000, 'y') + "\""));
  });
  CHECK(message.size() < 300);
  CHECK(contains(message, "…"));
}
