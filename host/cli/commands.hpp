// The subcommands of gamlp. Each add_* function describes its options to the parser and sets `run`, which
// run_program() calls when the subcommand was chosen; run returns the exit status or throws an Error.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "host/dist/process_group.hpp"

namespace CLI {
class App;
}

namespace gamlp::cli {

struct Shared {
  // The processes that a launcher started together; `run` of a command that sets together uses them.
  ProcessGroup* group = &solo_group();
  bool together = false;
  bool quiet = false;
  bool json = false;
  std::function<int()> run;
};

// The whole program; returns its exit status.
int run_program(int argc, char** argv);

void add_train(CLI::App& app, Shared& shared);
void add_resume(CLI::App& app, Shared& shared);
void add_evaluate(CLI::App& app, Shared& shared);
void add_predict(CLI::App& app, Shared& shared);
void add_info(CLI::App& app, Shared& shared);
void add_generate(CLI::App& app, Shared& shared);
void add_bench(CLI::App& app, Shared& shared);
void add_plan(CLI::App& app, Shared& shared);
void add_experiment(CLI::App& app, Shared& shared);

// "gamlp 0.1.0", then the features of this build, one per line.
std::string version_text();
// The same without what belongs to the machine.
std::string build_text();

// Throws IoError when no file can be made in the folder of `file`; for files that are written after long work.
void expect_writable(const std::string& file);

// Set by SIGINT, SIGTERM and SIGHUP (where nohup does not ignore it), and SIGUSR1 of a launcher, once
// install_signal_handlers() was called; a second signal ends the program (SIGTERM and SIGHUP within a second do not).
std::atomic<bool>& stop_flag();
// Set by all but SIGUSR1.
std::atomic<bool>& ending_flag();
void install_signal_handlers();
// For long work: who reads its output may go.
void survive_closed_pipes();

}  // namespace gamlp::cli
