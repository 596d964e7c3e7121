// parse(to_json(c)) == c, for every key and for doubles to the last bit.
#include <cmath>

#include "host/config/device_names.hpp"
#include "host/config/schema.hpp"
#include "tests/config/support.hpp"
#include "tests/support/methods.hpp"

using namespace gamlp;
using nlohmann::json;

namespace {

// A valid value other than the default, or null when the key has one value only.
json another_value(const json& node, const json& old) {
  if (const auto allowed = node.find("enum"); allowed != node.end()) {
    for (const json& value : *allowed) {
      if (value != old && !value.is_null()) return value;
    }
    return nullptr;
  }
  const json type = node.at("type").is_array() ? node.at("type").front() : node.at("type");
  if (type == "boolean") return !old.get<bool>();
  if (type == "string") return node.contains("pattern") ? "cpu:2" : "some/file ü.npz";
  if (type == "integer") return node.at(old == node.at("maximum") ? "minimum" : "maximum");
  if (type == "number") return std::nextafter(old.is_number() ? old.get<double>() : 0.125, 0.295);
  return nullptr;
}

std::string round_trip(const json& document) {
  const Config config = parse_config(document, "a.json");
  const std::string text = to_json(config).dump(2);
  CHECK(to_json(parse_config_text(text, "b.json")).dump(2) == text);
  return text;
}

json* find(json& document, const JsonPath& path) {
  json* node = &document;
  for (const std::string& part : path) node = node->is_array() ? &(*node)[std::stoul(part)] : &(*node)[part];
  return node;
}

json base(const std::string& source) {
  json document;
  if (source == "generate") document["dataset"] = {{"generate", json::object()}};
  if (source == "text") {
    document["dataset"] = {{"text", {{"edges", "e"}, {"features", "f"}, {"labels", "l"}}},
                           {"split", {{"kind", "per_class"}}}};
  }
  if (source == "path") document["dataset"] = {{"path", "g.npz"}};
  document["exchange"]["schedule"] = {{{"epoch", 3}, {"bits", 16}}};
  document["method"]["weight_decay_layers"] = {0.5, 0.25};
  document["stages"] = {{{"layers", 2}, {"epochs", 5}, {"method", json::object()}}};
  document["partition"] = {1, 1};
  return json::parse(to_json(parse_config(document, "base")).dump());
}

// Reading or writing that forgot a key, or mixed up two, changes more or less than the one value set here.
void vary_one_key(const std::string& source) {
  const json start = base(source);
  int varied = 0;
  for (const JsonPath& path : schema_paths()) {
    const std::string name = join_path(path);
    json document = start;
    if (path.size() > 2 && path[0] == "dataset" && (path[1] == "text" || path[1] == "generate") && path[1] != source) {
      continue;
    }
    const json& node = *schema_node(path);
    const json type = node.value("type", json());
    if (node.contains("properties") || type == "array" || name.ends_with("method.weight_decay_layers") ||
        name == "partition.layers") {
      continue;
    }
    if (path.size() == 2 && path[0] == "dataset" && name == "dataset.path" && source != "path") continue;
    json* value = find(document, path);
    const json replacement = another_value(node, *value);
    if (replacement.is_null()) continue;
    *value = replacement;
    // Partners that the cross-field rules ask for.
    if (name == "stages.0.layers") {
      json& own = document["stages"][0]["method"];
      own["weight_decay_layers"] = document["method"]["weight_decay_layers"] = document["partition"]["layers"] =
          nullptr;
    }
    if (name == "devices") document["partition"]["layers"] = nullptr;
    if (name == "partition.replicas") *value = 1;  // all that a method without replicas may have
    if (name == "partition.layers.0") document["partition"]["layers"][1] = 2 - value->get<int>();
    if (name == "dataset.generate.classes") document["dataset"]["generate"]["nodes"] = 20000;
    if (name == "dataset.generate.nodes") document["dataset"]["generate"]["features"] = 3;
    if (name == "dataset.split.kind") *value = "fraction";  // possible with every source
    if (name.ends_with("fraction")) *value = 0.125;
    if (name.ends_with("grid.min")) *value = -2.5;
    INFO(name << " = " << value->dump());
    CHECK(json::parse(round_trip(document)) == document);
    CHECK(document != start);
    ++varied;
  }
  CHECK(varied > 45);
}

}  // namespace

TEST_CASE("every key survives reading and writing", "[config]") {
  for (const char* source : {"path", "text", "generate"}) vary_one_key(source);
}

TEST_CASE("a list of devices is another way to write them", "[config]") {
  const Config config = test::parsed(test::with_dataset(R"("devices": ["cuda:1", "cuda:0", "cuda:0"])"));
  CHECK(config.devices == "cuda:1,0,0");
  CHECK(named_devices(config.devices).cuda == std::vector<int>{1, 0, 0});
  CHECK(cuda_devices_text({1, 0, 0}) == config.devices);
  CHECK_FALSE(named_devices("cuda:all").count);
  CHECK(named_devices("cpu:12").count == 12);
}

TEST_CASE("doubles survive to the last bit", "[config]") {
  for (double value : {0.1, 1.0 / 3.0, 5e-324, 2.2250738585072014e-308, 1e6, 0.30000000000000004, 123456.78901234567}) {
    Config config;
    config.dataset.path = "g.npz";
    test::change_admm(config, [&](AdmmConfig& m) { m.weight_decay_first = value; });
    const Config again = parse_config_text(to_json(config).dump(), "a");
    CHECK(*test::admm_of(again).weight_decay_first == value);
  }
}

TEST_CASE("the resolved form keeps the order of the sections and leaves out unused sources", "[config]") {
  const auto document = to_json(test::parsed(test::with_dataset("")));
  std::string keys;
  for (const auto& [key, value] : document.items()) keys += key + " ";
  CHECK(keys ==
        "dataset model stages method exchange train devices precision threads_per_device node_memory partition "
        "distributed ");
  CHECK(document.at("dataset").contains("path"));
  CHECK_FALSE(document.at("dataset").contains("generate"));
}

TEST_CASE("numbers mean the same however they are written", "[config]") {
  const Config config = test::parsed(test::with_dataset(
      R"("model": {"width": 2e2}, "method": {"nu": 1, "rho": 1.0}, "train": {"seed": 9007199254740991})"));
  CHECK(config.model.width == 200);
  CHECK(*test::admm_of(config).nu == 1.0);
  CHECK(*test::admm_of(config).rho == 1.0);
  CHECK(to_json(config)["method"]["nu"].dump() == "1.0");
  CHECK(config.train.seed == 9007199254740991u);
}

TEST_CASE("comments and $schema are allowed", "[config]") {
  const Config config = test::parsed(R"(// a comment
    {"$schema": "schema.json", /* here
       too */ "dataset": {"path": "g.npz", "text": null, "generate": null}})");
  CHECK(*config.dataset.path == "g.npz");
  CHECK_FALSE(config.dataset.text);
}
