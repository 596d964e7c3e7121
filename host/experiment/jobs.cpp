// From an experiment to its jobs.
#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <map>
#include <set>
#include <span>

#include "host/config/locate.hpp"
#include "host/core/error.hpp"
#include "host/core/files.hpp"
#include "host/experiment/node.hpp"
#include "host/methods/load_config.hpp"
#include "host/store/run_folder.hpp"

namespace gamlp {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

void apply(json& document, const json& set) {
  // Sorted, so that "dataset" comes before "dataset.hops".
  for (const auto& [key, value] : set.items()) apply_override(document, key + "=" + value.dump());
}

bool holds(const ExperimentRule& rule, const std::vector<std::string>& labels) {
  return std::all_of(rule.when.begin(), rule.when.end(), [&](const auto& condition) {
    const auto& [axis, wanted] = condition;
    return std::find(wanted.begin(), wanted.end(), labels[axis]) != wanted.end();
  });
}

std::string file_name(const std::vector<std::string>& labels) {
  std::string out;
  for (const std::string& label : labels) out += (out.empty() ? "" : "_") + file_label(label);
  return out;
}

std::uint32_t crc_of(const std::string& text, std::uint32_t seed) {
  return crc32_of(std::as_bytes(std::span(text.data(), text.size())), seed);
}

// What files hold; each is read once.
class FileSums {
 public:
  std::uint32_t of(const std::string& file) {
    const auto known = sums_.find(file);
    if (known != sums_.end()) return known->second;
    return sums_[file] = crc_of(read_file(file), 0);
  }

 private:
  std::map<std::string, std::uint32_t> sums_;
};

std::vector<std::string*> files_of(DatasetConfig& dataset) {
  if (dataset.path) return {&*dataset.path};
  if (dataset.text) return {&dataset.text->edges, &dataset.text->features, &dataset.text->labels};
  return {};
}

// The config with its files by name alone, and what they hold; what is run with it, a machine by what its file holds.
std::string hash_of(const Job& job, const json& run, FileSums& sums) {
  Config config = job.config;
  std::uint32_t sum = 0;
  for (std::string* file : files_of(config.dataset)) {
    if (job.missing.empty() && job.run.problem.empty()) sum = crc_of(std::to_string(sums.of(*file)), sum);
    *file = fs::path(*file).filename().string();
  }
  if (config.train.from && job.missing.empty()) {
    sum = crc_of(std::to_string(sums.of(weights_file(*config.train.from).string())), sum);
    config.train.from = "weights";
  }
  if (job.run.program != JobRun::Program::train) {
    json told = run;
    std::error_code error;
    if (job.run.program == JobRun::Program::plan) {
      const bool is_file = fs::is_regular_file(job.run.machine, error);
      told["machine"] = is_file ? std::to_string(sums.of(job.run.machine)) : job.run.machine;
    }
    sum = crc_of(told.dump(), sum);
  }
  std::array<char, 16> out{};
  std::snprintf(out.data(), out.size(), "%08x", crc_of(to_json(config).dump(), sum));
  return out.data();
}

// Overrides would make equal what an axis makes different.
void expect_free_keys(const Experiment& e, const std::vector<std::string>& overrides) {
  for (const std::string& text : overrides) {
    const std::string key = text.substr(0, text.find('=')) + ".";
    for (const Axis& axis : e.axes) {
      for (const AxisValue& value : axis.values) {
        for (const auto& [set, ignored] : value.set.items()) {
          const std::string other = set + ".";
          if (!key.starts_with(other) && !other.starts_with(key)) continue;
          throw ConfigError("override \"" + text + "\": the axis \"" + axis.name + "\" of " + e.file.string() +
                            " sets `" + set + "`; change the file, or a copy of it");
        }
      }
    }
  }
}

// Where the files of a dataset are: in `folder` by name, or as the config says.
void locate(Job& job, const Experiment& e, const fs::path& folder) {
  if (!job.run.problem.empty()) return;  // not read
  for (std::string* file : files_of(job.config.dataset)) {
    const fs::path there = folder / fs::path(*file).filename();
    std::error_code error;
    if (!folder.empty() && fs::exists(there, error)) *file = fs::absolute(there).lexically_normal().string();
  }
  try {
    locate_start(job.config.train, e.base_folder);
  } catch (const DataError& error) {
    job.missing = error.what();
  }
  try {
    locate_dataset(job.config.dataset, e.base_folder);
  } catch (const DataError& error) {
    job.missing = error.what() + (folder.empty() ? "" : "; nor is it in " + folder.string());
  }
}

}  // namespace

