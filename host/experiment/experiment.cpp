#include "host/experiment/experiment.hpp"

#include <algorithm>
#include <set>

#include "host/config/parse.hpp"
#include "host/core/error.hpp"
#include "host/experiment/node.hpp"

namespace gamlp {
namespace fs = std::filesystem;

void read_run(const Node& node, JobRun& run) {
  node.object({"program", "against", "iterations", "rounds", "machine", "problem", "devices"});
  if (node.has("program")) {
    const Node program = node.at("program");
    const auto at = std::find(kJobPrograms.begin(), kJobPrograms.end(), program.text());
    if (at == kJobPrograms.end()) program.fail("one of " + joined({kJobPrograms.begin(), kJobPrograms.end()}));
    run.program = static_cast<JobRun::Program>(at - kJobPrograms.begin());
  }
  if (node.has("against")) run.against = node.at("against").text();
  if (node.has("iterations")) run.iterations = node.at("iterations").number();
  if (node.has("rounds")) run.rounds = node.at("rounds").number();
  if (node.has("machine")) run.machine = node.at("machine").text();
  if (node.has("problem")) run.problem = node.at("problem").text();
  if (node.has("devices")) run.devices = node.at("devices").number();
}

namespace {

using nlohmann::json;

json changes(const Node& node) {
  if (!node.value().is_object()) node.fail("an object of key paths and values");
  return node.value();
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
  node.object({"axes", "then", "seeds"});
  ExperimentSearch search;
  if (!e.mean_over) node.fail("left out without `mean_over`, the axis of its seeds");
  std::set<std::size_t> seen;
  const auto axis_to_choose = [&](const Node& one) {
    const std::size_t axis = axis_of(e, one, one.text());
    if (axis == e.rows || axis == e.columns || axis == *e.mean_over) one.fail("an axis that is not of the table");
    if (!seen.insert(axis).second) one.fail("named once");
    return axis;
  };
  const auto add_round = [&](const std::vector<Node>& axes) {
    search.rounds.emplace_back();
    for (const Node& one : axes) search.rounds.back().push_back(axis_to_choose(one));
  };
  add_round(node.at("axes").list());
  if (node.has("then")) {
    for (const Node& one : node.at("then").list()) add_round(one.value().is_array() ? one.list() : std::vector{one});
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
    if (node.at("x").value().is_array()) {
      for (const Node& one : node.at("x").list()) one.text();
    } else {
      node.at("x").text();
    }
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

}  // namespace

std::size_t Experiment::axis(const std::string& name) const {
  const auto at = std::find_if(axes.begin(), axes.end(), [&](const Axis& axis) { return axis.name == name; });
  return static_cast<std::size_t>(at - axes.begin());
}

std::size_t Axis::index_of(const std::string& label) const {
  const auto at = std::find_if(values.begin(), values.end(), [&](const AxisValue& v) { return v.label == label; });
  return static_cast<std::size_t>(at - values.begin());
}

bool Experiment::is_searched(std::size_t axis) const {
  return search && std::any_of(search->rounds.begin(), search->rounds.end(), [&](const auto& round) {
           return std::find(round.begin(), round.end(), axis) != round.end();
         });
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
    std::vector<std::string> taken(kResultFigures.begin(),
                                   kResultFigures.end());  // columns of results.csv, as axes are
    taken.insert(taken.end(), {"state", "run"});
    if (std::find(taken.begin(), taken.end(), e.axes.back().name) != taken.end()) {
      one.at("name").fail("another name than those of results (" + joined(taken) + ")");
    }
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

}  // namespace gamlp
