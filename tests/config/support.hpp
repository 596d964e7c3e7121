// What the tests of this folder share.
#pragma once

#include <functional>
#include <string>

#include "host/core/error.hpp"
#include "host/methods/load_config.hpp"
#include "tests/support/catch.hpp"

namespace gamlp::test {

// A config with the required dataset and `rest`, members of the top level.
inline std::string with_dataset(const std::string& rest) {
  return R"({"dataset": {"path": "g.npz"})" + (rest.empty() ? "" : ", " + rest) + "}";
}

inline Config parsed(const std::string& text) { return parse_config_text(text, "test.json"); }

// The message of the ConfigError that `action` must throw.
inline std::string config_error(const std::function<void()>& action) {
  try {
    action();
  } catch (const ConfigError& error) {
    return error.what();
  }
  FAIL("expected a ConfigError");
  return "";
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace gamlp::test
