// Shows what every stage of the runs of a table came to. Greedy growth may lose accuracy, and the result alone does not
// show it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace gamlp {

// One stage, over the runs of a cell that are done.
struct StageFigures {
  std::int64_t layers = 0;
  std::vector<double> values;        // one accuracy per run, at the stage's best epoch
  std::vector<std::int64_t> epochs;  // those epochs, counted within the stage
  double mean() const;
  std::int64_t median_epoch() const;  // the lower of two
};

// Adds the stages of a result.json to those of its cell. `value` is the name of one of its accuracies. `first`: it is
// the first result of the cell. A result without stages, or with others than the results before, empties the list for
// good: nothing is shown of such a cell.
void add_stages(std::vector<StageFigures>& stages, const nlohmann::json& result, const std::string& value, bool first);

// stage_table() returns a Markdown table, with a row for each entry that has several stages. Empty when none has.
struct StageRow {
  std::string name;
  const std::vector<StageFigures>* stages;
};
std::string stage_table(const std::vector<StageRow>& rows);

nlohmann::ordered_json to_json(const std::vector<StageFigures>& stages);

}  // namespace gamlp
