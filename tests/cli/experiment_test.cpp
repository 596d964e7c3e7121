// gamlp experiment as a user runs it: to its end, interrupted, again, with what is missing or wrong.
#include <chrono>
#include <csignal>
#include <functional>
#include <thread>

#include "tests/cli/program.hpp"

namespace gamlp::test {
namespace {

// 2 widths × 2 methods × 2 seeds on a small generated graph.
std::string experiment(int epochs, const std::string& more = "") {
  return R"({"title": "Small", "base": "small.json", "set": {"devices": "cpu:1", "stages.1.epochs": )" +
         std::to_string(epochs) + R"(},
    "axes": [{"name": "width", "key": "model.width", "values": [6, 12]},
             {"name": "method", "values": [{"label": "ADMM"}, {"label": "Adam", "set": {"method.name": "adam"}}]},
             {"name": "seed", "key": "train.seed", "values": [0, 1]}],
    "table": {"rows": "width", "columns": "method"}, "mean_over": "seed", "paper": {"6": {"Adam": 0.5}},
    "quick": {"keep": {"seed": ["0"], "width": ["6"]}})" +
         more + "}";
}

// The same with an axis "data" of two values: "there", which sets nothing, and `label`, which sets `set`.
std::string with_data(std::string text, const std::string& label, const std::string& set) {
  const std::string axis =
      R"({"name": "data", "values": [{"label": "there"}, {"label": ")" + label + R"(", "set": )" + set + "}]}, ";
  return text.insert(text.find("{\"name\": \"seed\""), axis);
}

std::vector<std::string> lines_with(const std::string& text, const std::string& part) {
  std::vector<std::string> found;
  for (const std::string& line : lines_of(text)) {
    if (line.find(part) != std::string::npos) found.push_back(line);
  }
  return found;
}

}  // namespace

TEST_CASE("an experiment trains every job once, and makes its tables") {
  const WorkFolder work;
  work.write("small.json", small_config());
  work.write("x.json", experiment(8));
  const Outcome first = run(work, {"experiment", "x.json", "--output", "out"});
  INFO(first.err << first.out);
  REQUIRE(first.status == 0);
  CHECK(lines_with(first.out, "validation ").size() == 8);
  CHECK(lines_with(first.out, " left").size() == 7);
  check_says(first.out, "# Small");
  check_says(first.out, "| width | ADMM | Adam |");
  CHECK(lines_with(first.out, "(50.0, ").size() == 1);
  check_says(first.out, "results: out  (table.md, table.json, results.csv, jobs)");
  const std::string csv = file_text(work / "out/results.csv");
  CHECK(lines_with(csv, ",done,").size() == 8);
  // A job is the run that its config alone makes.
  const std::string row = lines_with(csv, "12,Adam,1,done").at(0);
  const std::string name = row.substr(row.rfind(',') + 1);
  const Outcome alone = run(work, {"train", "small.json", "--run", "alone", "--devices", "cpu:1", "--set",
                                   "model.width=12", "--set", "method.name=adam", "--set", "train.seed=1"});
  REQUIRE(alone.status == 0);
  CHECK(nlohmann::json::parse(file_text(work / "alone/result.json"))["test_accuracy"] ==
        nlohmann::json::parse(file_text(work / ("out/jobs/" + name + "/result.json")))["test_accuracy"]);

  const Outcome again = run(work, {"experiment", "x.json", "--output", "out"});
  CHECK(again.status == 0);
  CHECK(lines_with(again.out, "validation ").empty());
  CHECK(file_text(work / "out/results.csv") == csv);
  // More jobs than before: only those are trained.
  std::string more = experiment(8);
  more.replace(more.find("[0, 1]"), 6, "[0, 1, 2]");
  work.write("x.json", more);
  CHECK(lines_with(run(work, {"experiment", "x.json", "--output", "out"}).out, "validation ").size() == 4);
  const Outcome list = run(work, {"experiment", "x.json", "--output", "out", "--list"});
  CHECK(lines_with(list.out, "done\t").size() == 12);
  const Outcome quick = run(work, {"experiment", "x.json", "--quick", "--quiet"});
  CHECK(quick.status == 0);
  CHECK(lines_with(file_text(work / "runs/x-quick/results.csv"), ",done,").size() == 2);
}

