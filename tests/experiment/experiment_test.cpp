// Reading experiment files and expanding them to jobs.
#include "host/config/parse.hpp"
#include "tests/experiment/support.hpp"

namespace gamlp::test {

TEST_CASE("every combination that no rule skips is a job, with its axes' and rules' changes") {
  const Experiment e = loaded(example());
  const std::vector<Job> jobs = expand(e, "", {});
  REQUIRE(jobs.size() == 2 * 2 * 3 - 2);
  CHECK(jobs[0].labels == std::vector<std::string>{"8", "ADMM", "0"});
  CHECK(jobs[1].labels == std::vector<std::string>{"8", "ADMM", "1"});
  CHECK(jobs[3].labels == std::vector<std::string>{"8", "GD", "0"});
  CHECK(jobs.back().labels == std::vector<std::string>{"16", "GD", "0"});
  for (const Job& job : jobs) {
    CHECK(job.config.model.width == std::stoll(job.labels[0]));
    CHECK(job.config.train.seed == std::stoull(job.labels[2]));
    CHECK(is_backprop(job.config.method) == (job.labels[1] == "GD"));
    CHECK(job.config.method.optimizer.learning_rate.value_or(0.0) == (job.labels[1] == "GD" ? 0.5 : 0.0));
    CHECK(job.config.stages.size() == 1);
    CHECK(job.name == job.labels[0] + "_" + job.labels[1] + "_" + job.labels[2]);
    CHECK(job.missing.empty());
  }
  // The same config has the same hash, whatever else is in the file; another one has another.
  std::string renamed = example();
  renamed.replace(renamed.find("ADMM"), 4, "pdADMM-G");
  CHECK(expand(loaded(renamed), "", {})[0].hash == jobs[0].hash);
  CHECK(jobs[1].hash != jobs[0].hash);
  CHECK(expand(e, "", {"model.activation=tanh"})[0].hash != jobs[0].hash);
  check_says(config_error([&] { expand(e, "", {"train.seed=7"}); }), "the axis \"seed\" of ");
  check_says(config_error([&] { expand(e, "", {"train={}"}); }), "sets `train.seed`");
}

TEST_CASE("a base may be a file, and datasets are looked for beside it, or in a folder, or are missing") {
  const Folder folder;
  folder.write("configs/base.json", R"({"dataset": {"path": "../data/a.npz"}})");
  folder.write("elsewhere/b.npz", "");
  const fs::path file = folder.write("configs/experiments/x.json", R"({"title": "x", "base": "../base.json",
    "axes": [{"name": "dataset", "key": "dataset.path", "values": ["../data/a.npz", "../data/b.npz"]},
             {"name": "seed", "key": "train.seed", "values": [0]}],
    "table": {"rows": "dataset", "columns": "seed"}})");
  const auto jobs_of = [&](const fs::path& datasets) { return expand(load_experiment(file, false), datasets, {}); };
  check_says(jobs_of("")[0].missing, "a.npz: no such file");
  check_says(jobs_of("")[0].missing, "data/README.md");
  CHECK(jobs_of(folder / "elsewhere")[0].missing != "");
  CHECK(jobs_of(folder / "elsewhere")[1].missing == "");
  CHECK(*jobs_of(folder / "elsewhere")[1].config.dataset.path == (folder / "elsewhere/b.npz").string());
  // Other contents are another job; where they lie is not.
  const std::string hash = jobs_of(folder / "elsewhere")[1].hash;
  folder.write("data/b.npz", "");
  CHECK(jobs_of("")[1].hash == hash);
  folder.write("elsewhere/b.npz", "changed");
  CHECK(jobs_of(folder / "elsewhere")[1].hash != hash);
  CHECK_THROWS_AS(jobs_of(folder / "nowhere"), DataError);
  folder.write("data/a.npz", "");
  CHECK(jobs_of("")[0].missing == "");
}

TEST_CASE("--quick keeps what it names") {
  const std::string text =
      example(R"(, "quick": {"keep": {"seed": ["1"], "width": ["8"]}, "set": {"stages.0.epochs": 1}})");
  const std::vector<Job> jobs = expand(loaded(text, true), "", {});
  REQUIRE(jobs.size() == 2);
  CHECK(jobs[0].labels == std::vector<std::string>{"8", "ADMM", "1"});
  CHECK(jobs[0].config.stages[0].epochs == 1);
  CHECK(expand(loaded(text), "", {}).size() == 10);
  check_says(config_error([] { loaded(example(), true); }), "lacks \"quick\"");
}

