// Works an experiment off. Every job has a process, and as many run beside each other as cores and memory allow. Then
// makes the tables.
#pragma once

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "host/experiment/experiment.hpp"

namespace gamlp {

struct ExperimentOptions {
  std::filesystem::path folder;                  // of runs and results
  std::string datasets;                          // a folder in which dataset files are looked for first; empty: none
  std::vector<std::string> overrides;            // of every config, key.path=value
  int jobs = 0;                                  // runs at a time; 0: as cores and memory allow
  bool quick = false;                            // the experiment is the file's small variant
  const std::atomic<bool>* stop = nullptr;       // a signal sets it: ends the running jobs, then returns
  std::function<void()> set_up_done;             // called when `stop` is heeded from then on
  std::function<void(const std::string&)> tell;  // a line for each job that has ended; empty: none
};

struct ExperimentEnd {
  int status = 0;                  // 0, ExitCode::interrupted, or the status of the first job that failed
  std::string tables;              // Markdown; empty when it was stopped
  std::size_t done = 0, jobs = 0;  // when it was stopped
};

// Writes into the folder table.md, table.json and results.csv, the runs, and after a search also search.csv and the
// folder best. Runs that a search compares keep no weights, and those that it chose are trained once more to have them.
// No other job that an earlier call has done is repeated. Throws IoError when another process works there.
ExperimentEnd run_experiment(const Experiment& experiment, const ExperimentOptions& options);

// Returns a line per job: its state, its name and its hash.
std::string list_experiment(const Experiment& experiment, const ExperimentOptions& options);

}  // namespace gamlp
