// The subcommands of gamlp. Each add_* function describes the options of one to the parser. When the user has chosen
// it, Shared::run is its function, and run_program() calls that. It returns the exit status or throws an Error.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "host/dist/process_group.hpp"

namespace CLI {
class App;
}

namespace gamlp::cli {

// What run_program() and the commands share.
struct Shared {
  // The processes that a launcher started together. Only a command that sets `together` uses them.
  ProcessGroup* group = &solo_group();
  bool together = false;
  bool quiet = false;
  bool json = false;
  std::function<int()> run;
};

// Runs the whole program. Returns its exit status.
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
// The same without the devices of the machine.
std::string build_text();

// Throws IoError when no file can be made in the folder of `file`. For files that are written after long work.
void expect_writable(const std::string& file);

// Once install_signal_handlers() was called, SIGINT, SIGTERM, SIGHUP (where nohup does not ignore it) and a launcher's
// SIGUSR1 set it. A second signal ends the program, except SIGTERM and SIGHUP within a second of the first.
std::atomic<bool>& stop_flag();
// All of them but SIGUSR1 set it.
std::atomic<bool>& ending_flag();
void install_signal_handlers();
// Ignores SIGPIPE. For long work: the reader of its output may go.
void survive_closed_pipes();

}  // namespace gamlp::cli