std::string file_label(const std::string& label) {
  constexpr std::size_t kLongest = 60;
  std::string out;
  for (std::size_t i = 0; i < label.size(); ++i) {
    const char c = label[i];
    const auto is_digit = [](char x) { return x >= '0' && x <= '9'; };
    const bool minus = c == '-' && i == 0 && label.size() > 1 && is_digit(label[1]);
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || minus;
    if (plain) out += c;
    if (!plain && !out.empty() && out.back() != '-') out += '-';
  }
  while (!out.empty() && out.back() == '-') out.pop_back();
  return out.substr(0, kLongest);
}

std::string Job::key_without_search(const Experiment& e) const {
  std::string out;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if ((e.mean_over && i == *e.mean_over) || e.is_searched(i)) continue;
    out += labels[i] + '\n';
  }
  return out;
}

std::vector<Job> expand(const Experiment& e, const fs::path& datasets, const std::vector<std::string>& overrides) {
  constexpr std::size_t kMostJobs = 100'000;
  std::size_t product = 1;
  for (const Axis& axis : e.axes) {
    product *= std::min(axis.values.size(), kMostJobs + 1);
    if (product > kMostJobs) throw ConfigError(e.file.string() + ": `axes`: more than 100,000 combinations");
  }
  expect_free_keys(e, overrides);
  std::error_code no_folder;
  if (!datasets.empty() && !fs::is_directory(datasets, no_folder)) {
    throw DataError("--datasets " + datasets.string() + ": no such folder");
  }
  FileSums sums;
  std::vector<Job> jobs;
  std::set<std::string> names;
  std::vector<std::size_t> at(e.axes.size(), 0);
  for (bool more = true; more;) {
    Job job;
    json document = e.base, run = e.run;
    const std::string source = e.file.string();
    for (std::size_t i = 0; i < at.size(); ++i) job.labels.push_back(e.axes[i].values[at[i]].label);
    const std::string what = source + ": " + joined(job.labels);
    bool skip = false;
    try {
      apply(document, e.set);
      for (std::size_t i = 0; i < at.size(); ++i) {
        apply(document, e.axes[i].values[at[i]].set);
        run.update(e.axes[i].values[at[i]].run);
      }
      for (const ExperimentRule& rule : e.rules) {
        if (!holds(rule, job.labels)) continue;
        skip = skip || rule.skip;
        apply(document, rule.set);
        run.update(rule.run);
      }
      for (const std::string& text : overrides) apply_override(document, text);
      if (!skip) job.config = parse_config(document, what);
    } catch (const ConfigError& error) {
      const std::string text = error.what();
      throw ConfigError(text.starts_with(source) ? text : what + ": " + text);
    }
    if (!skip) {
      read_run(Node(run, source, "run"), job.run);
      if (job.run.machine == "local") job.run.machine = e.machine;
      std::error_code error;
      const fs::path named = e.base_folder / "machines" / (job.run.machine + ".json");
      if (fs::is_regular_file(named, error)) job.run.machine = named.string();
      locate(job, e, datasets);
      try {
        job.hash = hash_of(job, run, sums);
      } catch (const DataError& unusable) {  // of a file that is there and cannot be used
        job.missing = unusable.what();
        job.hash = hash_of(job, run, sums);
      }
      job.name = file_name(job.labels);
      if (!names.insert(job.name).second) {
        throw ConfigError(what + ": another job is called \"" + job.name +
                          "\" too; labels must differ in letters and digits");
      }
      jobs.push_back(std::move(job));
    }
    // The next combination; the last axis is the fastest.
    more = false;
    for (std::size_t i = at.size(); i-- > 0;) {
      if (++at[i] < e.axes[i].values.size()) {
        more = true;
        break;
      }
      at[i] = 0;
    }
  }
  if (jobs.empty()) throw ConfigError(e.file.string() + ": `rules`: skip every combination");
  return jobs;
}

json figures_of(JobRun::Program program, const json& report) {
  try {
    if (program == JobRun::Program::plan) {
      const json& plan = report.at("plans").at(0);
      return {{"step_seconds", plan.at("step_seconds")},
              {"speedup", plan.at("speedup")},
              {"bytes_per_epoch", plan.at("bytes_per_epoch")},
              {"memory_bytes", plan.at("memory_needed")}};
    }
    const json& measured = report.at("devices").back();
    json figures = {{"step_seconds", measured.at("iteration_seconds")},
                    {"bytes_per_epoch", measured.at("bytes_per_iteration")},
                    {"memory_bytes", measured.at("peak_device_memory")}};
    if (measured.contains("speedup")) figures["speedup"] = measured.at("speedup");
    return figures;
  } catch (const json::exception& error) {
    throw DataError(std::string("no report of gamlp ") + kJobPrograms[static_cast<std::size_t>(program)] + ": " +
                    error.what());
  }
}

}  // namespace gamlp
