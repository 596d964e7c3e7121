// Reading experiment files and expanding them to jobs.
#include <set>

#include "host/config/parse.hpp"
#include "tests/experiment/support.hpp"
#include "tests/support/methods.hpp"

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
    CHECK(job.config.method.name == (job.labels[1] == "GD" ? "gd" : "pdadmm-g"));
    CHECK(backprop_of(job.config).optimizer.learning_rate.value_or(0.0) == (job.labels[1] == "GD" ? 0.5 : 0.0));
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

TEST_CASE("jobs measure or forecast as the file, its axes and its rules say") {
  const Folder folder;
  const std::string text = R"({"title": "x", "base": {"dataset": {"path": "nowhere.npz"}},
    "run": {"program": "plan", "machine": "dgx_2", "problem": "100,20,3"},
    "axes": [{"name": "source", "values": [{"label": "forecast"},
                {"label": "measured", "run": {"program": "bench", "against": "cpu:1", "iterations": 2, "problem": ""}}]},
             {"name": "devices", "values": [{"label": "1", "run": {"devices": 1}}, {"label": "2", "run": {"devices": 2}}]}],
    "rules": [{"when": {"source": "forecast", "devices": "2"}, "run": {"machine": "local"}}],
    "table": {"rows": "devices", "columns": "source", "value": "speedup"}, "quick": {"run": {"rounds": 4}}})";
  std::string plain = text;
  plain.replace(plain.find(", \"problem\": \"\""), 15, "");
  Experiment e = load_experiment(folder.write("x.json", plain), false);
  e.machine = "mine";
  const std::vector<Job> jobs = expand(e, "", {});
  REQUIRE(jobs.size() == 4);
  const auto is = [](const Job& job, JobRun::Program program, int devices, const std::string& machine) {
    return job.run.program == program && job.run.devices == devices && job.run.machine == machine;
  };
  CHECK(is(jobs[0], JobRun::Program::plan, 1, "dgx_2"));
  CHECK(is(jobs[1], JobRun::Program::plan, 2, "mine"));
  CHECK(is(jobs[2], JobRun::Program::bench, 1, "dgx_2"));
  CHECK(jobs[2].run.against == "cpu:1");
  CHECK(jobs[2].run.iterations == 2);
  for (const Job& job : jobs) CHECK(job.missing.empty());  // a problem's sizes stand for its dataset
  const Job quick = expand(load_experiment(folder / "x.json", true), "", {})[0];
  CHECK(quick.run.rounds == 4);
  CHECK(quick.run.machine == "dgx_2");
  // What is run is part of what a job is: so is what a machine's file holds.
  std::set<std::string> hashes;
  for (const Job& job : jobs) hashes.insert(job.hash);
  CHECK(hashes.size() == 4);
  e.machine = folder.write("machine.json", "1").string();
  const std::string one = expand(e, "", {})[1].hash;
  folder.write("machine.json", "2");
  CHECK(expand(e, "", {})[1].hash != one);

  check_says(config_error([&] { load_experiment(folder.write("y.json", text), false); }),
             "`axes.0.values.1.run.problem` is \"\": must be a text");
}

TEST_CASE("figures are read from the reports of gamlp plan and gamlp bench") {
  const auto plan = nlohmann::json::parse(
      R"({"plans": [{"step_seconds": 0.5, "speedup": 3, "bytes_per_epoch": 7, "memory_needed": 9, "devices": 4}]})");
  CHECK(figures_of(JobRun::Program::plan, plan) ==
        nlohmann::json({{"step_seconds", 0.5}, {"speedup", 3}, {"bytes_per_epoch", 7}, {"memory_bytes", 9}}));
  // The devices compared with come first.
  auto bench = nlohmann::json::parse(R"({"devices": [
    {"iteration_seconds": 2, "bytes_per_iteration": 0, "peak_device_memory": 9},
    {"iteration_seconds": 1, "bytes_per_iteration": 5, "peak_device_memory": 6, "speedup": 2}]})");
  CHECK(figures_of(JobRun::Program::bench, bench) ==
        nlohmann::json({{"step_seconds", 1}, {"speedup", 2}, {"bytes_per_epoch", 5}, {"memory_bytes", 6}}));
  bench["devices"].erase(1);
  CHECK_FALSE(figures_of(JobRun::Program::bench, bench).contains("speedup"));
  CHECK_THROWS_AS(figures_of(JobRun::Program::bench, plan), DataError);
  CHECK_THROWS_AS(figures_of(JobRun::Program::plan, bench), DataError);
}

