// gamlp experiment: parses, calls and prints; host/experiment does the work.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "host/cli/commands.hpp"
#include "host/cli/set_up_guard.hpp"
#include "host/cli/table.hpp"
#include "host/core/error.hpp"
#include "host/experiment/experiment_run.hpp"

namespace gamlp::cli {
namespace fs = std::filesystem;
namespace {

struct ExperimentArguments {
  std::string file, output, datasets, machine = "cpu";
  std::vector<std::string> overrides;
  int jobs = 0;
  bool quick = false, list = false;
};

}  // namespace

void add_experiment(CLI::App& app, Shared& shared) {
  auto args = std::make_shared<ExperimentArguments>();
  CLI::App* command =
      app.add_subcommand("experiment", "Train every combination of an experiment file, make its tables");
  command->add_option("experiment", args->file, "Experiment file (configs/experiments/*.json)")->required();
  command->add_option("--output", args->output, "Folder of runs and results (default: runs/ and the file's name)");
  command->add_option("--datasets", args->datasets, "Folder in which dataset files are looked for first, by name");
  command->add_option(
      "--machine", args->machine,
      "What forecasts take for the local machine: a name or file of gamlp plan's, or \"here\" (default: cpu)");
  command->add_option("--set", args->overrides, "Override one value of every config, e.g. --set train.evaluate_every=5")
      ->allow_extra_args(false);
  command->add_option("--jobs", args->jobs, "Runs at a time (default: as cores and memory allow)")
      ->check(CLI::Range(1, 1024));
  command->add_flag("--quick", args->quick, "The file's small variant");
  command->add_flag("--list", args->list, "List the jobs and what is done of them, and run none");
  command->add_flag("--quiet", shared.quiet, "Only the tables");
  command->callback([args, &shared] {
    shared.run = [args, &shared] {
      install_signal_handlers();
      survive_closed_pipes();
      SetUpGuard set_up(*shared.group, [] { return "stopped before any job ran; the same command goes on"; });
      Experiment experiment = load_experiment(args->file, args->quick);
      experiment.machine = args->machine;
      const std::string stem = fs::path(args->file).stem().string() + (args->quick ? "-quick" : "");
      ExperimentOptions options;
      options.folder = args->output.empty() ? fs::path("runs") / stem : fs::path(args->output);
      options.datasets = args->datasets;
      options.overrides = args->overrides;
      options.jobs = args->jobs;
      options.quick = args->quick;
      options.stop = &stop_flag();
      options.set_up_done = [&] { set_up.done(); };
      if (!shared.quiet) {
        options.tell = [](const std::string& line) {
          std::printf("%s\n", line.c_str());
          std::fflush(stdout);
        };
      }
      if (args->list) {
        write_stdout(list_experiment(experiment, options));
        return 0;
      }
      const ExperimentEnd end = run_experiment(experiment, options);
      if (end.status == static_cast<int>(ExitCode::interrupted)) {
        std::fprintf(stderr, "gamlp: stopped with %zu of %zu jobs done; the same command goes on\n", end.done,
                     end.jobs);
        return end.status;
      }
      if (!shared.quiet) std::printf("\n");
      write_stdout(end.tables + "\nresults: " + options.folder.string() + "  (table.md, table.json, results.csv" +
                   (experiment.search ? ", search.csv, best" : "") + ", jobs)\n");
      return end.status;
    };
  });
}

}  // namespace gamlp::cli
