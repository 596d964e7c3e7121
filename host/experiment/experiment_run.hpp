// Working an experiment off: a process per job, as many beside each other as cores and memory allow, and the tables.
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
  const std::atomic<bool>* stop = nullptr;       // set by a signal: ends the running jobs, then returns
  std::function<void()> set_up_done;             // from here on `stop` is heeded
  std::function<void(const std::string&)> tell;  // a line for each job that has ended; empty: none
};

struct ExperimentEnd {
  int status = 0;                  // 0, ExitCode::interrupted, or the status of the first job that failed
  std::string tables;              // Markdown; empty when it was stopped
  std::size_t done = 0, jobs = 0;  // when it was stopped
};

// Writes table.md, table.json, results.csv, after a search search.csv and best, and the runs, into the folder. Jobs
// that an earlier call has done are not repeated. Throws IoError when another process works there.
ExperimentEnd run_experiment(const Experiment& experiment, const ExperimentOptions& options);

// A line per job: what is done of it, its name and hash.
std::string list_experiment(const Experiment& experiment, const ExperimentOptions& options);

}  // namespace gamlp
