// Reads the values of an experiment file. A Node knows the place of its value, so that messages can name it. Every
// check throws ConfigError.
#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "host/config/explain.hpp"
#include "host/core/error.hpp"
#include "host/core/join.hpp"
#include "host/experiment/experiment.hpp"

namespace gamlp {

// A value of the file, and its place. The value must outlive the Node.
class Node {
 public:
  Node(const nlohmann::json& value, std::string source, std::string path)
      : value_(value), source_(std::move(source)), path_(std::move(path)) {}

  [[noreturn]] void fail(const std::string& expected) const {
    throw ConfigError(place() + " is " + shown(value_) + ": must be " + expected);
  }
  const nlohmann::json& value() const { return value_; }
  // Checks that the value is an object with no other keys than these.
  const Node& object(const std::vector<std::string>& keys) const {
    if (!value_.is_object()) fail("an object");
    for (const auto& [key, ignored] : value_.items()) {
      if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
      throw ConfigError(place() + " has the unknown key \"" + key + "\"; known keys: " + joined(keys));
    }
    return *this;
  }
  bool has(const std::string& key) const { return value_.contains(key); }
  Node at(const std::string& key) const {
    if (!has(key)) throw ConfigError(place() + " lacks \"" + key + "\"");
    return {value_.at(key), source_, path_.empty() ? key : path_ + "." + key};
  }
  std::string text() const {
    if (!value_.is_string() || value_.get_ref<const std::string&>().empty()) fail("a text that is not empty");
    return value_.get<std::string>();
  }
  std::vector<Node> list() const {
    if (!value_.is_array() || value_.empty()) fail("a list that is not empty");
    std::vector<Node> items;
    for (std::size_t i = 0; i < value_.size(); ++i) {
      items.emplace_back(value_[i], source_, path_ + "." + std::to_string(i));
    }
    return items;
  }
  int number() const {
    if (!value_.is_number_integer() || value_ < 1 || value_ > 100'000) fail("a number from 1 to 100,000");
    return value_.get<int>();
  }
  bool flag() const {
    if (!value_.is_boolean()) fail("true or false");
    return value_.get<bool>();
  }
  // The value as a label: a text as it is, other values as JSON.
  std::string label() const { return value_.is_string() ? value_.get<std::string>() : value_.dump(); }
  // The value as labels of an axis: one of them, or a list.
  std::vector<std::string> labels(const Axis& axis) const {
    std::vector<std::string> out;
    const auto add = [&](const Node& node) {
      const std::string label = node.label();
      if (!axis.has(label)) node.fail("a label of the axis \"" + axis.name + "\"");
      if (std::find(out.begin(), out.end(), label) != out.end()) node.fail("named once");
      out.push_back(label);
    };
    if (!value_.is_array()) {
      add(*this);
    } else {
      for (const Node& one : list()) add(one);
    }
    return out;
  }

 private:
  std::string place() const { return source_ + ": " + (path_.empty() ? "the experiment" : "`" + path_ + "`"); }

  const nlohmann::json& value_;
  std::string source_, path_;
};

// Overwrites those members of `run` that `node`, a `run` of the file, names. Throws ConfigError.
void read_run(const Node& node, JobRun& run);

}  // namespace gamlp