TEST_CASE("an experiment measures iterations and forecasts them") {
  const WorkFolder work;
  work.write("small.json", small_config());
  fs::create_directories(work / "machines");
  fs::copy_file(std::string(GAMLP_SOURCE_DIR) + "/configs/machines/dgx_2.json", work / "machines/dgx_2.json");
  work.write("x.json", R"({"title": "Speed", "base": "small.json", "run": {"iterations": 2, "rounds": 1},
    "axes": [{"name": "source", "values": [{"label": "measured", "run": {"program": "bench", "against": "cpu:1"}},
                                           {"label": "forecast", "run": {"program": "plan", "machine": "dgx_2"}}]},
             {"name": "devices", "values": [{"label": "1", "set": {"devices": "cpu:1"}, "run": {"devices": 1}},
                                            {"label": "2", "set": {"devices": "cpu:2"}, "run": {"devices": 2}}]}],
    "table": {"rows": "devices", "columns": "source", "value": "speedup"},
    "figure": {"kind": "lines", "x": "devices", "y": "speedup", "lines": "source"}})");
  const Outcome first = run(work, {"experiment", "x.json", "--output", "out"});
  INFO(first.err << first.out);
  REQUIRE(first.status == 0);
  CHECK(lines_with(first.out, " ms an iteration, speedup ").size() == 4);
  const auto table = nlohmann::json::parse(file_text(work / "out/table.json"));
  CHECK(table.at("figure").at("x") == "devices");
  for (const auto& cell : table.at("tables").at(0).at("cells")) {
    CHECK(cell.at("done") == 1);
    CHECK(cell.at("mean").get<double>() > 0);
    if (cell.at("row") == "1" && cell.at("column") == "forecast") CHECK(cell.at("mean") == 1.0);
  }
  const Outcome again = run(work, {"experiment", "x.json", "--output", "out"});
  CHECK(again.status == 0);
  CHECK(lines_with(again.out, " ms an iteration").empty());
  // More devices than the machine has are forecast all the same.
  work.write("y.json", R"({"extends": "x.json", "axes": [{"name": "source", "values": [{"label": "forecast", "run":
    {"program": "plan", "machine": "dgx_2", "devices": 3}}]}, {"name": "devices", "key": "model.width", "values": [8]}]})");
  CHECK(run(work, {"experiment", "y.json"}).status == 0);
}

