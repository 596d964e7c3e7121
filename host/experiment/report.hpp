// Reports what an experiment's results come to: a line per job (CSV), and tables of means beside the published values.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/experiment/experiment.hpp"
#include "host/experiment/stage_table.hpp"

namespace gamlp {

enum class JobState { waiting, done, missing, diverged, failed };
const char* state_name(JobState state);

struct JobOutcome {
  JobState state = JobState::waiting;
  nlohmann::json result;  // result.json, when done
  std::string note;       // why not
};

// Returns a figure of a result; NaN where the result has no number for it.
double number_in(const nlohmann::json& result, const std::string& key);

// Returns one line per job, its labels first. Without `tests` it leaves the test accuracy out, as a search sees it.
std::string results_csv(const Experiment& experiment, const std::vector<Job>& jobs,
                        const std::vector<JobOutcome>& outcomes, bool tests);

// A cell of a table. Its figures are over the repetitions that are done.
struct Cell {
  int jobs = 0, done = 0, waiting = 0, missing = 0, diverged = 0, failed = 0;
  double mean = 0, deviation = 0;    // of the sample
  std::vector<std::string> chosen;   // "axis = label", where a search chose
  std::vector<StageFigures> stages;  // where the table's value is an accuracy
};
// There is one table for each combination of the axes that are neither rows, columns, repetitions nor searched.
struct ResultTable {
  std::string title;  // those labels
  std::vector<std::string> rows, columns;
  std::map<std::pair<std::size_t, std::size_t>, Cell> cells;
};
std::vector<ResultTable> make_tables(const Experiment& experiment, const std::vector<Job>& jobs,
                                     const std::vector<JobOutcome>& outcomes);

// Returns Markdown. A cell has the mean ± sample standard deviation, and in brackets the published value and the
// difference to it. The best of a row is bold (of cells whose runs are all done). Then follow what every stage came to,
// and what is missing and how to get it.
std::string markdown(const Experiment& experiment, const std::vector<ResultTable>& tables, const std::vector<Job>& jobs,
                     const std::vector<JobOutcome>& outcomes, const std::string& about);
// Returns the same as numbers.
nlohmann::ordered_json to_json(const Experiment& experiment, const std::vector<ResultTable>& tables);

}  // namespace gamlp
