// gamlp info: what a dataset, a run or a config holds.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "host/cli/commands.hpp"
#include "host/cli/config_summary.hpp"
#include "host/cli/graph_summary.hpp"
#include "host/cli/run_summary.hpp"
#include "host/cli/table.hpp"
#include "host/core/error.hpp"
#include "host/data/load.hpp"
#include "host/methods/load_config.hpp"

namespace gamlp::cli {
namespace fs = std::filesystem;
namespace {

std::string describe(const fs::path& path, bool json) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) throw DataError(path.string() + ": no such file or folder");
  const auto form = [&](const auto& summary) { return json ? to_json(summary).dump() + "\n" : to_text(summary); };
  if (fs::is_directory(status)) return form(summarize_run(path));
  if (is_graph_file(path)) return form(summarize(load_graph_file(path)));
  if (path.extension() == ".json") return form(summarize_config(load_config(path), path.string()));
  throw DataError(path.string() + ": is neither a dataset (.npz), a config (.json) nor a run folder");
}

}  // namespace

void add_info(CLI::App& app, Shared& shared) {
  auto path = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("info", "Describe a dataset, a run folder or a config");
  command->add_option("path", *path, "Dataset (.npz), run folder, or config (.json)")->required();
  command->add_flag("--json", shared.json, "One JSON object");
  command->footer(
      "Examples:  gamlp info graph.npz\n"
      "           gamlp info runs/quickstart\n"
      "           gamlp info configs/quickstart.json --json");
  command->callback([path, &shared] {
    shared.run = [path, &shared] {
      write_stdout(describe(*path, shared.json));
      return 0;
    };
  });
}

}  // namespace gamlp::cli
