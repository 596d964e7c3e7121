#include "host/store/saved_config.hpp"

#include <utility>

#include "host/config/json_text.hpp"
#include "host/methods/load_config.hpp"

namespace gamlp {
namespace {

void fill_in(nlohmann::json& document, const std::string& source, std::vector<std::string>& notes) {
  if (!document.is_object() || !document.contains("dataset") || !document["dataset"].is_object()) return;
  nlohmann::json& dataset = document["dataset"];
  const auto symmetrize = dataset.find("symmetrize");
  if (!dataset.contains("direction") && symmetrize != dataset.end() && *symmetrize == false) {
    notes.push_back(source +
                    ": holds no dataset.direction, as it is older than that key: features pass edges as they did then "
                    "(\"out\": a node gathers from those that its edges lead to)");
  }
  const auto was = [&](const char* key, const char* value) {
    if (!dataset.contains(key)) dataset[key] = value;
  };
  was("direction", "out");
  was("standardize", "none");
  was("class_ids", "keep");
  if (!document.contains("stages") || !document["stages"].is_array()) return;
  for (nlohmann::json& stage : document["stages"]) {
    if (stage.is_object() && !stage.contains("start")) stage["start"] = "last";
  }
}

}  // namespace

Config parse_saved_config(std::string_view text, const std::string& source, std::vector<std::string>& notes) {
  nlohmann::json document = parse_json_text(text, source);
  fill_in(document, source, notes);
  return parse_config(document, source);
}

Config load_saved_config(const std::filesystem::path& file, std::vector<std::string>& notes,
                         std::span<const std::string> overrides) {
  nlohmann::json document = read_document(file);
  fill_in(document, file.string(), notes);
  return parse_document(std::move(document), file, overrides);
}

}  // namespace gamlp
