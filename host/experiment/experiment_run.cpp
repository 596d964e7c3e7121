#include "host/experiment/experiment_run.hpp"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <map>
#include <set>
#include <sstream>
#include <thread>

#include "host/config/parse.hpp"
#include "host/core/clock.hpp"
#include "host/core/error.hpp"
#include "host/core/files.hpp"
#include "host/core/folder_lock.hpp"
#include "host/core/number_text.hpp"
#include "host/core/threads.hpp"
#include "host/experiment/pool.hpp"
#include "host/experiment/report.hpp"
#include "host/experiment/search.hpp"
#include "host/plan/config_cost.hpp"
#include "host/plan/machine.hpp"
#include "host/problem/chosen_devices.hpp"
#include "host/store/checkpoint.hpp"
#include "host/store/run_folder.hpp"

namespace gamlp {
namespace fs = std::filesystem;
namespace {

// What jobs are trained for. Those that a search compares show no test accuracy, and keep no weights.
enum class Purpose { comparison, table };

struct JobCost {
  PoolTask task;
  double work = 1;  // relative
};

std::string last_line(const fs::path& log) {
  std::string last;
  std::error_code error;
  if (!fs::exists(log, error)) return "";
  std::istringstream lines(read_file(log));
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty()) last = line;
  }
  return last.starts_with("gamlp: ") ? last.substr(7) : last;
}

class ExperimentRun {
 public:
  ExperimentRun(const Experiment& experiment, const ExperimentOptions& options)
      : experiment_(experiment),
        options_(options),
        folder_(options.folder),
        jobs_(expand(experiment, options.datasets, options.overrides)),
        outcomes_(jobs_.size()),
        pool_("/proc/self/exe", {options.jobs > 0 ? options.jobs : hardware_threads(), 0.8 * available_memory()}) {}

