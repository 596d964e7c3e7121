// gamlp train, gamlp resume.
#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "host/cli/commands.hpp"
#include "host/cli/progress.hpp"
#include "host/cli/set_up_guard.hpp"
#include "host/cli/table.hpp"
#include "host/core/error.hpp"
#include "host/core/join.hpp"
#include "host/device/accelerator.hpp"
#include "host/methods/load_config.hpp"
#include "host/methods/registry.hpp"
#include "host/plan/choose_grid.hpp"
#include "host/plan/device_room.hpp"
#include "host/problem/chosen_devices.hpp"
#include "host/store/run_state.hpp"
#include "host/train/processes.hpp"
#include "host/train/trainer.hpp"

namespace gamlp::cli {
namespace fs = std::filesystem;
namespace {

// runs/NAME, or runs/NAME-2 … when that is taken: a folder that was not there before, for this process alone.
fs::path free_run_folder(const fs::path& config) {
  const fs::path base = fs::path("runs") / config.stem();
  std::error_code error;
  fs::create_directories(base.parent_path(), error);
  fs::path candidate = base;
  for (int i = 2; !fs::create_directory(candidate, error); ++i) {
    std::error_code unknown;
    if (error && !fs::exists(candidate, unknown)) return base;  // which says why it cannot be made
    candidate = base.string() + "-" + std::to_string(i);
  }
  return candidate;
}

// A run that failed before it began, say for want of its dataset, leaves no folder behind.
void remove_if_unused(RunFolder& folder) {
  std::error_code error;
  if (!fs::exists(folder.config_path(), error)) folder.discard();
}

std::string taken_over_text(const LockHolder& holder) {
  return "the folder was locked by " + holder.text() + ", which ended without a word: taking its place";
}

// Of the processes beside rank 0, which tells.
std::string nothing_made() { return ""; }

// What those do.
int join(const TrainOptions& options) {
  return join_training(options).interrupted ? static_cast<int>(ExitCode::interrupted) : 0;
}

int finish(const TrainResult& result, const RunFolder& folder, const Shared& shared) {
  const std::string path = folder.path().string();
  if (result.interrupted) {
    std::fprintf(stderr, "gamlp: stopped after epoch %lld; continue with: gamlp resume %s\n",
                 static_cast<long long>(result.epoch), path.c_str());
    return static_cast<int>(ExitCode::interrupted);
  }
  if (shared.json) {
    write_stdout(result.json.dump() + "\n");
  } else {
    write_stdout(result_table(result.json) + "\nrun folder: " + path +
                 "  (config.json, metrics.jsonl, result.json, best.safetensors)\n");
  }
  return 0;
}

constexpr const char* kTraceHelp = "Write the run's timeline to this file, for ui.perfetto.dev";

// Runs `work` until a signal stops it, or `abandon` while it sets up; writes its timeline when `path` is given.
int traced(const std::string& path, Progress& progress, ProcessGroup& group, std::function<std::string()> abandon,
           const std::function<int(const TrainOptions&)>& work) {
  install_signal_handlers();
  survive_closed_pipes();
  SetUpGuard set_up(group, std::move(abandon));
  TraceLog trace;
  TrainOptions options;
  options.set_up_done = [&] { set_up.done(); };
  options.stop = &stop_flag();
  options.check = expect_device_room;
  options.place = choose_grid;
  options.group = &group;
  if (path.empty()) return work(options);
  options.trace = &trace;
  const int status = work(options);
  gather_trace(group, trace);
  if (group.rank() != 0) return status;
  trace.write(path, "gamlp train");
  if (trace.dropped() > 0) {
    progress.warning(path + ": holds the first " + std::to_string(trace.spans()) + " of " +
                     std::to_string(trace.spans() + trace.dropped()) + " spans; train fewer epochs for a whole one");
  }
  return status;
}

struct TrainArguments {
  std::string config, run, from, devices, trace, profile;
  std::vector<std::string> overrides;
};

// What all processes of a run must have alike, beside the config.
std::string program_text(const std::string& trace) { return build_text() + (trace.empty() ? "" : "\nwith a timeline"); }

// "20:5" as its two numbers; 0 and 0 without one.
std::pair<std::int64_t, std::int64_t> profile_window(const std::string& text, const Config& config) {
  if (text.empty()) return {0, 0};
  long long first = 0, count = 0;
  char end = 0;
  if (std::sscanf(text.c_str(), "%lld:%lld%c", &first, &count, &end) != 2 || first < 1 || count < 1) {
    throw ConfigError("--profile " + text + ": expected FIRST:COUNT, both at least 1, e.g. 20:5");
  }
  if (!means_gpus(config)) {
    throw ConfigError("--profile: records CUDA devices, but `devices` is \"" + config.devices +
                      "\", which means CPU workers here; --trace shows those");
  }
  return {first, count};
}

}  // namespace

void add_train(CLI::App& app, Shared& shared) {
  auto args = std::make_shared<TrainArguments>();
  CLI::App* command = app.add_subcommand("train", "Train from a JSON config");
  command->add_option("config", args->config, "Config file (configs/*.json; configs/schema.json describes it)")
      ->required();
  command
      ->add_option("--set", args->overrides, "Override one value, e.g. --set method.rho=1e-3 --set stages.2.epochs=50")
      ->allow_extra_args(false);
  command->add_option("--run", args->run, "Run folder (default: runs/ and the config's name)");
  command->add_option("--from", args->from, "Start from the weights of a run folder or a .safetensors file");
  command->add_option("--devices", args->devices,
                      "auto, cpu, cpu:N (N workers), cuda:all, or cuda:I,J (GPUs by number)");
  command->add_option("--trace", args->trace, kTraceHelp);
  command->add_option("--profile", args->profile,
                      "FIRST:COUNT, the epochs that a profiler records on CUDA devices (tools/profile.sh)");
  command->add_flag("--quiet", shared.quiet, "Only the result and warnings");
  command->add_flag("--json", shared.json, "One JSON object per epoch, then the result as the last line");
  command->callback([args, &shared] {
    shared.together = true;
    shared.run = [args, &shared] {
      std::vector<std::string> overrides = args->overrides;
      if (!args->devices.empty()) overrides.push_back("devices=" + args->devices);
      if (!args->from.empty()) {
        overrides.push_back("train.from=" + nlohmann::json(fs::absolute(args->from).string()).dump());
      }
      const fs::path path = args->config;
      const bool first = shared.group->rank() == 0;
      Config config;
      std::pair<std::int64_t, std::int64_t> window;
      agree(*shared.group, [&] {
        if (first && !args->trace.empty()) expect_writable(args->trace);
        config = load_config(path, overrides);
        window = profile_window(args->profile, config);
      });
      expect_same_program(*shared.group, config, program_text(args->trace));
      Progress progress(shared.quiet, shared.json);
      std::optional<RunFolder> folder;
      agree(*shared.group, [&] {
        if (!first) return;
        for (const std::string& warning : config_warnings(config)) progress.warning(warning);
        folder = RunFolder::create(args->run.empty() ? free_run_folder(path) : fs::path(args->run));
      });
      if (!first) return traced(args->trace, progress, *shared.group, nothing_made, join);
      if (folder->taken_over()) progress.message(taken_over_text(*folder->taken_over()));
      const auto abandon = [&] {
        folder->discard();
        return std::string("stopped before the first epoch; there is nothing to resume");
      };
      const auto work = [&](TrainOptions options) {
        options.profile_first = window.first, options.profile_count = window.second;
        return finish(train(std::move(config), path.parent_path(), *folder, progress, options), *folder, shared);
      };
      try {
        return traced(args->trace, progress, *shared.group, abandon, work);
      } catch (...) {
        remove_if_unused(*folder);
        throw;
      }
    };
  });
}

namespace {

// Of all methods, for the help.
std::string changeable_keys() {
  std::set<std::string> keys;
  for (const auto& method : all_methods()) {
    for (const std::string& key : method->changeable_keys()) keys.insert(key);
  }
  return joined({keys.begin(), keys.end()});
}

struct ResumeArguments {
  std::string run, other, trace;
  std::vector<std::string> overrides;
};

// The folder that is trained in: the run's own, or a copy of the run when `other` is given.
RunFolder folder_to_resume(const std::string& run, const std::string& other, bool changes, Progress& progress) {
  RunFolder source = RunFolder::open_to_train(run);
  if (source.taken_over()) progress.message(taken_over_text(*source.taken_over()));
  std::error_code error;
  if (fs::exists(source.result_path(), error) && !changes) {
    throw ConfigError(run +
                      ": the run is finished (result.json); there is nothing to resume. To train it further, say what "
                      "for: --set stages.N.epochs=…, --set 'stages=[…]' with further stages (and --run for a new "
                      "folder)");
  }
  std::vector<std::string> warnings;
  std::int64_t epoch = 0;
  try {
    if (changes || !other.empty()) {
      epoch = load_latest_checkpoint(source.checkpoints(), warnings, source.recorded_epoch()).epoch;
    }
  } catch (const DataError& missing) {
    throw DataError(std::string(missing.what()) +
                    ": a run goes on from one (train.checkpoint_every above 0 leaves one at "
                    "its end); to the same effect train " +
                    source.config_path().string() + " anew with those --set");
  }
  if (other.empty()) return source;
  RunFolder folder = RunFolder::create(other);
  try {
    folder.copy_from(source, epoch);
  } catch (...) {
    folder.discard();
    throw;
  }
  return folder;
}

int resume_run(const ResumeArguments& args, Shared& shared) {
  Progress progress(shared.quiet, shared.json);
  std::optional<RunFolder> folder;
  agree(*shared.group, [&] {
    if (shared.group->rank() != 0) return;
    if (!args.trace.empty()) expect_writable(args.trace);
    folder = folder_to_resume(args.run, args.other, !args.overrides.empty(), progress);
  });
  expect_same_program(*shared.group, Config(), program_text(args.trace));
  if (!folder) return traced(args.trace, progress, *shared.group, nothing_made, join);
  const bool copy = !args.other.empty();
  std::atomic<bool> begun{false};
  const auto abandon = [&] {
    if (copy) {
      folder->discard();
    } else {
      if (state_now(*folder).state == "running") write_state(*folder, ended_state(ExitCode::interrupted));
      folder->unlock();
    }
    return "stopped before the first epoch; continue with: gamlp resume " + args.run;
  };
  try {
    return traced(args.trace, progress, *shared.group, abandon, [&](TrainOptions options) {
      options.overrides = args.overrides;
      options.set_up_done = [&, done = options.set_up_done] { begun = true, done(); };
      return finish(resume(*folder, progress, options), *folder, shared);
    });
  } catch (...) {
    if (copy && !begun) folder->discard();
    throw;
  }
}

}  // namespace

void add_resume(CLI::App& app, Shared& shared) {
  auto args = std::make_shared<ResumeArguments>();
  CLI::App* command = app.add_subcommand(
      "resume", "Continue an interrupted run from its newest checkpoint, or train a finished one on");
  command->add_option("run", args->run, "Run folder")->required();
  command
      ->add_option("--set", args->overrides,
                   "Change what a run may go on with, a finished one too, e.g. --set stages.2.epochs=300: stages (more "
                   "epochs of the last one, further ones), train.stop, train.evaluate_every, train.checkpoint_every, "
                   "train.weights_hash, train.report, devices, partition, node_memory, distributed, and what the "
                   "method allows (" +
                       changeable_keys() + ")")
      ->allow_extra_args(false);
  command->add_option("--run", args->other, "Go on in this new folder; the run stays as it is");
  command->add_option("--trace", args->trace, kTraceHelp);
  command->add_flag("--quiet", shared.quiet, "Only the result and warnings");
  command->add_flag("--json", shared.json, "One JSON object per epoch, then the result as the last line");
  command->callback([args, &shared] {
    shared.together = true;
    shared.run = [args, &shared] { return resume_run(*args, shared); };
  });
}

}  // namespace gamlp::cli
