// What is made of results.
#include "host/experiment/report.hpp"

#include "tests/experiment/support.hpp"

namespace gamlp::test {

TEST_CASE("tables hold means and sample deviations, the best of a row, and the published value") {
  const Experiment e = loaded(example());
  const std::vector<Job> jobs = expand(e, "", {});
  std::vector<JobOutcome> outcomes(jobs.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) outcomes[i] = done(0.5 + 0.01 * static_cast<double>(i), 0.5);
  outcomes[7] = {JobState::diverged, {}, "not finite"};
  outcomes[9] = {JobState::missing, {}, "a.npz: no such file"};
  const std::vector<ResultTable> tables = make_tables(e, jobs, outcomes);
  REQUIRE(tables.size() == 1);
  const Cell& first = tables[0].cells.at({0, 0});
  CHECK(first.done == 3);
  CHECK(first.mean == Approx(0.51));
  CHECK(first.deviation == Approx(0.01));
  CHECK(tables[0].cells.at({1, 0}).done == 2);
  CHECK(tables[0].cells.at({1, 1}).missing == 1);
  const std::string text = markdown(e, tables, jobs, outcomes, "About.");
  check_says(text, "# Example\n\nAbout.\n");
  check_says(text, "| width | ADMM | GD |\n|---|---|---|\n");
  check_says(text, "| 8 | 51.0 ± 1.0 | **54.0 ± 1.0** (50.0, +4.0) |\n");
  check_says(text, "| 16 | 57.0 ± 1.4 [2 of 3 runs] | missing |\n");
  check_says(text, "- missing: a.npz: no such file\n");
  check_says(text, "- diverged: 16_ADMM_1: not finite\n");
  const auto json = to_json(e, tables);
  CHECK(json["tables"][0]["cells"].size() == 4);
  CHECK(json["tables"][0]["cells"][1]["published"] == 0.5);
  CHECK(json["tables"][0]["cells"][2]["diverged"] == 1);
}

TEST_CASE("a table of accuracies says what every stage came to, and at which of its epochs") {
  const Experiment e = loaded(example());
  const std::vector<Job> jobs = expand(e, "", {});
  std::vector<JobOutcome> outcomes(jobs.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const double seed = static_cast<double>(i % 3);
    outcomes[i] = done(0.5, 0.5);
    const auto stage = [&](int layers, double test, double epoch) {
      return nlohmann::json{{"layers", layers}, {"test_accuracy", test}, {"best_stage_epoch", static_cast<int>(epoch)}};
    };
    outcomes[i].result["stages"] = {stage(2, 0.8 + 0.01 * seed, 7 + seed), stage(5, 0.7, 1 + 3 * seed)};
  }
  outcomes[4].result["stages"][1]["layers"] = 10;  // runs that differ: no line for the cell
  const std::vector<ResultTable> tables = make_tables(e, jobs, outcomes);
  const std::string text = markdown(e, tables, jobs, outcomes, "");
  check_says(
      text,
      "| | stage 1 | stage 2 |\n|---|---|---|\n| 8, ADMM | 81.0 (2 layers, epoch 8) | 70.0 (5 layers, epoch 4) |\n");
  check_says(text, "| 16, GD | 80.0 (2 layers, epoch 7) | 70.0 (5 layers, epoch 1) |\n");
  CHECK(text.find("| 8, GD | 8") == std::string::npos);
  const auto json = to_json(e, tables);
  CHECK(json["tables"][0]["cells"][0]["stages"][1]["layers"] == 5);
  CHECK(json["tables"][0]["cells"][0]["stages"][0]["mean"].get<double>() == Approx(0.81));
  CHECK(json["tables"][0]["cells"][0]["stages"][0]["median_epoch"] == 8);
  CHECK_FALSE(json["tables"][0]["cells"][1].contains("stages"));
}

TEST_CASE("a table of other numbers may call the lowest the best, and has one table for each other axis") {
  const std::string text = R"({"title": "x", )" + kBase + R"(,
    "axes": [{"name": "a", "key": "model.width", "values": [8, 16]}, {"name": "b", "key": "dataset.hops", "values": [2, 3]},
             {"name": "c", "key": "train.seed", "values": [0, 1]}],
    "table": {"rows": "a", "columns": "b", "value": "seconds", "better": "lower"}})";
  const Experiment e = loaded(text);
  const std::vector<Job> jobs = expand(e, "", {});
  std::vector<JobOutcome> outcomes;
  for (std::size_t i = 0; i < jobs.size(); ++i)
    outcomes.push_back({JobState::done, {{"seconds", 1.0 + static_cast<double>(i)}}, ""});
  const std::vector<ResultTable> tables = make_tables(e, jobs, outcomes);
  REQUIRE(tables.size() == 2);
  CHECK(tables[1].title == "c 1");
  check_says(markdown(e, tables, jobs, outcomes, ""), "## c 0\n\n| a | 2 | 3 |\n|---|---|---|\n| 8 | **1** | 3 |\n");
}

TEST_CASE("a line of CSV for each job; a search sees no test accuracy") {
  const Experiment e = loaded(example());
  const std::vector<Job> jobs = expand(e, "", {});
  std::vector<JobOutcome> outcomes(jobs.size(), done(0.25, 0.75));
  outcomes[1] = {JobState::failed, {}, "x"};
  const std::string all = results_csv(e, jobs, outcomes, true), search = results_csv(e, jobs, outcomes, false);
  check_says(all, "width,method,seed,state,test_accuracy,validation_accuracy,");
  check_says(all, "\n8,ADMM,0,done,0.25,0.75,,,,,3,,,,,,,,,8_ADMM_0." + jobs[0].hash + "\n");
  check_says(all, "\n8,ADMM,1,failed,,,,,,,,,,,,,,,,8_ADMM_1." + jobs[1].hash + "\n");
  CHECK(search.find("0.25") == std::string::npos);
  CHECK(search.find("test_accuracy") == std::string::npos);
  CHECK(std::count(all.begin(), all.end(), '\n') == 11);
}

}  // namespace gamlp::test
