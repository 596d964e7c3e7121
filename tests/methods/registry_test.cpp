// The methods of the program and what the schema says of them.
#include "host/methods/registry.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "host/config/parse.hpp"
#include "host/config/schema.hpp"
#include "host/core/error.hpp"
#include "host/core/join.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;
using nlohmann::json;

namespace {

const json& method_node() { return schema().at("properties").at("method"); }

}  // namespace

TEST_CASE("the schema names the registered methods, and no other") {
  std::vector<std::string> names;
  for (const json& name : method_node().at("properties").at("name").at("enum")) names.push_back(name);
  CHECK(names == method_names());
}

TEST_CASE("every key of section `method` belongs to all methods or to one that reads it") {
  std::set<std::string> known = {"name", "init", "init_scale_first", "growth_head"};
  for (const auto& method : all_methods()) {
    for (const std::string& key : method->keys()) known.insert(key);
  }
  std::set<std::string> described;
  for (const auto& [key, node] : method_node().at("properties").items()) described.insert(key);
  CHECK(known == described);
}

TEST_CASE("a method's defaults are those of the schema") {
  // resolve() writes every key of the method; those that it leaves alone must be what the schema says.
  for (const std::string& name : method_names()) {
    std::size_t settled = 0, all = 0;
    Config config;
    config.method.name = name;
    const json defaults = json(method_json(config.method));
    const auto method = make_method(config);
    method->resolve(config.method, config.model, {1000, 10, 3}, nullptr);
    for (const std::string& key : method->keys()) {
      const json& value = config.method.options.json().at(key);
      INFO(name << ", " << key);
      const json flat_default = defaults.at(key).flatten(), flat = value.flatten();
      all += flat_default.size();
      for (const auto& [path, one] : flat_default.items()) {
        if (one.is_null() || one == "auto") continue;
        CHECK(flat.at(path) == one);
        ++settled;
      }
    }
    CHECK(settled >= std::min<std::size_t>(4, all));
  }
}

TEST_CASE("a method that nobody registered is refused with those that are known") {
  MethodConfig method;
  method.name = "sgd";
  try {
    make_method(method);
    FAIL("made");
  } catch (const ConfigError& error) {
    CHECK(std::string(error.what()) == "method.name: unknown method \"sgd\"; known are " + joined(method_names()));
  }
}
