#include <cmath>
#include <cstring>

#include "tests/cli/program.hpp"

namespace gamlp::test {
namespace {

// Rows of a CSV with a header, as numbers.
std::vector<std::vector<double>> csv_rows(const std::string& text) {
  std::vector<std::vector<double>> rows;
  const auto lines = lines_of(text);
  for (std::size_t i = 1; i < lines.size(); ++i) {
    std::vector<double> row;
    std::istringstream in(lines[i]);
    for (std::string cell; std::getline(in, cell, ',');) row.push_back(std::stod(cell));
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

TEST_CASE("evaluate agrees with result.json") {
  const WorkFolder work;
  train_small(work);
  const auto result = nlohmann::json::parse(file_text(work / "run/result.json"));
  const Outcome outcome = run(work, {"evaluate", "run", "--json"});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  CHECK(outcome.err.empty());
  const auto json = nlohmann::json::parse(outcome.out);
  for (const char* key : {"train_accuracy", "validation_accuracy", "test_accuracy"}) {
    INFO(key);
    CHECK(json[key] == result[key]);
  }
  REQUIRE(json["test_per_class"].size() == 3);
  REQUIRE(json["test_confusion"].size() == 3);
  std::int64_t nodes = 0, correct = 0;
  for (std::size_t c = 0; c < 3; ++c) {
    CHECK(json["test_per_class"][c]["recall"] == result["test_per_class"][c]["recall"]);
    CHECK(json["test_per_class"][c]["precision"] == result["test_per_class"][c]["precision"]);
    correct += json["test_confusion"][c][c].get<std::int64_t>();
    for (const auto& count : json["test_confusion"][c]) nodes += count.get<std::int64_t>();
  }
  CHECK(nodes == 80);
  CHECK(static_cast<double>(correct) / 80.0 == json["test_accuracy"].get<double>());

  const Outcome text = run(work, {"evaluate", "run"});
  CHECK(text.status == 0);
  for (const char* part : {"test accuracy", "recall", "precision", "F1", "->2"}) check_says(text.out, part);
  for (const char c : text.out) CHECK((c == '\n' || (c >= ' ' && c <= '~')));
}

TEST_CASE("predict writes classes and probabilities") {
  const WorkFolder work;
  train_small(work);
  const Outcome all = run(work, {"predict", "run"});
  INFO(all.err);
  REQUIRE(all.status == 0);
  CHECK(lines_of(all.out)[0] == "node,class,p0,p1,p2");
  const auto rows = csv_rows(all.out);
  REQUIRE(rows.size() == 200);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    REQUIRE(rows[i].size() == 5);
    CHECK(rows[i][0] == static_cast<double>(i));
    CHECK(std::abs(rows[i][2] + rows[i][3] + rows[i][4] - 1.0) < 1e-6);
    for (const std::size_t c : {2, 3, 4}) CHECK(rows[i][2 + static_cast<std::size_t>(rows[i][1])] >= rows[i][c]);
  }
  SECTION("of chosen nodes, in their order") {
    const auto some = csv_rows(run(work, {"predict", "run", "--nodes", "7, 3,199,7"}).out);
    REQUIRE(some.size() == 4);
    CHECK(some[0] == some[3]);
    CHECK(some[1][0] == 3);
    CHECK(some[2][1] == rows[199][1]);
    work.write("ids.txt", "# my nodes\n5\n6 8,9\n");
    CHECK(csv_rows(run(work, {"predict", "run", "--nodes", "ids.txt"}).out).size() == 4);
    CHECK(csv_rows(run(work, {"predict", "run", "--nodes", "test"}).out).size() == 80);
    CHECK(csv_rows(run(work, {"predict", "run", "--nodes", "train"}).out).size() == 45);
  }
  SECTION("to files") {
    REQUIRE(run(work, {"predict", "run", "--output", "all.csv"}).status == 0);
    CHECK(file_text(work / "all.csv") == all.out);
    REQUIRE(run(work, {"predict", "run", "--output", "all.npy"}).status == 0);
    const std::string npy = file_text(work / "all.npy");
    check_says(npy.substr(0, 128), "'shape': (200, 5)");
    REQUIRE(npy.size() > 200 * 5 * 4);
    std::vector<float> values(200 * 5);
    std::memcpy(values.data(), npy.data() + npy.size() - values.size() * 4, values.size() * 4);
    CHECK(values[5] == 1.0f);
    CHECK(values[6] == static_cast<float>(rows[1][1]));
    CHECK(values[7] == static_cast<float>(rows[1][2]));
  }
  SECTION("as JSON") {
    const auto json = nlohmann::json::parse(run(work, {"predict", "run", "--nodes", "1,2", "--json"}).out);
    CHECK(json["nodes"] == std::vector<int>{1, 2});
    CHECK(json["probabilities"][1].size() == 3);
  }
  SECTION("errors") {
    const std::vector<std::pair<std::vector<std::string>, const char*>> cases = {
        {{"--nodes", "200"}, "node 200 is not in the graph: ids go from 0 to 199"},
        {{"--nodes", "1,-1"}, "node -1 is not in the graph"},
        {{"--nodes", "1-2"}, "found \"1-2\""},
        {{"--nodes", "99999999999999999999"}, "expected node ids"},
        {{"--nodes", ","}, "holds no node id"},
        {{"--nodes", "none.txt"}, "no such file"},
        {{"--nodes", "small.json"}, "expected node ids"},
        {{"--dataset", "none.npz"}, "none.npz"},
    };
    for (const auto& [extra, says] : cases) {
      std::vector<std::string> arguments = {"predict", "run"};
      arguments.insert(arguments.end(), extra.begin(), extra.end());
      const Outcome outcome = run(work, arguments);
      CHECK(outcome.status == 4);
      CHECK(outcome.out.empty());
      check_says(outcome.err, says);
    }
    CHECK(run(work, {"predict", "run", "--output", "none/x.csv"}).status == 5);
  }
}

TEST_CASE("a model is applied to another graph with the same features") {
  const WorkFolder work;
  train_small(work);
  const std::vector<std::string> generate = {"generate", "other.npz", "--nodes", "90", "--classes", "3", "--features"};
  auto with_features = generate;
  with_features.push_back("8");
  REQUIRE(run(work, with_features).status == 0);
  CHECK(csv_rows(run(work, {"predict", "run", "--dataset", "other.npz"}).out).size() == 90);

  with_features = generate;
  with_features[1] = "wide.npz";
  with_features.push_back("9");
  REQUIRE(run(work, with_features).status == 0);
  const Outcome outcome = run(work, {"predict", "run", "--dataset", "wide.npz"});
  CHECK(outcome.status == 4);
  check_says(outcome.err, "wide.npz: has 9 features per node, the model of run expects 8");

  REQUIRE(run(work, {"generate", "many.npz", "--nodes", "300", "--classes", "5", "--features", "8"}).status == 0);
  const Outcome classes = run(work, {"evaluate", "run", "--dataset", "many.npz"});
  CHECK(classes.status == 4);
  check_says(classes.err, "labels: found class 4, the model of run knows classes 0 to 2");
}

}  // namespace gamlp::test