  std::string list() {
    std::string out;
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      look_up(i);
      const JobState state = outcomes_[i].state;
      out += std::string(state == JobState::waiting ? "to do" : state_name(state)) + "\t" + jobs_[i].name + "." +
             jobs_[i].hash + "\n";
    }
    return out;
  }

  ExperimentEnd run() {
    make_writable_folder(folder_ / "jobs");
    const FolderLock lock(folder_, "another gamlp experiment", FolderLock::Held::by_descendants_too);
    for (std::size_t i = 0; i < jobs_.size(); ++i) look_up(i);
    std::vector<bool> wanted(jobs_.size(), true);
    if (experiment_.search) {
      Search search(experiment_, jobs_);
      std::vector<bool> compared(jobs_.size(), false);  // in this round or before
      for (int round = 0; round < search.rounds(); ++round) {
        const std::vector<bool> candidates = search.candidates();
        work_off(candidates,
                 search.rounds() > 1 ? "search " + std::to_string(round + 1) + ": " : "search: ", Purpose::comparison);
        for (std::size_t i = 0; i < jobs_.size(); ++i) compared[i] = compared[i] || candidates[i];
        write("search.csv", results_csv(experiment_, only(jobs_, compared), only(outcomes_, compared), false));
        if (stopped_) return stop(compared);
        search.choose(outcomes_);
      }
      for (std::size_t i = 0; i < jobs_.size(); ++i) {
        if (search.chosen()[i]) train_again_without_weights(i);
      }
      work_off(search.chosen(), "", Purpose::table);
      if (stopped_) {
        write_tables(search.chosen());
        return stop(search.chosen());
      }
      write_best(only(jobs_, search.chosen()));
      // Where nothing was chosen the report has what went wrong, and no figure of a candidate.
      for (std::size_t i = 0; i < jobs_.size(); ++i) {
        wanted[i] = search.chosen()[i] || (search.undecided()[i] && outcomes_[i].state != JobState::done);
      }
      return report(wanted);
    }
    work_off(wanted, "", Purpose::table);
    if (!stopped_) return report(wanted);
    write_tables(wanted);
    return stop(wanted);
  }

 private:
  fs::path path_of(std::size_t i, const char* ending = "") const {
    return folder_ / "jobs" / (jobs_[i].name + "." + jobs_[i].hash + ending);
  }

  // What `gamlp bench` or `gamlp plan` writes.
  fs::path report_of(std::size_t i) const { return path_of(i, ".report.json"); }

  template <class T>
  static std::vector<T> only(const std::vector<T>& all, const std::vector<bool>& wanted) {
    std::vector<T> out;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (wanted[i]) out.push_back(all[i]);
    }
    return out;
  }

  // What is known of a job from an earlier call.
  void look_up(std::size_t i) {
    JobOutcome& outcome = outcomes_[i];
    std::error_code error;
    const JobRun::Program program = jobs_[i].run.program;
    if (program != JobRun::Program::train && fs::exists(report_of(i), error)) {
      outcome = {JobState::done, figures_of(program, read_document(report_of(i))), ""};
      return;
    }
    if (fs::exists(path_of(i) / "config.json", error)) {
      if (const auto result = read_result(RunFolder::open(path_of(i)))) {
        outcome = {JobState::done, *result, ""};
        return;
      }
    }
    if (fs::exists(path_of(i, ".diverged"), error)) {
      outcome = {JobState::diverged, {}, read_file(path_of(i, ".diverged"))};
    } else if (!jobs_[i].missing.empty()) {
      outcome = {JobState::missing, {}, jobs_[i].missing};
    }
  }

  bool is_trained(std::size_t i) const {
    return jobs_[i].run.program == JobRun::Program::train && outcomes_[i].state == JobState::done;
  }

  // A search compares thousands of runs, whose weights would fill a disk.
  void drop_weights(std::size_t i) const {
    if (is_trained(i)) RunFolder::open(path_of(i)).remove_weights();
  }

  void train_again_without_weights(std::size_t i) {
    std::error_code error;
    if (is_trained(i) && !fs::exists(RunFolder::open(path_of(i)).best_path(), error)) outcomes_[i] = {};
  }

  JobCost cost_of(std::size_t i) {
    constexpr int kAlone = 1 << 20;  // cores: nothing runs beside it
    if (jobs_[i].run.program == JobRun::Program::plan) {
      return {{{}, path_of(i, ".log"), jobs_[i].run.machine == kThisMachine ? kAlone : 1, 1, 0}, 1e10};
    }
    Config config = jobs_[i].config;
    const std::string key = to_json(config)["dataset"].dump();
    auto known = counts_.find(key);
    if (known == counts_.end()) known = counts_.emplace(key, count_problem(config.dataset)).first;
    const ProblemCounts& counts = known->second;
    const ConfigCost cost = config_cost(config, counts);
    constexpr double kStart = 2e10;  // flops of the time that a run takes beside its training
    double flops = kStart;
    for (const StageCost& stage : cost.stages) {
      const auto epochs = static_cast<double>(stage.epochs), every = static_cast<double>(config.train.evaluate_every);
      const auto nodes = static_cast<double>(counts.parts[0] + counts.parts[1] + counts.parts[2]);
      const auto inputs = static_cast<double>(stage.input == InputKind::plain ? cost.inputs : cost.train);
      const auto width = static_cast<double>(config.model.width), layers = static_cast<double>(stage.layers);
      flops += epochs * (stage.flops + 2.0 * nodes * width * (inputs + layers * width) / every);
    }
    const int devices = device_count(config);
    const int cores = options_.jobs > 0 ? 1 : std::max<int>(1, devices * static_cast<int>(config.threads_per_device));
    if (jobs_[i].run.program == JobRun::Program::bench) {
      const double iterations = jobs_[i].run.iterations * jobs_[i].run.rounds;
      flops = kStart + (iterations > 0 ? iterations : 30) * cost.stages.back().flops;
    }
    // Runs on GPUs come one after the other.
    const bool alone = means_gpus(config) || jobs_[i].run.program == JobRun::Program::bench;
    if (alone) return {{{}, path_of(i, ".log"), kAlone, 0, cost.memory_bytes}, flops};
    const int threads = options_.jobs > 0 ? std::max(1, hardware_threads() / options_.jobs) : cores;
    return {{{}, path_of(i, ".log"), cores, threads < hardware_threads() ? threads : 0, cost.memory_bytes}, flops};
  }

  static std::vector<std::string> report_arguments(const Job& job, const std::string& config,
                                                   const std::string& report) {
    const JobRun& run = job.run;
    std::vector<std::string> arguments = {run.program == JobRun::Program::plan ? "plan" : "bench", config};
    const auto add = [&](const char* option, const std::string& value) {
      arguments.emplace_back(option);
      arguments.push_back(value);
    };
    if (run.program == JobRun::Program::plan) {
      add("--machine", run.machine);
      // A range is forecast also where it does not fit the machine's memory.
      const std::string devices = std::to_string(run.devices);
      if (run.devices > 0) add("--sweep", "devices=" + devices + ".." + devices);
      arguments.emplace_back("--as-if");
      if (!run.problem.empty()) add("--problem", run.problem);
    } else {
      add("--devices", (run.against.empty() ? "" : run.against + ",") + job.config.devices);
      if (run.iterations > 0) add("--iterations", std::to_string(run.iterations));
      if (run.rounds > 0) add("--rounds", std::to_string(run.rounds));
    }
    add("--output", report);
    return arguments;
  }

  void start(std::size_t i, PoolTask task) {
    const fs::path run = path_of(i), config = path_of(i, ".json");
    std::error_code error;
    if (jobs_[i].run.program != JobRun::Program::train) {
      write_file_atomic(config, to_json(jobs_[i].config).dump(2) + "\n");
      task.arguments = report_arguments(jobs_[i], config.string(), report_of(i).string());
    } else if (!checkpoints_of(run / "checkpoints").empty()) {
      task.arguments = {"resume", run.string(), "--quiet"};
      resumed_.insert(i);
    } else {
      fs::remove_all(run, error);  // of a run that was killed before its first checkpoint
      write_file_atomic(config, to_json(jobs_[i].config).dump(2) + "\n");
      task.arguments = {"train", config.string(), "--run", run.string(), "--quiet"};
    }
    pool_.start(i, task);
  }

  void finish(const PoolEnd& end) {
    const std::size_t i = end.task;
    if (end.status == static_cast<int>(ExitCode::diverged)) {
      write_file_atomic(path_of(i, ".diverged"), last_line(path_of(i, ".log")));
    }
    look_up(i);
    JobOutcome& outcome = outcomes_[i];
    if (outcome.state != JobState::waiting) return;
    const bool interrupted = end.status == static_cast<int>(ExitCode::interrupted) || end.status == 128 + SIGTERM ||
                             end.status == 128 + SIGINT || end.status == 128 + SIGHUP;  // before it knew signals
    if (stopped_ && interrupted) return;
    if (resumed_.contains(i) && end.status == static_cast<int>(ExitCode::data)) {
      // Its checkpoints are of no use: the next call trains anew.
      std::error_code error;
      const fs::path aside = path_of(i, ".unusable");
      fs::remove_all(aside, error);
      fs::rename(path_of(i), aside, error);
    }
    outcome = {JobState::failed,
               {},
               last_line(path_of(i, ".log")) + "  (status " + std::to_string(end.status) + ", " +
                   path_of(i, ".log").string() + ")"};
    if (failure_ == 0)
      failure_ = end.status > 0 && end.status < 128 ? end.status : static_cast<int>(ExitCode::internal);
  }

  void work_off(const std::vector<bool>& wanted, const std::string& phase, Purpose purpose) {
    std::vector<std::size_t> todo;
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      if (wanted[i] && outcomes_[i].state == JobState::waiting) todo.push_back(i);
    }
    std::map<std::size_t, JobCost> costs;
    double left = 0, done_work = 0, done_seconds = 0;
    std::erase_if(todo, [&](std::size_t i) {
      try {
        left += costs.emplace(i, cost_of(i)).first->second.work;
        return false;
      } catch (const DataError& error) {  // a dataset that cannot be read
        outcomes_[i] = {JobState::failed, {}, error.what()};
        if (failure_ == 0) failure_ = static_cast<int>(error.code());
        return true;
      } catch (const ConfigError& error) {
        throw ConfigError(experiment_.file.string() + ": " + jobs_[i].name + ": " + error.what());
      }
    });
    if (options_.set_up_done) options_.set_up_done();  // from here the loop looks at the flag
    std::size_t next = 0, done = 0, at_once = 1;
    bool told = false;
    while (next < todo.size() || pool_.running() > 0) {
      if (options_.stop != nullptr && options_.stop->load() && !told) {
        told = stopped_ = true;
        pool_.signal(SIGTERM);
      }
      while (!stopped_ && next < todo.size() && pool_.fits(costs.at(todo[next]).task)) {
        start(todo[next], costs.at(todo[next]).task);
        ++next;
      }
      if (stopped_ && pool_.running() == 0) break;
      at_once = std::max(at_once, pool_.running());
      for (const PoolEnd& end : pool_.ended()) {
        finish(end);
        if (purpose == Purpose::comparison) drop_weights(end.task);
        const double work = costs.at(end.task).work;
        left -= work, done_work += work, done_seconds += end.seconds;
        ++done;
        const double seconds_left = left * done_seconds / done_work / static_cast<double>(at_once);
        if (!stopped_) tell(phase, done, todo.size(), end, seconds_left, purpose);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }

  void tell(const std::string& phase, std::size_t done, std::size_t all, const PoolEnd& end, double left,
            Purpose purpose) {
    if (!options_.tell) return;
    const JobOutcome& outcome = outcomes_[end.task];
    std::string text = phase + "[" + std::to_string(done) + "/" + std::to_string(all) + "] ";
    for (const std::string& label : jobs_[end.task].labels) text += label + ", ";
    const auto share = [&](const char* key) {
      const auto at = outcome.result.find(key);
      return percent_text(at != outcome.result.end() && at->is_number() ? at->get<double>() : NAN);
    };
    if (jobs_[end.task].run.program != JobRun::Program::train && outcome.state == JobState::done) {
      text += short_number(1e3 * outcome.result.at("step_seconds").get<double>()) + " ms an iteration";
      if (outcome.result.contains("speedup")) {
        text += ", speedup " + short_number(outcome.result.at("speedup").get<double>());
      }
    } else if (outcome.state == JobState::done) {
      text += "validation " + share("validation_accuracy");
      if (purpose == Purpose::table) text += ", test " + share("test_accuracy");
    } else {
      text += outcome.note;
    }
    text += ", " + human_seconds(end.seconds);
    if (done < all) text += "; about " + human_seconds(left) + " left";
    options_.tell(text);
  }

  void write(const char* name, const std::string& text) const { write_file_atomic(folder_ / name, text); }

  ExperimentEnd stop(const std::vector<bool>& wanted) const {
    ExperimentEnd end;
    end.status = static_cast<int>(ExitCode::interrupted);
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      end.jobs += wanted[i];
      end.done += wanted[i] && outcomes_[i].state == JobState::done;
    }
    return end;
  }

  // Where the numbers are from: what this call was asked for, and the versions that trained.
  std::string about(const std::vector<JobOutcome>& outcomes) const {
    std::set<std::string> versions;
    for (const JobOutcome& outcome : outcomes) {
      if (outcome.result.contains("version")) versions.insert(outcome.result.at("version"));
    }
    std::string text = "From " + experiment_.file.string() + (options_.quick ? ", its quick variant" : "");
    for (const std::string& one : options_.overrides) text += ", with " + one;
    for (const std::string& version : versions) text += ", gamlp " + version;
    const auto waiting = std::count_if(outcomes.begin(), outcomes.end(),
                                       [](const JobOutcome& one) { return one.state == JobState::waiting; });
    if (waiting > 0) {
      text += "; unfinished: " + std::to_string(waiting) + " of " + std::to_string(outcomes.size()) +
              " jobs did not run yet";
    }
    return text + "; table made on " + date_today() + ".";
  }

  // Of what is done; returns the Markdown.
  std::string write_tables(const std::vector<bool>& wanted) const {
    const std::vector<Job> jobs = only(jobs_, wanted);
    const std::vector<JobOutcome> outcomes = only(outcomes_, wanted);
    const std::vector<ResultTable> tables = make_tables(experiment_, jobs, outcomes);
    write("results.csv", results_csv(experiment_, jobs, outcomes, true));
    write("table.json", to_json(experiment_, tables).dump(2) + "\n");
    const std::string text = markdown(experiment_, tables, jobs, outcomes, about(outcomes));
    write("table.md", text);
    return text;
  }

  ExperimentEnd report(const std::vector<bool>& wanted) const {
    ExperimentEnd end;
    end.tables = write_tables(wanted);
    end.status = failure_;
    return end;
  }

  // The chosen configs, one for each combination of the axes that were not searched.
  void write_best(const std::vector<Job>& jobs) const {
    make_writable_folder(folder_ / "best");
    std::map<std::string, bool> written;
    for (const Job& job : jobs) {
      if (!written.emplace(job.key_without_search(experiment_), true).second) continue;
      std::string name;
      for (std::size_t i = 0; i < job.labels.size(); ++i) {
        if (i == *experiment_.mean_over || experiment_.is_searched(i)) continue;
        name += (name.empty() ? "" : "_") + file_label(job.labels[i]);
      }
      write_file_atomic(folder_ / "best" / (name + ".json"), to_json(job.config).dump(2) + "\n");
    }
  }

  const Experiment& experiment_;
  const ExperimentOptions& options_;
  fs::path folder_;
  std::vector<Job> jobs_;
  std::vector<JobOutcome> outcomes_;
  std::map<std::string, ProblemCounts> counts_;  // by dataset
  std::set<std::size_t> resumed_;
  Pool pool_;
  bool stopped_ = false;
  int failure_ = 0;
};

}  // namespace

ExperimentEnd run_experiment(const Experiment& experiment, const ExperimentOptions& options) {
  return ExperimentRun(experiment, options).run();
}

std::string list_experiment(const Experiment& experiment, const ExperimentOptions& options) {
  return ExperimentRun(experiment, options).list();
}

}  // namespace gamlp
