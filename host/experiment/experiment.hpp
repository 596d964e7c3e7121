// An experiment file has a base config, axes of changes to it, and what is to be made of the results. Every combination
// of the axes' values is a job. A job is a training run of its own, or a measurement or forecast of an iteration.
//
// The keys of the file:
//   extends   another such file in the same folder, of which this one's sections replace those of the same name
//   title     what the tables are headed with
//   base      the config that everything starts from: a file, relative to the experiment's, or the config itself
//   set       changes to it, {"key.path": value}
//   run       what a job runs (JobRun): {"program": "train", "bench" or "plan", …}
//   axes      [{"name", "values": [{"label", "set", "run"}, …]}], or for one key [{"name", "key", "values": [0, 1, …]}]
//   rules     [{"when": {axis: label or [labels]}, "set", "run", or "skip": true}], applied in order after the axes
//   table     {"rows": axis, "columns": axis, "value": of kResultFigures, "better": "higher" or "lower"}
//   figure    how tools/plot.py draws the results (ExperimentFigure)
//   mean_over the axis whose values are repetitions (seeds)
//   paper     {row label: {column label: number}}: the published values that cells are compared with
//   search    {"axes": […], "then": […], "seeds": [labels]}: for each combination of the other axes, the values of
//             these axes with the best mean validation accuracy are chosen: those of `axes` jointly, then each one of
//             `then` (host/experiment/search.hpp). Only the chosen ones are trained with all repetitions and tested;
//             what they are compared with keeps no weights
//   quick     {"keep": {axis: [labels]}, "set", "run"}: what --quick leaves and changes
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "host/config/config.hpp"

namespace gamlp {

// The numbers of results that tables may hold, and that results.csv has. A training has those of result.json. A
// measurement or a forecast has the last three and bytes_per_epoch. memory_bytes is that of the fullest device.
inline constexpr std::array<const char*, 15> kResultFigures = {"test_accuracy",
                                                               "validation_accuracy",
                                                               "train_accuracy",
                                                               "best_epoch",
                                                               "stage",
                                                               "best_stage_epoch",
                                                               "epochs",
                                                               "seconds",
                                                               "seconds_per_epoch",
                                                               "bytes_sent",
                                                               "bytes_per_epoch",
                                                               "bytes_per_epoch_one_device_per_layer",
                                                               "step_seconds",
                                                               "speedup",
                                                               "memory_bytes"};

inline constexpr std::array<const char*, 3> kJobPrograms = {"train", "bench", "plan"};  // JobRun::Program

// What a job runs, beside its config.
struct JobRun {
  enum class Program { train, bench, plan };
  Program program = Program::train;
  // bench: the devices with which the config's devices are timed in turns. speedup is relative to them.
  std::string against;
  int iterations = 0, rounds = 0;  // bench; 0: its own
  // plan: a machine as gamlp plan knows it. "local" is the experiment's.
  std::string machine = "local";
  std::string problem;  // plan: "V,N0,C", instead of reading the dataset
  int devices = 0;      // plan; 0: the config's. More than the machine has: as if it had them
};

struct AxisValue {
  std::string label;
  nlohmann::json set = nlohmann::json::object();  // key path → value
  nlohmann::json run = nlohmann::json::object();
};

struct Axis {
  std::string name;
  std::vector<AxisValue> values;

  std::size_t index_of(const std::string& label) const;  // values.size() when there is none
  bool has(const std::string& label) const { return index_of(label) < values.size(); }
};

struct ExperimentRule {
  std::vector<std::pair<std::size_t, std::vector<std::string>>> when;  // axis and its labels
  nlohmann::json set = nlohmann::json::object();
  nlohmann::json run = nlohmann::json::object();
  bool skip = false;
};

struct ExperimentSearch {
  std::vector<std::vector<std::size_t>> rounds;  // the axes that each one chooses
  std::vector<std::string> seeds;                // labels of the repetitions
};

// The picture of an experiment. tools/plot.py draws it from the results. The keys name axes or figures:
//   kind   "curves": metrics of every epoch; "lines": a figure over an axis of numbers; "scatter": one over another
//   x, y   curves: y a list of columns of metrics.jsonl, x one of them, or a list: for as many rows of panels; lines: x
//          an axis, y a figure; scatter: figures
//   lines, style, panels   axes told apart by colour, by line style or marker, and by panel; optional
//   x_label, y_label, log_x, log_y, ideal (the line y = x), marks [{"x", "y", "label", "panel"}] (published points)
// It is passed on to table.json as it is.
struct ExperimentFigure {
  nlohmann::json spec;  // null: none
};

struct Experiment {
  std::filesystem::path file;
  std::filesystem::path base_folder;  // relative paths in the config start here
  std::string title;
  nlohmann::json base;
  nlohmann::json set = nlohmann::json::object();
  nlohmann::json run = nlohmann::json::object();
  std::string machine = "cpu";  // what forecasts call "local"
  std::vector<Axis> axes;
  std::vector<ExperimentRule> rules;
  std::size_t rows = 0, columns = 0;     // axes of the table
  std::optional<std::size_t> mean_over;  // an axis
  std::string value = "test_accuracy";   // one of kResultFigures
  bool higher_is_better = true;
  nlohmann::json paper = nlohmann::json::object();
  std::optional<ExperimentSearch> search;
  ExperimentFigure figure;

  std::size_t axis(const std::string& name) const;  // axes.size() when there is none
  bool is_searched(std::size_t axis) const;
  // Whether a job is on a seed of the search. Only for an experiment with a search.
  bool is_search_job(const std::vector<std::string>& labels) const;
};

// `quick`: the small variant that --quick asks for. Throws ConfigError that names the file, the key and what is
// expected.
Experiment load_experiment(const std::filesystem::path& file, bool quick);

// Returns a label fit for the name of a file. It keeps letters, digits and dots. Runs of anything else become one '-'.
std::string file_label(const std::string& label);

// One combination: a label of each axis, and the config that they make.
struct Job {
  std::vector<std::string> labels;
  Config config;
  JobRun run;
  std::string name;     // of the labels, fit for a file; unique
  std::string hash;     // of config, run and the contents of its dataset's files: 8 hexadecimal digits
  std::string missing;  // why it cannot run: a file of its dataset that is not there
  // What the jobs have in common that the search chooses from.
  std::string key_without_search(const Experiment& experiment) const;
};

// Returns every job that no rule skips, in the order of the axes, the last one fastest. `datasets` is a folder in which
// dataset files are looked for first, by name, or empty. `overrides` (key=value) are applied last, and set keys that no
// axis sets. Throws ConfigError where a combination is no valid config, or where there is no combination.
std::vector<Job> expand(const Experiment& experiment, const std::filesystem::path& datasets,
                        const std::vector<std::string>& overrides);

// Reads the figures of a measurement or forecast from what `gamlp bench` or `gamlp plan` wrote. Throws DataError.
nlohmann::json figures_of(JobRun::Program program, const nlohmann::json& report);

}  // namespace gamlp