TEST_CASE("an interrupted experiment goes on where it stopped") {
  const WorkFolder work;
  work.write("small.json", small_config());
  work.write("x.json", experiment(6000));
  const fs::path jobs = work / "out/jobs";
  const auto finished = [&] {
    std::size_t count = 0;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(jobs, error)) count += fs::exists(entry.path() / "result.json");
    return count;
  };
  // A run in the first part of its epochs, past the start, when it does not know signals yet.
  const auto under_way = [&] {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(jobs, error)) {
      const auto size = fs::file_size(entry.path() / "metrics.jsonl", error);
      if (!error && size > 2000 && size < 500'000 && !fs::exists(entry.path() / "result.json")) return true;
    }
    return false;
  };
  Child child(work, {"experiment", "x.json", "--output", "out"});
  const auto wait_for = [&](const std::function<bool()>& condition) {
    for (int i = 0; i < 12000 && child.running() && !condition(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  };
  wait_for(under_way);
  const Outcome refused = run(work, {"experiment", "x.json", "--output", "out"});
  CHECK(refused.status == 5);
  check_says(refused.err, "another gamlp experiment works in this folder");
  wait_for([&] { return finished() >= 3 && under_way(); });
  REQUIRE(child.running());
  ::kill(child.pid(), SIGINT);
  const Outcome stopped = child.wait();
  CHECK(stopped.status == 8);
  const std::size_t done = finished();
  // Tables of what is done say that they are not whole.
  CHECK(lines_with(file_text(work / "out/results.csv"), ",waiting,").size() == 8 - done);
  check_says(file_text(work / "out/table.md"),
             "unfinished: " + std::to_string(8 - done) + " of 8 jobs did not run yet");
  std::size_t checkpoints = 0;
  for (const auto& entry : fs::directory_iterator(jobs)) {
    if (entry.is_directory()) checkpoints += !fs::is_empty(entry.path() / "checkpoints");
  }
  CHECK(done >= 3);
  CHECK(done < 8);
  CHECK(checkpoints >= 1);
  const Outcome resumed = run(work, {"experiment", "x.json", "--output", "out"});
  INFO(resumed.err);
  CHECK(resumed.status == 0);
  CHECK(lines_with(resumed.out, "validation ").size() == 8 - done);
  const std::string csv = file_text(work / "out/results.csv");
  CHECK(lines_with(csv, ",done,").size() == 8);
}

TEST_CASE("a search sees validation accuracies alone, and leaves the chosen configs") {
  const WorkFolder work;
  work.write("small.json", small_config());
  std::string text = experiment(8, R"(, "search": {"axes": ["rate"], "seeds": ["0"]})");
  const std::string axis = R"({"name": "rate", "key": "method.optimizer.learning_rate", "values": [0.000001, 0.02]}, )";
  text.insert(text.find("{\"name\": \"seed\""), axis);
  work.write("x.json", text);
  const Outcome done = run(work, {"experiment", "x.json", "--output", "out", "--jobs", "2"});
  INFO(done.err << done.out);
  REQUIRE(done.status == 0);
  CHECK(lines_with(done.out, "search: [").size() == 8);
  for (const std::string& line : lines_with(done.out, "search: [")) CHECK(line.find("test") == std::string::npos);
  check_says(done.out, "- 12, Adam: rate = 0.02");
  const std::vector<std::string> chosen = lines_with(file_text(work / "out/results.csv"), ",done,");
  CHECK(chosen.size() == 8);
  CHECK(file_text(work / "out/search.csv").find("test_accuracy") == std::string::npos);
  const auto best = nlohmann::json::parse(file_text(work / "out/best/12_Adam.json"));
  CHECK(best["method"]["optimizer"]["learning_rate"] == 0.02);
  CHECK(run(work, {"train", "out/best/12_Adam.json", "--run", "best", "--quiet"}).status == 0);
  // Of 12 runs only the chosen ones have weights.
  const std::vector<std::string> compared = lines_with(file_text(work / "out/search.csv"), ",done,");
  CHECK(compared.size() == 8);
  std::size_t without = 0;
  const auto run_of = [](const std::string& line) { return "out/jobs/" + line.substr(line.rfind(',') + 1); };
  for (const std::string& line : compared) without += !fs::exists(work / (run_of(line) + "/best.safetensors"));
  CHECK(without == 4);
  for (const std::string& line : chosen) CHECK(fs::exists(work / (run_of(line) + "/best.safetensors")));
  const Outcome again = run(work, {"experiment", "x.json", "--output", "out"});
  CHECK(again.status == 0);
  CHECK(lines_with(again.out, "[1/").empty());

  // Without its dataset nothing is chosen, and the table says why.
  text.replace(text.find("\"devices\": \"cpu:1\""), 18, R"("devices": "cpu:1", "dataset": {"path": "away.npz"})");
  work.write("y.json", text);
  const Outcome away = run(work, {"experiment", "y.json", "--output", "out2"});
  INFO(away.err << away.out);
  CHECK(away.status == 0);
  check_says(away.out, "| 12 | missing | missing |");
  check_says(away.out, "- missing: away.npz");
}

TEST_CASE("where a candidate of a search fails nothing is chosen, and no candidate is reported") {
  const WorkFolder work;
  work.write("small.json", small_config());
  work.write("torn.npz", "no archive");
  work.write("x.json", with_data(experiment(8, R"(, "search": {"axes": ["data"], "seeds": ["0"]})"), "torn",
                                 R"({"dataset": {"path": "torn.npz"}})"));
  const Outcome done = run(work, {"experiment", "x.json", "--output", "out"});
  INFO(done.err << done.out);
  CHECK(done.status == 4);
  check_says(done.out, "| 12 | failed | failed |");
  check_says(done.out, "torn.npz");
  CHECK(done.out.find("data = ") == std::string::npos);
  CHECK(lines_with(file_text(work / "out/results.csv"), ",done,").empty());
}

TEST_CASE("what is missing is listed, what fails is named, and the rest is trained") {
  const WorkFolder work;
  work.write("small.json", small_config());
  work.write("x.json", with_data(experiment(8), "away", R"({"dataset": {"path": "away.npz"}})"));
  const Outcome done = run(work, {"experiment", "x.json", "--output", "out"});
  INFO(done.err << done.out);
  CHECK(done.status == 0);
  check_says(done.out, "## data away");
  check_says(done.out, "| 6 | missing | missing (50.0) |");
  check_says(done.out, "- missing: away.npz: no such file");
  check_says(done.out, "data/README.md");
  CHECK(lines_with(file_text(work / "out/results.csv"), ",missing,").size() == 8);

  // A rate that diverges is a result, not a failure, and is not tried again.
  work.write("y.json",
             with_data(experiment(8), "wild", R"({"method.name": "gd", "method.optimizer.learning_rate": 1e6})"));
  const Outcome wild = run(work, {"experiment", "y.json", "--output", "out2"});
  INFO(wild.out << wild.err);
  CHECK(wild.status == 0);
  CHECK(lines_with(wild.out, "diverged").size() >= 1);
  const Outcome again = run(work, {"experiment", "y.json", "--output", "out2"});
  CHECK(lines_with(again.out, "; about").empty());

  // Weights that are not there yet are missing, with the reason.
  REQUIRE(run(work, {"train", "small.json", "--run", "begun", "--quiet"}).status == 0);
  fs::remove(work / "begun/best.safetensors");
  fs::remove(work / "begun/result.json");
  work.write("w.json", with_data(experiment(8), "early", R"({"train.from": "begun"})"));
  const Outcome early = run(work, {"experiment", "w.json", "--output", "out4"});
  INFO(early.out << early.err);
  CHECK(early.status == 0);
  check_says(early.out, "begun/best.safetensors: no such file: the run is not finished");
  CHECK(lines_with(file_text(work / "out4/results.csv"), ",missing,").size() == 8);
  CHECK(lines_with(file_text(work / "out4/results.csv"), ",done,").size() == 8);

  // A damaged dataset fails its own jobs.
  work.write("torn.npz", "no archive");
  work.write("z.json", with_data(experiment(8), "torn", R"({"dataset": {"path": "torn.npz"}})"));
  const Outcome torn = run(work, {"experiment", "z.json", "--output", "out3"});
  CHECK(torn.status == 4);
  check_says(torn.out, "| 6 | failed | failed (50.0) |");
  check_says(torn.out, "torn.npz");
  CHECK(lines_with(torn.out, "there, ").size() == 8);

  const Outcome bad = run(work, {"experiment", "none.json"});
  CHECK(bad.status == 3);
  check_says(bad.err, "none.json");
}

TEST_CASE("the ready experiments can be read") {
  int files = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(GAMLP_SOURCE_DIR) / "configs/experiments")) {
    const WorkFolder work;
    const Outcome list = run(work, {"experiment", entry.path().string(), "--list", "--quick"});
    INFO(entry.path() << ": " << list.err);
    CHECK(list.status == 0);
    CHECK(lines_of(list.out).size() >= 2);
    ++files;
  }
  CHECK(files >= 2);
}

TEST_CASE("the small variant of table III trains Cora by every method", "[.datasets]") {
  if (!has_dataset("cora.npz")) return;
  const WorkFolder work;
  const Outcome quick = run(work, {"experiment", std::string(GAMLP_SOURCE_DIR) + "/configs/experiments/table3.json",
                                   "--quick", "--datasets", datasets().string(), "--output", "out"});
  INFO(quick.err << quick.out);
  REQUIRE(quick.status == 0);
  const auto table = nlohmann::json::parse(file_text(work / "out/table.json"));
  REQUIRE(table["tables"][0]["cells"].size() == 12);
  for (const auto& cell : table["tables"][0]["cells"]) {
    REQUIRE(cell["row"] == "Cora");
    REQUIRE(cell["done"] == 1);
    const double accuracy = cell["mean"];
    const std::string column = cell["column"];
    const bool ours = column.find("pdADMM") != std::string::npos || column == "8 bits, then Adam";
    const bool hardly_moves = column == "Adadelta";  // at the published rate
    CHECK(accuracy > (ours ? 0.74 : hardly_moves ? 0.0 : 0.5));
  }
}

}  // namespace gamlp::test
