#include "host/experiment/stage_table.hpp"

#include <algorithm>
#include <cstdio>
#include <numeric>

namespace gamlp {

double StageFigures::mean() const {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

std::int64_t StageFigures::median_epoch() const {
  std::vector<std::int64_t> sorted = epochs;
  std::sort(sorted.begin(), sorted.end());
  return sorted[(sorted.size() - 1) / 2];
}

void add_stages(std::vector<StageFigures>& stages, const nlohmann::json& result, const std::string& value, bool first) {
  if (!first && stages.empty()) return;
  const auto found = result.find("stages");
  const std::size_t count = found != result.end() && found->is_array() ? found->size() : 0;
  if (first) stages.resize(count);
  if (count != stages.size()) return stages.clear();
  for (std::size_t i = 0; i < count; ++i) {
    const nlohmann::json& stage = (*found)[i];
    const auto layers = stage.value("layers", std::int64_t{0});
    if (first) stages[i].layers = layers;
    if (layers != stages[i].layers || !stage.contains(value) || !stage[value].is_number() ||
        !stage.contains("best_stage_epoch")) {
      return stages.clear();
    }
    stages[i].values.push_back(stage[value].get<double>());
    stages[i].epochs.push_back(stage["best_stage_epoch"].get<std::int64_t>());
  }
}

std::string stage_table(const std::vector<StageRow>& rows) {
  std::size_t columns = 0;
  for (const StageRow& row : rows) columns = std::max(columns, row.stages->size());
  if (columns < 2) return "";
  std::string out = "| |";
  for (std::size_t i = 1; i <= columns; ++i) out += " stage " + std::to_string(i) + " |";
  out += "\n|---|";
  for (std::size_t i = 0; i < columns; ++i) out += "---|";
  out += "\n";
  for (const StageRow& row : rows) {
    if (row.stages->size() < 2) continue;
    out += "| " + row.name + " |";
    for (std::size_t i = 0; i < columns; ++i) {
      char cell[96] = "";
      if (i < row.stages->size()) {
        const StageFigures& stage = (*row.stages)[i];
        std::snprintf(cell, sizeof cell, " %.1f (%lld layers, epoch %lld)", 100.0 * stage.mean(),
                      static_cast<long long>(stage.layers), static_cast<long long>(stage.median_epoch()));
      }
      out += std::string(cell) + " |";
    }
    out += "\n";
  }
  return out;
}

nlohmann::ordered_json to_json(const std::vector<StageFigures>& stages) {
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  for (const StageFigures& stage : stages) {
    out.push_back({{"layers", stage.layers}, {"mean", stage.mean()}, {"median_epoch", stage.median_epoch()}});
  }
  return out;
}

}  // namespace gamlp