TEST_CASE("a file may extend another, section by section") {
  const Folder folder;
  folder.write("x.json", example());
  const Experiment e = load_experiment(
      folder.write("y.json",
                   R"({"extends": "x.json", "title": "Other", "set": {"stages": [{"layers": 3, "epochs": 1}]}})"),
      false);
  CHECK(e.title == "Other");
  const std::vector<Job> jobs = expand(e, "", {});
  CHECK(jobs.size() == 10);
  CHECK(jobs[0].config.stages[0].layers == 3);
  check_says(config_error([&] { load_experiment(folder.write("z.json", R"({"extends": "none.json"})"), false); }),
             "z.json: `extends`: ");
  check_says(config_error([&] { load_experiment(folder.write("z.json", R"({"extends": "y.json"})"), false); }),
             "`extends` is \"y.json\": must be a file that extends no other");
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
      {searched(R"("axes": ["rate"], "then": ["rate"])"), "`search.then.0` is \"rate\": must be named once"},
      {searched(R"("axes": ["rate"], "then": [["rate"]])"), "`search.then.0.0` is \"rate\": must be named once"},
      {searched(R"("axes": ["rate"], "then": [])"), "`search.then` is []: must be a list that is not empty"},
      {replaced("[{\"layers\": 2", "[{\"layers\": 1"), "8, ADMM, 0: `stages.0.layers` is 1: must be"},
      {replaced("\"name\": \"seed\"", "\"name\": \"epochs\""),
       "`axes.2.name` is \"epochs\": must be another name than"},
      {example(R"(, "run": {"program": "fly"})"), "`run.program` is \"fly\": must be one of train, bench, plan"},
      {example(R"(, "run": {"rounds": 0})"), "`run.rounds` is 0: must be a number from 1"},
      {example(R"(, "run": {"round": 1})"), "`run` has the unknown key \"round\""},
      {replaced("{\"label\": \"ADMM\"}", R"({"label": "ADMM", "run": {"devices": "2"}})"),
       "`axes.1.values.0.run.devices` is \"2\": must be a number"},
      {example(R"(, "figure": {"kind": "pie"})"), "`figure.kind` is \"pie\": must be \"curves\", "},
      {example(R"(, "figure": {"kind": "lines", "x": "depth", "y": "speedup"})"),
       "`figure.x` is \"depth\": must be the name of an axis (width, method, seed)"},
      {example(R"(, "figure": {"kind": "lines", "x": "width", "y": "speed"})"),
       "`figure.y` is \"speed\": must be one of"},
      {example(R"(, "figure": {"kind": "curves", "x": "epoch", "y": "objective"})"),
       "`figure.y` is \"objective\": must be a list"},
      {example(R"(, "figure": {"kind": "curves", "x": ["epoch", 2], "y": ["objective"]})"),
       "`figure.x.1` is 2: must be"},
      {example(R"(, "figure": {"kind": "scatter", "x": ["seconds"], "y": "speedup"})"),
       "`figure.x` is [\"seconds\"]: must be"},
      {example(
           R"(, "figure": {"kind": "scatter", "x": "seconds", "y": "speedup", "marks": [{"x": 1, "y": 2, "label": "a", "panel": "8"}]})"),
       "`figure.marks.0.panel` is \"8\": must be left out without `panels`"},
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