TEST_CASE("every bad experiment file is refused with file, key and expectation") {
  const auto replaced = [](const std::string& from, const std::string& to) {
    std::string text = example();
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
  };
  const std::vector<std::pair<std::string, std::string>> corpus = {
      {"[]", "the experiment is []: must be an object"},
      {replaced("\"title\"", "\"titel\""), "the experiment has the unknown key \"titel\"; known keys: "},
      {replaced("\"title\": \"Example\",", ""), "the experiment lacks \"title\""},
      {replaced("\"Example\"", "5"), "`title` is 5: must be a text that is not empty"},
      {replaced(kBase, "\"base\": \"nowhere.json\""), "`base`: "},
      {replaced(kBase, "\"base\": 7"), "`base` is 7: must be a text"},
      {replaced("[8, 16]", "[]"), "`axes.0.values` is []: must be a list that is not empty"},
      {replaced("[8, 16]", "[8, 8]"), "`axes.0.values.1` is 8: must be another label than those before"},
      {replaced("\"name\": \"seed\"", "\"name\": \"width\""), "`axes.2.name` is \"width\": must be another name"},
      {replaced("{\"label\": \"ADMM\"}", "{\"labl\": \"ADMM\"}"), "`axes.1.values.0` has the unknown key \"labl\""},
      {replaced("{\"method\": \"GD\"}", "{\"method\": \"SGD\"}"),
       "`rules.0.when.method` is \"SGD\": must be a label of the axis \"method\""},
      {replaced("{\"method\": \"GD\"}", "{\"methods\": \"GD\"}"), "must be the name of an axis (width, method, seed)"},
      {replaced("\"skip\": true", "\"skip\": 1"), "`rules.1.skip` is 1: must be true or false"},
      {replaced("\"columns\": \"method\"", "\"columns\": \"width\""), "`table.columns` is \"width\": must be another"},
      {replaced("\"columns\": \"method\"", "\"columns\": \"method\", \"better\": \"best\""), "must be \"higher\" or"},
      {replaced("\"columns\": \"method\"", "\"columns\": \"method\", \"value\": \"test_acuracy\""),
       "`table.value` is \"test_acuracy\": must be one of test_accuracy, "},
      {replaced("{\"8\": {\"GD\"", "{\"9\": {\"GD\""),
       "must be without \"9\", which is no label of the axis \"width\""},
      {replaced("[\"1\", \"2\"]", "[\"1\", \"1\"]"), "`rules.1.when.seed.1` is \"1\": must be named once"},
      {replaced("{\"method\": \"GD\", \"width\": \"16\", \"seed\": [\"1\", \"2\"]}", "{}"), "skip every combination"},
      {replaced("\"mean_over\": \"seed\"", "\"mean_over\": \"width\""),
       "`mean_over` is \"width\": must be an axis that"},
      {replaced("{\"GD\": 0.5}", "{\"GD\": \"0.5\"}"), "`paper.8.GD` is \"0.5\": must be a number"},
      {example(", \"search\": {\"axes\": [\"width\"], \"seeds\": \"0\"}"), "`search.axes.0` is \"width\": must be"},
      {replaced("[{\"layers\": 2", "[{\"layers\": 1"), "8, ADMM, 0: `stages.0.layers` is 1: must be"},
      {replaced("\"method.name\": \"gd\"", "\"method.nam\": \"gd\""), "8, GD, 0: override \"method.nam"},
  };
  for (const auto& [text, message] : corpus) {
    const std::string error = config_error([&text = text] { expand(loaded(text), "", {}); });
    check_says(error, "x.json");
    check_says(error, message);
  }
  check_says(config_error([] { load_experiment("no/such.json", false); }), "no/such.json");
}

TEST_CASE("labels that look alike in file names are refused") {
  const std::string text = R"({"title": "x", )" + kBase + R"(,
    "axes": [{"name": "a", "values": [{"label": "K = 4"}, {"label": "K-4"}]},
             {"name": "seed", "key": "train.seed", "values": [0]}], "table": {"rows": "a", "columns": "seed"}})";
  check_says(config_error([&] { expand(loaded(text), "", {}); }), "another job is called \"K-4_0\" too");
  CHECK(file_label("2-bit differences, blocks") == "2-bit-differences-blocks");
  CHECK(file_label("../../etc") == "..-..-etc");
  CHECK(file_label("±") == "");
  CHECK(file_label("-1") == "-1");
  CHECK(file_label(std::string(500, 'x')).size() == 60);
}

}  // namespace gamlp::test
