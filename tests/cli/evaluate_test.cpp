#include <algorithm>
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

TEST_CASE("the best weights of every stage can be used") {
  const WorkFolder work;
  // Random layers, so that the stages differ.
  train_small(work,
              {"--set", R"(stages=[{"layers":2,"epochs":6},{"layers":4,"epochs":6}])", "--set", "method.init=normal"});
  const auto result = nlohmann::json::parse(file_text(work / "run/result.json"));
  for (const std::string stage : {"1", "2"}) {
    const Outcome outcome = run(work, {"evaluate", "run", "--stage", stage, "--json"});
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    CHECK(outcome.err.empty());
    const auto json = nlohmann::json::parse(outcome.out);
    CHECK(json["test_accuracy"] == result["stages"][stage == "1" ? 0 : 1]["test_accuracy"]);
  }
  CHECK(run(work, {"predict", "run", "--stage", "2"}).out == run(work, {"predict", "run"}).out);
  CHECK(run(work, {"predict", "run", "--stage", "1"}).out != run(work, {"predict", "run"}).out);
  const auto check_fails = [&](const Outcome& outcome, int status, const std::string& says) {
    CHECK(outcome.status == status);
    check_says(outcome.err, says);
  };
  check_fails(run(work, {"evaluate", "run", "--stage", "3"}), 4,
              "--stage: found 3, expected at most 2, the stages of run");
  check_fails(run(work, {"evaluate", "run", "--stage", "0"}), 2, "--stage");
  fs::remove(work / "run/best-stage-1.safetensors");
  check_fails(run(work, {"predict", "run", "--stage", "1"}), 4, "best-stage-1.safetensors: no such file: an older");
  // As while a finished run goes on.
  fs::remove(work / "run/result.json");
  check_fails(run(work, {"predict", "run", "--stage", "1"}), 4, "no such file: the run is not finished");
  const Outcome before = run(work, {"predict", "run"});
  CHECK(before.status == 0);
  check_says(before.err, "run: the run goes on and is not finished: these are the weights from before");
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
    REQUIRE(run(work, {"predict", "run", "--nodes", "1,2", "--output", "some.json"}).status == 0);
    CHECK(nlohmann::json::parse(file_text(work / "some.json")) == json);
    const Outcome mixed = run(work, {"predict", "run", "--json", "--output", "some.csv"});
    CHECK(mixed.status == 2);
    check_says(mixed.err, "the file of --output is \"some.csv\"");
    CHECK_FALSE(fs::exists(work / "some.csv"));
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

TEST_CASE("evaluate and predict --smooth pass labels along the edges") {
  const WorkFolder work;
  train_small(work);
  const auto evaluated = [&](const char* smooth) {
    const Outcome outcome = run(work, {"evaluate", "run", "--json", "--smooth", smooth});
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    CHECK(outcome.err.empty());
    return nlohmann::json::parse(outcome.out);
  };
  const auto plain = nlohmann::json::parse(run(work, {"evaluate", "run", "--json"}).out);
  CHECK_FALSE(plain.contains("smooth"));
  const auto off = evaluated("0,0");
  CHECK(off["test_accuracy"] == plain["test_accuracy"]);
  CHECK(off["test_confusion"] == plain["test_confusion"]);
  const auto strong = evaluated("0.8,0.9"), chosen = evaluated("auto");
  CHECK(strong["smooth"] == nlohmann::json({{"correct", 0.8}, {"smooth", 0.9}, {"iterations", 50}}));
  CHECK(strong["test_confusion"] != plain["test_confusion"]);
  CHECK(strong["train_accuracy"] >= plain["train_accuracy"]);
  CHECK(chosen["validation_accuracy"] >= plain["validation_accuracy"]);
  CHECK(chosen["validation_accuracy"] >= strong["validation_accuracy"]);
  check_says(run(work, {"evaluate", "run", "--smooth", "auto"}).out, "Correct and Smooth");

  // predict says the same of the test nodes, and its rows add up to 1.
  const Outcome predicted = run(work, {"predict", "run", "--nodes", "test", "--smooth", "0.8,0.9"});
  REQUIRE(predicted.status == 0);
  std::vector<std::int64_t> counts(3, 0), expected(3, 0);
  for (const auto& row : csv_rows(predicted.out)) {
    ++counts[static_cast<std::size_t>(row[1])];
    CHECK(std::fabs(row[2] + row[3] + row[4] - 1.0) < 1e-5);
    CHECK(*std::max_element(row.begin() + 2, row.end()) == row[2 + static_cast<std::size_t>(row[1])]);
  }
  for (const auto& row : strong["test_confusion"]) {
    for (std::size_t c = 0; c < 3; ++c) expected[c] += row[c].get<std::int64_t>();
  }
  CHECK(counts == expected);

  for (const char* wrong : {"1", "2,0", "-0.1,0", "0.5,0.5,0.5", "some", "nan,0"}) {
    INFO(wrong);
    const Outcome outcome = run(work, {"evaluate", "run", std::string("--smooth=") + wrong});
    CHECK(outcome.status == 2);
    check_says(outcome.err, "CORRECT,SMOOTH");
  }
  REQUIRE(run(work, {"train", "small.json", "--run", "blind", "--quiet", "--set", "dataset.split.kind=fraction",
                     "--set", "dataset.split.validation_fraction=0.0001"})
              .status == 0);
  const Outcome blind = run(work, {"evaluate", "blind", "--smooth", "auto"});
  CHECK(blind.status == 4);
  check_says(blind.err, "no node validates, but --smooth auto chooses by validation accuracy");
}

TEST_CASE("evaluate and predict say what the weights say") {
  // Features and labels of the test's own, one hop: the scores are those of the saved weights on the features alone.
  const WorkFolder work;
  constexpr int kAll = 90, kFeatures = 4, kClasses = 3;
  std::vector<std::vector<double>> x;
  std::vector<int> labels;
  std::string edges, features, classes;
  for (int i = 0; i < kAll; ++i) {
    labels.push_back(i % 7 < 3 ? 0 : i % 7 < 5 ? 1 : 2);  // classes of different sizes
    classes += std::to_string(labels.back()) + "\n";
    edges += std::to_string(i) + " " + std::to_string((i + 1) % kAll) + "\n";
    x.emplace_back();
    for (int j = 0; j < kFeatures; ++j) {
      const int noise = (i * 37 + j * 61) % 97;  // enough of it that classes are confused
      x.back().push_back((j == labels.back() ? 1.5 : 0.0) + 0.125 * (noise % 16));
      features += std::to_string(x.back().back()) + (j + 1 < kFeatures ? "," : "\n");
    }
  }
  work.write("edges.txt", edges), work.write("features.csv", features), work.write("labels.txt", classes);
  work.write("config.json",
             R"({"dataset": {"text": {"edges": "edges.txt", "features": "features.csv", "labels": "labels.txt"},
    "hops": 1, "standardize": "none", "split": {"kind": "per_class", "train_per_class": 8, "validation": 10, "test": 50}},
    "model": {"width": 8}, "devices": "cpu:1", "method": {"init_scale_first": 0.3}, "stages": [{"layers": 2, "epochs": 300}]})");
  const Outcome trained = run(work, {"train", "config.json", "--run", "run"});
  INFO(trained.err);
  REQUIRE(trained.status == 0);

  const std::string bytes = file_text(work / "run/best.safetensors");
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  const auto header = nlohmann::json::parse(bytes.substr(8, length));
  const auto tensor = [&](const std::string& name) {
    const std::size_t from = header[name]["data_offsets"][0], to = header[name]["data_offsets"][1];
    std::vector<float> values((to - from) / 4);
    std::memcpy(values.data(), bytes.data() + 8 + length + from, to - from);
    return values;
  };
  const auto layer = [&](const std::vector<double>& in, const std::string& id) {
    const std::vector<float> w = tensor("W" + id), b = tensor("b" + id);
    std::vector<double> out(b.begin(), b.end());
    for (std::size_t i = 0; i < out.size(); ++i) {
      for (std::size_t j = 0; j < in.size(); ++j) out[i] += static_cast<double>(w[i * in.size() + j]) * in[j];
    }
    return out;
  };
  const auto probabilities_of = [&](std::size_t node) {
    std::vector<double> hidden = layer(x[node], "1");
    for (double& h : hidden) h = std::max(h, 0.0);
    std::vector<double> p = layer(hidden, "2");
    double sum = 0;
    for (double& value : p) sum += value = std::exp(value);
    for (double& value : p) value /= sum;
    return p;
  };

  const Outcome predicted = run(work, {"predict", "run", "--nodes", "test"});
  REQUIRE(predicted.status == 0);
  const auto rows = csv_rows(predicted.out);
  REQUIRE(rows.size() == 50);
  double counts[kClasses][kClasses] = {};  // [label][predicted]
  for (const auto& row : rows) {
    const auto node = static_cast<std::size_t>(row[0]);
    const std::vector<double> p = probabilities_of(node);
    for (std::size_t c = 0; c < kClasses; ++c) CHECK(std::abs(row[2 + c] - p[c]) < 1e-4);
    ++counts[labels[node]][static_cast<std::size_t>(row[1])];
    CHECK(row[1] == static_cast<double>(std::max_element(p.begin(), p.end()) - p.begin()));
  }
  const Outcome evaluated = run(work, {"evaluate", "run", "--json"});
  REQUIRE(evaluated.status == 0);
  const auto json = nlohmann::json::parse(evaluated.out);
  const auto result = nlohmann::json::parse(file_text(work / "run/result.json"));
  bool asymmetric = false, told_apart = false;
  for (std::size_t c = 0; c < kClasses; ++c) {
    double of_class = 0, as_class = 0;
    for (std::size_t d = 0; d < kClasses; ++d) {
      CHECK(json["test_confusion"][c][d] == counts[c][d]);
      asymmetric = asymmetric || counts[c][d] != counts[d][c];
      of_class += counts[c][d], as_class += counts[d][c];
    }
    const double recall = counts[c][c] / of_class, precision = counts[c][c] / as_class;
    told_apart = told_apart || recall != precision;
    for (const auto& figures : {json["test_per_class"][c], result["test_per_class"][c]}) {
      CHECK(figures["nodes"] == of_class);
      CHECK(figures["predicted"] == as_class);
      CHECK(std::abs(figures["recall"].get<double>() - recall) < 1e-12);
      CHECK(std::abs(figures["precision"].get<double>() - precision) < 1e-12);
    }
    CHECK(std::abs(json["test_per_class"][c]["f1"].get<double>() - 2 * precision * recall / (precision + recall)) <
          1e-12);
  }
  CHECK(asymmetric);  // else a transposed matrix would pass
  CHECK(told_apart);
}

}  // namespace gamlp::test
