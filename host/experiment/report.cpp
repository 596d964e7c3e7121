#include "host/experiment/report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

namespace gamlp {
namespace {

using nlohmann::json;

std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

// In a cell of a Markdown table.
std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c == '\n' || c == '\r' ? ' ' : c;
  }
  return out;
}

bool is_share(const std::string& value) { return value.ends_with("_accuracy"); }

std::string format(const char* pattern, double value) {
  char out[64];
  std::snprintf(out, sizeof out, pattern, value);
  return out;
}

// Accuracies in percent with one digit, others with four digits.
std::string shown_value(const Experiment& e, double value) {
  return is_share(e.value) ? format("%.1f", 100.0 * value) : format("%.4g", value);
}

// The labels of the axes that make tables of their own.
std::string table_of(const Experiment& e, const Job& job) {
  std::string out;
  for (std::size_t i = 0; i < e.axes.size(); ++i) {
    if (i == e.rows || i == e.columns || (e.mean_over && i == *e.mean_over) || e.is_searched(i)) continue;
    out += (out.empty() ? "" : ", ") + e.axes[i].name + " " + job.labels[i];
  }
  return out;
}

std::string cell_text(const Experiment& e, const Cell& cell, bool best, const json& published) {
  if (cell.jobs == 0) return "";
  std::string text;
  if (cell.done == 0) {
    text = cell.missing > 0    ? "missing"
           : cell.diverged > 0 ? "diverged"
           : cell.failed > 0   ? "failed"
           : cell.waiting > 0  ? "not yet"
                               : "no value";
  } else {
    text = shown_value(e, cell.mean);
    if (cell.done > 1) text += " ± " + shown_value(e, cell.deviation);
    if (best) text = "**" + text + "**";
    if (cell.done < cell.jobs) text += " [" + std::to_string(cell.done) + " of " + std::to_string(cell.jobs) + " runs]";
  }
  if (published.is_number()) {
    const double paper = published.get<double>();
    text += " (" + shown_value(e, paper);
    if (cell.done > 0) {
      const double difference = cell.mean - paper;
      text += is_share(e.value) ? format(", %+.1f", 100.0 * difference) : format(", %+.3g", difference);
    }
    text += ")";
  }
  return text;
}

// What every stage of the table's runs came to; empty where they have one.
std::string stages_text(const ResultTable& table) {
  std::vector<StageRow> rows;
  for (const auto& [place, cell] : table.cells) {
    rows.push_back({escaped(table.rows[place.first] + ", " + table.columns[place.second]), &cell.stages});
  }
  const std::string text = stage_table(rows);
  if (text.empty()) return "";
  return "\n<details><summary>The same of every stage</summary>\n\nAt its best epoch by validation, which is counted "
         "within "
         "the stage (the median of the runs).\n\n" +
         text + "\n</details>\n";
}

json published_of(const Experiment& e, const std::string& row, const std::string& column) {
  const auto at = e.paper.find(row);
  if (at == e.paper.end()) return nullptr;
  const auto value = at->find(column);
  return value == at->end() ? json() : *value;
}

}  // namespace

double number_in(const json& result, const std::string& key) {
  const auto at = result.find(key);
  return at != result.end() && at->is_number() ? at->get<double>() : NAN;
}

const char* state_name(JobState state) {
  constexpr const char* kNames[] = {"waiting", "done", "missing", "diverged", "failed"};
  return kNames[static_cast<std::size_t>(state)];
}

std::string results_csv(const Experiment& e, const std::vector<Job>& jobs, const std::vector<JobOutcome>& outcomes,
                        bool tests) {
  const auto wanted = [&](const std::string& figure) { return tests || figure != "test_accuracy"; };
  std::string out;
  for (const Axis& axis : e.axes) out += quoted(axis.name) + ",";
  out += "state";
  for (const std::string figure : kResultFigures) {
    if (wanted(figure)) out += "," + figure;
  }
  out += ",run\n";
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    for (const std::string& label : jobs[i].labels) out += quoted(label) + ",";
    out += state_name(outcomes[i].state);
    for (const std::string figure : kResultFigures) {
      if (!wanted(figure)) continue;
      const auto at = outcomes[i].result.find(figure);
      out += ",";
      if (at != outcomes[i].result.end() && !at->is_null()) out += at->dump();
    }
    out += "," + jobs[i].name + "." + jobs[i].hash + "\n";
  }
  return out;
}

std::vector<ResultTable> make_tables(const Experiment& e, const std::vector<Job>& jobs,
                                     const std::vector<JobOutcome>& outcomes) {
  std::vector<ResultTable> tables;
  std::map<std::pair<std::size_t, std::pair<std::size_t, std::size_t>>, std::vector<double>> values;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const std::string title = table_of(e, jobs[i]);
    auto at = std::find_if(tables.begin(), tables.end(), [&](const ResultTable& t) { return t.title == title; });
    if (at == tables.end()) {
      ResultTable table{title, {}, {}, {}};
      for (const AxisValue& value : e.axes[e.rows].values) table.rows.push_back(value.label);
      for (const AxisValue& value : e.axes[e.columns].values) table.columns.push_back(value.label);
      tables.push_back(std::move(table));
      at = tables.end() - 1;
    }
    const std::pair<std::size_t, std::size_t> place = {e.axes[e.rows].index_of(jobs[i].labels[e.rows]),
                                                       e.axes[e.columns].index_of(jobs[i].labels[e.columns])};
    Cell& cell = at->cells[place];
    ++cell.jobs;
    cell.waiting += outcomes[i].state == JobState::waiting;
    cell.missing += outcomes[i].state == JobState::missing;
    cell.diverged += outcomes[i].state == JobState::diverged;
    cell.failed += outcomes[i].state == JobState::failed;
    const double value = number_in(outcomes[i].result, e.value);
    if (outcomes[i].state != JobState::done || !std::isfinite(value)) continue;
    ++cell.done;
    if (is_share(e.value)) add_stages(cell.stages, outcomes[i].result, e.value, cell.done == 1);
    values[{static_cast<std::size_t>(at - tables.begin()), place}].push_back(value);
    if (!e.search) continue;
    cell.chosen.clear();
    for (const auto& round : e.search->rounds) {
      for (const std::size_t axis : round) cell.chosen.push_back(e.axes[axis].name + " = " + jobs[i].labels[axis]);
    }
  }
  for (const auto& [key, list] : values) {
    Cell& cell = tables[key.first].cells.at(key.second);
    const auto n = static_cast<double>(list.size());
    for (const double value : list) cell.mean += value / n;
    double squares = 0.0;
    for (const double value : list) squares += (value - cell.mean) * (value - cell.mean);
    cell.deviation = list.size() > 1 ? std::sqrt(squares / (n - 1.0)) : 0.0;
  }
  return tables;
}

