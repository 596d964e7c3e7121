// configs/schema.json against the typed config: the same keys, the same defaults, documented.
#include "host/config/schema.hpp"

#include <set>

#include "host/core/files.hpp"
#include "tests/config/support.hpp"

using namespace gamlp;
using nlohmann::json;

namespace {

// A config whose JSON form holds every key; `generate` and `text` exclude `path`, so this one is not valid.
json every_key() {
  Config config;
  config.dataset.path = "g.npz";
  config.dataset.text.emplace();
  config.dataset.generate.emplace();
  config.exchange.schedule.emplace_back();
  for (StageConfig& stage : config.stages) stage.method.emplace();
  return json::parse(to_json(config).dump());
}

void collect(const json& value, JsonPath& path, std::set<std::string>& out) {
  const auto visit = [&](const std::string& key, const json& child) {
    path.push_back(key);
    if (value.is_object()) out.insert(join_path(path));
    collect(child, path, out);
    path.pop_back();
  };
  if (value.is_object()) {
    for (const auto& [key, child] : value.items()) visit(key, child);
  } else if (value.is_array() && !value.empty()) {
    visit("0", value.front());  // as in schema_paths()
  }
}

const json* at(const json& document, const JsonPath& path) {
  const json* node = &document;
  for (const std::string& part : path) node = node->is_array() ? &node->at(std::stoul(part)) : &node->at(part);
  return node;
}

void check_closed(const json& node, const std::string& where) {
  if (!node.is_object()) return;
  if (node.contains("properties") && node.contains("type")) {
    INFO(where);
    CHECK(node.value("additionalProperties", true) == false);
  }
  for (const auto& [key, child] : node.items()) check_closed(child, where + "/" + key);
}

}  // namespace

TEST_CASE("the embedded schema is the published file", "[config]") {
  CHECK(std::string(schema_text()) == read_file(GAMLP_SOURCE_DIR "/configs/schema.json"));
}

TEST_CASE("the schema's keys are the keys of to_json", "[config]") {
  std::set<std::string> written, described;
  JsonPath path;
  collect(every_key(), path, written);
  for (const JsonPath& known : schema_paths()) described.insert(join_path(known));
  CHECK(written == described);
}

TEST_CASE("the schema's defaults are the program's defaults", "[config]") {
  json defaults = every_key();
  defaults["dataset"].erase("path");
  int compared = 0;
  for (const JsonPath& path : schema_paths()) {
    const json& node = *schema_node(path);
    const std::string name = join_path(path);
    INFO(name);
    if (node.value("type", json()) == json("object")) continue;  // its members have defaults
    REQUIRE(node.contains("default"));
    const json& expected = node.at("default");
    ++compared;
    if (name == "stages.0.layers" || name == "stages.0.epochs") continue;  // required; compared below
    if (name == "dataset.path" || name == "dataset.text" || name == "dataset.generate") {
      CHECK(expected.is_null());
    } else if (name == "exchange.schedule") {
      CHECK(expected == json::array());
    } else if (name == "stages") {
      json stages = json(to_json(Config{}))["stages"];
      for (json& stage : stages) stage.erase("start");  // which has a default of its own
      CHECK(expected == stages);
    } else {
      CHECK(*at(defaults, path) == expected);
    }
  }
  CHECK(compared > 60);
  CHECK(schema_node({"stages", "0", "layers"})->at("default") == StageConfig{}.layers);
  CHECK(schema_node({"stages", "0", "epochs"})->at("default") == StageConfig{}.epochs);
}

TEST_CASE("a missing key takes the schema's default", "[config]") {
  json document = {{"dataset", {{"path", "g.npz"}}}};
  CHECK(to_json(parse_config(document, "a")).dump() == [] {
    Config config;
    config.dataset.path = "g.npz";
    return to_json(config).dump();
  }());
}

TEST_CASE("every key is documented and no object is open", "[config]") {
  for (const JsonPath& path : schema_paths()) {
    const json& node = *schema_node(path);
    INFO(join_path(path));
    CHECK(!node.value("title", "").empty());
    CHECK(!node.value("description", "").empty());
    CHECK((node.contains("type") || node.contains("enum")));
    const json type = node.value("type", json());
    const bool number = type == "integer" || type == "number" || type == json({"number", "null"});
    if (number && !node.contains("enum")) {
      CHECK((node.contains("minimum") || node.contains("exclusiveMinimum")));
      CHECK((node.contains("maximum") || node.contains("exclusiveMaximum")));
    }
  }
  check_closed(schema(), "");
}

TEST_CASE("schema_node follows references and arrays", "[config]") {
  CHECK(schema_node({"exchange", "q", "bits"}) != nullptr);
  CHECK(schema_node({"stages", "17", "epochs"}) != nullptr);
  CHECK(schema_node({"stages", "x", "epochs"}) == nullptr);
  CHECK(schema_node({"exchange", "r"}) == nullptr);
  CHECK(schema_node({"exchange", "q", "bits", "more"}) == nullptr);
}
