#include "host/experiment/experiment.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <map>
#include <set>
#include <span>

#include "host/config/explain.hpp"
#include "host/config/locate.hpp"
#include "host/config/parse.hpp"
#include "host/core/error.hpp"
#include "host/core/files.hpp"

namespace gamlp {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

// A value of the file with its place, for messages.
class Node {
 public:
  Node(const json& value, std::string source, std::string path)
      : value_(value), source_(std::move(source)), path_(std::move(path)) {}

  [[noreturn]] void fail(const std::string& expected) const {
    throw ConfigError(place() + " is " + shown(value_) + ": must be " + expected);
  }
  const json& value() const { return value_; }
  // An object with no other keys than these.
  const Node& object(const std::vector<std::string>& keys) const {
    if (!value_.is_object()) fail("an object");
    for (const auto& [key, ignored] : value_.items()) {
      if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
      throw ConfigError(place() + " has the unknown key \"" + key + "\"; known keys: " + joined(keys));
    }
    return *this;
  }
  bool has(const std::string& key) const { return value_.contains(key); }
  Node at(const std::string& key) const {
    if (!has(key)) throw ConfigError(place() + " lacks \"" + key + "\"");
    return {value_.at(key), source_, path_.empty() ? key : path_ + "." + key};
  }
  std::string text() const {
    if (!value_.is_string() || value_.get_ref<const std::string&>().empty()) fail("a text that is not empty");
    return value_.get<std::string>();
  }
  std::vector<Node> list() const {
    if (!value_.is_array() || value_.empty()) fail("a list that is not empty");
    std::vector<Node> items;
    for (std::size_t i = 0; i < value_.size(); ++i) {
      items.emplace_back(value_[i], source_, path_ + "." + std::to_string(i));
    }
    return items;
  }
  int number() const {
    if (!value_.is_number_integer() || value_ < 1 || value_ > 100'000) fail("a number from 1 to 100,000");
    return value_.get<int>();
  }
  bool flag() const {
    if (!value_.is_boolean()) fail("true or false");
    return value_.get<bool>();
  }
  // As a label: a text as it is, other values as JSON.
  std::string label() const { return value_.is_string() ? value_.get<std::string>() : value_.dump(); }
  // Labels: a text or a list of them.
  std::vector<std::string> labels(const Axis& axis) const {
    std::vector<std::string> out;
    const auto add = [&](const Node& node) {
      const std::string label = node.label();
      if (!axis.has(label)) node.fail("a label of the axis \"" + axis.name + "\"");
      if (std::find(out.begin(), out.end(), label) != out.end()) node.fail("named once");
      out.push_back(label);
    };
    if (!value_.is_array()) {
      add(*this);
    } else {
      for (const Node& one : list()) add(one);
    }
    return out;
  }

 private:
  std::string place() const { return source_ + ": " + (path_.empty() ? "the experiment" : "`" + path_ + "`"); }

  const json& value_;
  std::string source_, path_;
};

json changes(const Node& node) {
  if (!node.value().is_object()) node.fail("an object of key paths and values");
  return node.value();
}

constexpr std::array<const char*, 3> kPrograms = {"train", "bench", "plan"};

// What `run` says, in addition to `run`.
void read_run(const Node& node, JobRun& run) {
  node.object({"program", "against", "iterations", "rounds", "machine", "problem", "devices"});
  if (node.has("program")) {
    const Node program = node.at("program");
    const auto at = std::find(kPrograms.begin(), kPrograms.end(), program.text());
    if (at == kPrograms.end()) program.fail("one of " + joined({kPrograms.begin(), kPrograms.end()}));
    run.program = static_cast<JobRun::Program>(at - kPrograms.begin());
  }
  if (node.has("against")) run.against = node.at("against").text();
  if (node.has("iterations")) run.iterations = node.at("iterations").number();
  if (node.has("rounds")) run.rounds = node.at("rounds").number();
  if (node.has("machine")) run.machine = node.at("machine").text();
  if (node.has("problem")) run.problem = node.at("problem").text();
  if (node.has("devices")) run.devices = node.at("devices").number();
}

json read_run(const Node& parent) {
  if (!parent.has("run")) return json::object();
  JobRun ignored;
  read_run(parent.at("run"), ignored);
  return parent.at("run").value();
}

Axis read_axis(const Node& node) {
  node.object({"name", "key", "values"});
  Axis axis{node.at("name").text(), {}};
  for (const Node& one : node.at("values").list()) {
    AxisValue value;
    if (node.has("key")) {
      value.label = one.label();
      value.set[node.at("key").text()] = one.value();
    } else {
      one.object({"label", "set", "run"});
      value.label = one.at("label").text();
      if (one.has("set")) value.set = changes(one.at("set"));
      value.run = read_run(one);
    }
    if (axis.has(value.label)) one.fail("another label than those before");
    axis.values.push_back(std::move(value));
  }
  return axis;
}

std::size_t axis_of(const Experiment& e, const Node& node, const std::string& name) {
  const std::size_t index = e.axis(name);
  if (index < e.axes.size()) return index;
  std::vector<std::string> names;
  for (const Axis& axis : e.axes) names.push_back(axis.name);
  node.fail("the name of an axis (" + joined(names) + ")");
}

void read_rules(Experiment& e, const Node& node) {
  for (const Node& one : node.list()) {
    one.object({"when", "set", "run", "skip"});
    ExperimentRule rule;
    const Node when = one.at("when");
    if (!when.value().is_object()) when.fail("an object of axes and labels");
    for (const auto& [name, ignored] : when.value().items()) {
      const std::size_t axis = axis_of(e, when, name);
      rule.when.emplace_back(axis, when.at(name).labels(e.axes[axis]));
    }
    if (one.has("set")) rule.set = changes(one.at("set"));
    rule.run = read_run(one);
    if (one.has("skip")) {
      rule.skip = one.at("skip").flag();
    }
    e.rules.push_back(std::move(rule));
  }
}

void read_table(Experiment& e, const Node& node) {
  node.object({"rows", "columns", "value", "better"});
  e.rows = axis_of(e, node.at("rows"), node.at("rows").text());
  e.columns = axis_of(e, node.at("columns"), node.at("columns").text());
  if (e.rows == e.columns) node.at("columns").fail("another axis than the rows'");
  if (node.has("value")) {
    e.value = node.at("value").text();
    if (std::find(kResultFigures.begin(), kResultFigures.end(), e.value) == kResultFigures.end()) {
      node.at("value").fail("one of " + joined({kResultFigures.begin(), kResultFigures.end()}));
    }
  }
  if (!node.has("better")) return;
  const std::string better = node.at("better").text();
  if (better != "higher" && better != "lower") node.at("better").fail("\"higher\" or \"lower\"");
  e.higher_is_better = better == "higher";
}

void read_paper(Experiment& e, const Node& node) {
  if (!node.value().is_object()) node.fail("an object of rows");
  const auto expect_label = [&](const Axis& axis, const std::string& label) {
    if (!axis.has(label)) node.fail("without \"" + label + "\", which is no label of the axis \"" + axis.name + "\"");
  };
  for (const auto& [row, values] : node.value().items()) {
    expect_label(e.axes[e.rows], row);
    if (!values.is_object()) node.at(row).fail("an object of columns and numbers");
    for (const auto& [column, value] : values.items()) {
      expect_label(e.axes[e.columns], column);
      if (!value.is_number()) node.at(row).at(column).fail("a number");
    }
  }
  e.paper = node.value();
}

void read_search(Experiment& e, const Node& node) {
  node.object({"axes", "seeds"});
  ExperimentSearch search;
  if (!e.mean_over) node.fail("left out without `mean_over`, the axis of its seeds");
  for (const Node& one : node.at("axes").list()) {
    const std::size_t axis = axis_of(e, one, one.text());
    if (axis == e.rows || axis == e.columns || axis == *e.mean_over) one.fail("an axis that is not of the table");
    search.axes.push_back(axis);
  }
  search.seeds = node.at("seeds").labels(e.axes[*e.mean_over]);
  e.search = std::move(search);
}

void read_figure(Experiment& e, const Node& node) {
  node.object({"kind", "x", "y", "lines", "style", "panels", "x_label", "y_label", "log_x", "log_y", "ideal", "marks"});
  const std::string kind = node.at("kind").text();
  if (kind != "curves" && kind != "lines" && kind != "scatter") {
    node.at("kind").fail("\"curves\", \"lines\" or \"scatter\"");
  }
  const auto expect_result = [](const Node& one) {
    const std::string name = one.text();
    if (std::find(kResultFigures.begin(), kResultFigures.end(), name) == kResultFigures.end()) {
      one.fail("one of " + joined({kResultFigures.begin(), kResultFigures.end()}));
    }
  };
  if (kind == "lines") axis_of(e, node.at("x"), node.at("x").text());
  if (kind == "scatter") expect_result(node.at("x"));
  if (kind == "curves") {
    node.at("x").text();
    for (const Node& one : node.at("y").list()) one.text();
  } else {
    expect_result(node.at("y"));
  }
  for (const char* key : {"lines", "style", "panels"}) {
    if (node.has(key)) axis_of(e, node.at(key), node.at(key).text());
  }
  for (const char* key : {"x_label", "y_label"}) {
    if (node.has(key)) node.at(key).text();
  }
  for (const char* key : {"log_x", "log_y", "ideal"}) {
    if (node.has(key)) node.at(key).flag();
  }
  if (node.has("marks")) {
    for (const Node& mark : node.at("marks").list()) {
      mark.object({"x", "y", "label", "panel"}).at("label").text();
      for (const char* key : {"x", "y"}) {
        if (!mark.at(key).value().is_number()) mark.at(key).fail("a number");
      }
      if (!mark.has("panel")) continue;
      if (!node.has("panels")) mark.at("panel").fail("left out without `panels`");
      mark.at("panel").labels(e.axes[e.axis(node.at("panels").text())]);
    }
  }
  e.figure.spec = node.value();
}

void make_quick(Experiment& e, const Node& node) {
  node.object({"keep", "set", "run"});
  if (node.has("keep")) {
    const Node keep = node.at("keep");
    if (!keep.value().is_object()) keep.fail("an object of axes and labels");
    for (const auto& [name, ignored] : keep.value().items()) {
      Axis& axis = e.axes[axis_of(e, keep, name)];
      const std::vector<std::string> labels = keep.at(name).labels(axis);
      std::erase_if(axis.values, [&](const AxisValue& value) {
        return std::find(labels.begin(), labels.end(), value.label) == labels.end();
      });
    }
  }
  // After the axes and the rules: a rule that always holds.
  e.rules.push_back({{}, node.has("set") ? changes(node.at("set")) : json::object(), read_run(node), false});
  if (!e.search) return;
  std::erase_if(e.search->seeds, [&](const std::string& seed) { return !e.axes[*e.mean_over].has(seed); });
  if (e.search->seeds.empty()) node.at("keep").fail("such that a seed of the search is left");
}

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

std::size_t Experiment::axis(const std::string& name) const {
  const auto at = std::find_if(axes.begin(), axes.end(), [&](const Axis& axis) { return axis.name == name; });
  return static_cast<std::size_t>(at - axes.begin());
}

std::size_t Axis::index_of(const std::string& label) const {
  const auto at = std::find_if(values.begin(), values.end(), [&](const AxisValue& v) { return v.label == label; });
  return static_cast<std::size_t>(at - values.begin());
}

bool Experiment::is_searched(std::size_t axis) const {
  return search && std::find(search->axes.begin(), search->axes.end(), axis) != search->axes.end();
}

bool Experiment::is_search_job(const std::vector<std::string>& labels) const {
  return std::find(search->seeds.begin(), search->seeds.end(), labels[*mean_over]) != search->seeds.end();
}

Experiment load_experiment(const fs::path& file, bool quick) {
  const std::string source = file.string();
  json document = read_document(file);
  if (const auto extended = document.find("extends"); document.is_object() && extended != document.end()) {
    const Node name(*extended, source, "extends");
    json whole;
    try {
      whole = read_document(file.parent_path() / name.text());
    } catch (const ConfigError& error) {
      throw ConfigError(source + ": `extends`: " + error.what());
    }
    if (!whole.is_object() || whole.contains("extends")) name.fail("a file that extends no other");
    whole.update(document);
    document = std::move(whole);
  }
  const Node root(document, source, "");
  root.object({"$schema", "extends", "title", "base", "set", "run", "axes", "rules", "table", "mean_over", "paper",
               "search", "figure", "quick"});
  Experiment e;
  e.file = file;
  e.title = root.at("title").text();
  e.base_folder = file.parent_path();
  const Node base = root.at("base");
  if (base.value().is_object()) {
    e.base = base.value();
  } else {
    const fs::path from = e.base_folder / base.text();
    try {
      e.base = read_document(from);
    } catch (const ConfigError& error) {
      throw ConfigError(source + ": `base`: " + error.what());
    }
    e.base_folder = from.parent_path();
  }
  if (root.has("set")) e.set = changes(root.at("set"));
  e.run = read_run(root);
  std::set<std::string> names;
  for (const Node& one : root.at("axes").list()) {
    e.axes.push_back(read_axis(one));
    if (!names.insert(e.axes.back().name).second) one.at("name").fail("another name than those of the axes before");
  }
  read_table(e, root.at("table"));
  if (root.has("mean_over")) {
    const Node node = root.at("mean_over");
    e.mean_over = axis_of(e, node, node.text());
    if (*e.mean_over == e.rows || *e.mean_over == e.columns) node.fail("an axis that is not of the table");
  }
  if (root.has("rules")) read_rules(e, root.at("rules"));
  if (root.has("paper")) read_paper(e, root.at("paper"));
  if (root.has("search")) read_search(e, root.at("search"));
  if (root.has("figure")) read_figure(e, root.at("figure"));
  if (quick && !root.has("quick")) {
    throw ConfigError(source + ": lacks \"quick\", which --quick asks for");
  }
  if (quick) make_quick(e, root.at("quick"));
  return e;
}

std::string Job::key(const Experiment& e, bool without_search) const {
  std::string out;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (e.mean_over && i == *e.mean_over) continue;
    if (without_search && e.is_searched(i)) continue;
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
      job.hash = hash_of(job, run, sums);
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
    throw DataError(std::string("no report of gamlp ") + kPrograms[static_cast<std::size_t>(program)] + ": " +
                    error.what());
  }
}

}  // namespace gamlp
