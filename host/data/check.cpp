#include "host/data/check.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "host/core/error.hpp"
#include "host/core/number_text.hpp"

namespace gamlp {
namespace {

void check_count(std::int64_t found, std::int64_t limit, const char* what, const std::string& where) {
  if (found >= 1 && found <= limit) return;
  throw DataError(where + ": found " + std::to_string(found) + " " + what + ", expected 1 to " + std::to_string(limit));
}

}  // namespace

std::string float_text(float value) {
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof digits, value).ptr};
}

void check_node_count(std::int64_t nodes, const std::string& where) { check_count(nodes, max_nodes, "nodes", where); }

void check_feature_count(std::int64_t features, const std::string& where) {
  check_count(features, max_features, "features", where);
}

void check_finite(std::span<const float> values, std::int64_t cols, const std::string& where) {
  const auto bad = std::find_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); });
  if (bad == values.end()) return;
  const std::int64_t at = bad - values.begin();
  const std::string place = cols > 0 ? "row " + std::to_string(at / cols) + ", column " + std::to_string(at % cols)
                                     : "entry " + std::to_string(at);
  throw DataError(where + ": " + place + ": found " + number_text(*bad) + ", expected finite numbers");
}

std::vector<std::int32_t> checked_labels(std::span<const std::int64_t> labels, const std::string& where) {
  std::vector<std::int32_t> out;
  out.reserve(labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] != no_class && (labels[i] < 0 || labels[i] >= max_classes)) {
      throw DataError(where + ": node " + std::to_string(i) + ": found label " + std::to_string(labels[i]) +
                      ", expected 0 to " + std::to_string(max_classes - 1) + ", or -1 for a node without a class");
    }
    out.push_back(static_cast<std::int32_t>(labels[i]));
  }
  return out;
}

std::int32_t class_count(std::span<const std::int32_t> labels) {
  return labels.empty() ? 0 : *std::max_element(labels.begin(), labels.end()) + 1;
}

void check_masks(const Dataset& dataset, const std::string& where) {
  struct Named {
    const char* name;
    const std::vector<std::uint8_t>& mask;
  };
  const Named masks[] = {
      {"train_mask", dataset.train_mask}, {"val_mask", dataset.validation_mask}, {"test_mask", dataset.test_mask}};
  for (const Named& a : masks) {
    for (const Named& b : masks) {
      if (&a >= &b || a.mask.empty() || b.mask.empty()) continue;
      for (std::size_t i = 0; i < a.mask.size(); ++i) {
        if (!a.mask[i] || !b.mask[i]) continue;
        throw DataError(where + ": " + a.name + " and " + b.name + " overlap: node " + std::to_string(i) +
                        " is in both, expected it in one at most");
      }
    }
  }
  const bool any = !dataset.train_mask.empty() || !dataset.validation_mask.empty() || !dataset.test_mask.empty();
  if (!any) return;
  if (std::find(dataset.train_mask.begin(), dataset.train_mask.end(), 1) != dataset.train_mask.end()) return;
  throw DataError(where +
                  ": train_mask: " + (dataset.train_mask.empty() ? "missing beside the other masks" : "found no node") +
                  ", expected at least one training node");
}

}  // namespace gamlp