std::string markdown(const Experiment& e, const std::vector<ResultTable>& tables, const std::vector<Job>& jobs,
                     const std::vector<JobOutcome>& outcomes, const std::string& about) {
  std::string out = "# " + escaped(e.title) + "\n\n" + about + "\n";
  const std::string repetitions =
      e.mean_over ? "mean ± sample standard deviation over " + e.axes[*e.mean_over].name + "; " : "";
  out += "\n" + e.value + (is_share(e.value) ? " in percent: " : ": ") + repetitions + "best of a row in bold" +
         (e.paper.empty() ? "" : "; in brackets the published value to compare with, and the difference") + ".\n";
  for (const ResultTable& table : tables) {
    if (!table.title.empty()) out += "\n## " + escaped(table.title) + "\n";
    out += "\n| " + escaped(e.axes[e.rows].name) + " |";
    for (const std::string& column : table.columns) out += " " + escaped(column) + " |";
    out += "\n|---|";
    for (std::size_t c = 0; c < table.columns.size(); ++c) out += "---|";
    out += "\n";
    for (std::size_t r = 0; r < table.rows.size(); ++r) {
      std::optional<double> best;
      for (std::size_t c = 0; c < table.columns.size(); ++c) {
        const auto at = table.cells.find({r, c});
        if (at == table.cells.end() || at->second.done == 0 || at->second.done < at->second.jobs) continue;
        const double value = at->second.mean;
        if (!best || (e.higher_is_better ? value > *best : value < *best)) best = value;
      }
      out += "| " + escaped(table.rows[r]) + " |";
      for (std::size_t c = 0; c < table.columns.size(); ++c) {
        const auto at = table.cells.find({r, c});
        const Cell cell = at == table.cells.end() ? Cell{} : at->second;
        const bool is_best = best && cell.done > 0 && cell.done == cell.jobs && cell.mean == *best;
        out += " " + cell_text(e, cell, is_best, published_of(e, table.rows[r], table.columns[c])) + " |";
      }
      out += "\n";
    }
    out += stages_text(table);
    if (!e.search) continue;
    out += "\nChosen by mean validation accuracy:\n\n";
    for (const auto& [place, cell] : table.cells) {
      if (cell.chosen.empty()) continue;
      std::string text;
      for (const std::string& one : cell.chosen) text += (text.empty() ? "" : ", ") + one;
      out += "- " + table.rows[place.first] + ", " + table.columns[place.second] + ": " + text + "\n";
    }
  }
  std::set<std::string> notes;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (outcomes[i].state == JobState::missing) notes.insert("missing: " + outcomes[i].note);
    if (outcomes[i].state == JobState::failed || outcomes[i].state == JobState::diverged) {
      notes.insert(std::string(state_name(outcomes[i].state)) + ": " + jobs[i].name + ": " + outcomes[i].note);
    }
  }
  if (!notes.empty()) out += "\n";
  for (const std::string& note : notes) out += "- " + escaped(note) + "\n";
  return out;
}

nlohmann::ordered_json to_json(const Experiment& e, const std::vector<ResultTable>& tables) {
  nlohmann::ordered_json out = {
      {"title", e.title}, {"value", e.value}, {"rows", e.axes[e.rows].name}, {"columns", e.axes[e.columns].name}};
  if (e.mean_over) out["mean_over"] = e.axes[*e.mean_over].name;
  if (!e.figure.spec.is_null()) out["figure"] = e.figure.spec;
  out["tables"] = nlohmann::ordered_json::array();
  for (const ResultTable& table : tables) {
    nlohmann::ordered_json one = {{"title", table.title}, {"cells", nlohmann::ordered_json::array()}};
    for (const auto& [place, cell] : table.cells) {
      nlohmann::ordered_json entry = {{"row", table.rows[place.first]},
                                      {"column", table.columns[place.second]},
                                      {"jobs", cell.jobs},
                                      {"done", cell.done}};
      entry["missing"] = cell.missing, entry["diverged"] = cell.diverged, entry["failed"] = cell.failed;
      if (cell.done > 0) entry["mean"] = cell.mean;
      if (cell.done > 1) entry["deviation"] = cell.deviation;
      if (!cell.chosen.empty()) entry["chosen"] = cell.chosen;
      if (cell.stages.size() > 1) entry["stages"] = to_json(cell.stages);
      const json published = published_of(e, table.rows[place.first], table.columns[place.second]);
      if (published.is_number()) entry["published"] = published;
      one["cells"].push_back(std::move(entry));
    }
    out["tables"].push_back(std::move(one));
  }
  return out;
}

}  // namespace gamlp
