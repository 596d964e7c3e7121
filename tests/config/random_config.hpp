// Random valid configs, drawn from the schema: every bound, and numbers between them.
#pragma once

#include <cmath>
#include <random>

#include "host/config/schema.hpp"
#include "host/core/error.hpp"
#include "host/methods/load_config.hpp"

namespace gamlp::test {

class RandomConfigs {
 public:
  explicit RandomConfigs(std::uint32_t seed) : random_(seed) {}

  // `base` with up to `most` of its keys set to random values; the first draw that is valid. `skips(path)`: leave
  // alone.
  template <class Skips>
  nlohmann::json next(const nlohmann::json& base, int most, const Skips& skips) {
    for (;;) {
      nlohmann::json document = base;
      const int changes = 1 + below(most);
      for (int i = 0; i < changes; ++i) {
        const JsonPath& path = schema_paths()[static_cast<std::size_t>(below(static_cast<int>(schema_paths().size())))];
        const nlohmann::json value = value_of(*schema_node(path));
        if (!value.is_discarded() && !skips(path)) set(document, path, value);
      }
      try {
        parse_config(document, "random");
        return document;
      } catch (const ConfigError&) {  // keys that contradict each other: draw again
        ++refused_;
      }
    }
  }
  int refused() const { return refused_; }

 private:
  int below(int count) { return std::uniform_int_distribution<int>(0, count - 1)(random_); }
  double share() { return std::uniform_real_distribution<double>(0, 1)(random_); }

  // Discarded where there is nothing to draw: sections, lists, texts.
  nlohmann::json value_of(const nlohmann::json& node) {
    const auto type = node.find("type");
    const bool nullable = type != node.end() && type->is_array() && type->back() == "null";
    if (nullable && below(4) == 0) return nullptr;
    if (const auto allowed = node.find("enum"); allowed != node.end()) {
      return (*allowed)[static_cast<std::size_t>(below(static_cast<int>(allowed->size())))];
    }
    const nlohmann::json name = type == node.end() ? nlohmann::json() : type->is_array() ? type->front() : *type;
    if (name == "boolean") return below(2) == 0;
    if (name == "integer") return integer(node.at("minimum"), node.at("maximum"));
    if (name == "number") return number(node);
    return nlohmann::json(nlohmann::json::value_t::discarded);
  }

  std::int64_t integer(std::int64_t low, std::int64_t high) {
    switch (below(4)) {
      case 0:
        return low;
      case 1:
        return high;
      case 2:
        return std::min(high, low + below(20));
      default:
        return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
    }
  }

  double number(const nlohmann::json& node) {
    const bool open_low = node.contains("exclusiveMinimum"), open_high = node.contains("exclusiveMaximum");
    double low = node.at(open_low ? "exclusiveMinimum" : "minimum");
    double high = node.at(open_high ? "exclusiveMaximum" : "maximum");
    if (open_low) low = std::nextafter(low, high);
    if (open_high) high = std::nextafter(high, low);
    switch (below(4)) {
      case 0:
        return low;
      case 1:
        return high;
      case 2:
        return low + share() * (high - low);
      default: {  // every order of magnitude alike
        const double least = std::max(low, 1e-12);
        return std::clamp(least * std::pow(high / least, share()), low, high);
      }
    }
  }

  static void set(nlohmann::json& document, const JsonPath& path, const nlohmann::json& value) {
    nlohmann::json* at = &document;
    for (const std::string& part : path) {
      if (!at->is_array()) {
        at = &(*at)[part];
      } else if (at->empty()) {
        return;  // entry 0 of a list that is empty
      } else {
        at = &at->front();
      }
    }
    *at = value;
  }

  std::mt19937 random_;
  int refused_ = 0;
};

}  // namespace gamlp::test
