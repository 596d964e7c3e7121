// Graphs as people have them, from train to predict: columns of any scale, years as classes, nodes without a class.
#include <cmath>

#include "host/data/load.hpp"
#include "host/data/npz.hpp"
#include "host/graph/csr_build.hpp"
#include "host/math/random.hpp"
#include "tests/cli/program.hpp"

namespace gamlp::test {
namespace {

constexpr std::int64_t kTableNodes = 240;
constexpr std::int32_t kYears[] = {2001, 2009, 2012};

// Three classes in blocks of a path of edges, known by a ratio between 0 and 1; beside it an age, an income and a time
// in seconds that say nothing. Columns are multiplied by `scale`.
Dataset people(float scale = 1) {
  Random random(random_key(7, 1));
  const auto uniform = [&](double low, double high) {
    return static_cast<float>(low + (high - low) * random.uniform());
  };
  Dataset d;
  std::vector<Edge> edges;
  d.features_dense = Matrix(kTableNodes, 5);
  for (std::int64_t i = 0; i < kTableNodes; ++i) {
    const std::int64_t c = i * 3 / kTableNodes;
    d.labels.push_back(kYears[c]);
    if (i + 1 < kTableNodes) edges.push_back({static_cast<std::int32_t>(i), static_cast<std::int32_t>(i + 1)});
    const float row[] = {uniform(18, 80), uniform(1e4, 2e5), uniform(1.4e9, 1.7e9),
                         uniform(0, 0.5) + (c == 1 ? 0.5f : 0.0f), uniform(0, 0.5) + (c == 2 ? 0.5f : 0.0f)};
    for (int k = 0; k < 5; ++k) d.features_dense(i, k) = scale * row[k];
  }
  d.adjacency = csr_from_edges(kTableNodes, edges);
  d.classes = 2013;
  return d;
}

std::string config_of(const char* file, const char* options = "") {
  return std::string(R"({"dataset": {"path": ")") + file + R"(", "hops": 2, )" + options + R"(
              "split": {"kind": "per_class", "train_per_class": 20, "validation": 60, "test": 100}},
  "model": {"width": 12}, "devices": "cpu:1", "stages": [{"layers": 2, "epochs": 60}]})";
}

nlohmann::json json_of(const WorkFolder& work, std::vector<std::string> arguments) {
  arguments.push_back("--json");
  const Outcome outcome = run(work, std::move(arguments));
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  return nlohmann::json::parse(outcome.out);
}

}  // namespace

TEST_CASE("columns of any scale and years as classes, from train to predict") {
  const WorkFolder work;
  Dataset graph = people();
  save_npz_dataset(work / "people.npz", graph);
  work.write("people.json", config_of("people.npz"));
  const Outcome trained = run(work, {"train", "people.json", "--run", "run"});
  INFO(trained.err);
  REQUIRE(trained.status == 0);
  check_says(trained.err + trained.out, "(column 2): every column is standardised");
  check_says(trained.err + trained.out, "3 ids from 2001 to 2012");
  CHECK(json_file(work / "run/config.json")["dataset"]["standardize"] == "columns");
  CHECK(json_file(work / "run/result.json")["test_accuracy"].get<double>() > 0.85);

  // The resolved config repeats the run.
  CHECK(run(work, {"train", "run/config.json", "--run", "again"}).status == 0);
  CHECK(json_file(work / "again/result.json")["test_accuracy"] == json_file(work / "run/result.json")["test_accuracy"]);

  const Outcome evaluated = run(work, {"evaluate", "run"});
  CHECK(evaluated.err.empty());  // no difference from result.json
  check_says(evaluated.out, "2009");
  check_says(evaluated.out, "->2012");
  const auto figures = json_of(work, {"evaluate", "run"});
  REQUIRE(figures["test_per_class"].size() == 3);
  CHECK(figures["test_per_class"][1]["class"] == 2009);

  const auto predicted = json_of(work, {"predict", "run"});
  CHECK(predicted["class_ids"] == std::vector<int>{2001, 2009, 2012});
  std::int64_t right = 0;
  for (std::size_t i = 0; i < kTableNodes; ++i) right += predicted["classes"][i] == graph.labels[i];
  CHECK(right > 0.85 * kTableNodes);
  check_says(run(work, {"predict", "run", "--nodes", "0"}).out, "node,class,p2001,p2009,p2012\n");

  // The same nodes in a graph of their own without labels, and one whose means are others.
  graph.has_labels = false;
  save_npz_dataset(work / "unlabelled.npz", graph);
  const auto other = json_of(work, {"predict", "run", "--dataset", "unlabelled.npz"});
  CHECK(other["probabilities"] == predicted["probabilities"]);
  for (std::int64_t i = 20; i < kTableNodes; ++i) graph.features_dense(i, 2) = 0;
  save_npz_dataset(work / "other_means.npz", graph);
  const auto shifted = json_of(work, {"predict", "run", "--nodes", "0,1,2", "--dataset", "other_means.npz"});
  CHECK(shifted["probabilities"] == json_of(work, {"predict", "run", "--nodes", "0,1,2"})["probabilities"]);
  const Outcome refused = run(work, {"evaluate", "run", "--dataset", "unlabelled.npz"});
  CHECK(refused.status == 4);
  check_says(refused.err, "unlabelled.npz: labels: missing");

  graph.has_labels = true;
  graph.labels[3] = 2003;
  save_npz_dataset(work / "unknown.npz", graph);
  const Outcome unknown = run(work, {"evaluate", "run", "--dataset", "unknown.npz"});
  CHECK(unknown.status == 4);
  check_says(unknown.err, "unknown.npz: labels: found class 2003, the model of run knows classes 2001 to 2012");
}

TEST_CASE("features that are not standardised are told, all large or all small ones are scaled") {
  const WorkFolder work;
  save_npz_dataset(work / "people.npz", people());
  work.write("none.json", config_of("people.npz", R"("standardize": "none",)"));
  const Outcome none = run(work, {"train", "none.json", "--run", "none"});
  check_says(none.err + none.out, "people.npz: the scales of the features reach from");
  check_says(none.err + none.out, "dataset.standardize \"columns\" brings them together");
  Dataset large = people();
  for (std::int64_t i = 0; i < kTableNodes; ++i) {
    for (int k = 0; k < 5; ++k) large.features_dense(i, k) = k < 3 ? 0 : 1e6f * large.features_dense(i, k);
  }
  save_npz_dataset(work / "large.npz", large);
  work.write("large.json", config_of("large.npz"));
  REQUIRE(run(work, {"train", "large.json", "--run", "large"}).status == 0);
  CHECK(json_file(work / "large/config.json")["dataset"]["standardize"] == "scale");
  CHECK(json_file(work / "large/result.json")["test_accuracy"].get<double>() > 0.85);
  CHECK(run(work, {"evaluate", "large"}).err.empty());
}

TEST_CASE("info shows scales, weights, class ids and nodes without a class") {
  const WorkFolder work;
  Dataset graph = people();
  graph.labels[0] = graph.labels[1] = no_class;
  graph.adjacency.values.assign(graph.adjacency.indices.size(), 1.0f);
  graph.adjacency.values[0] = 2.5f;
  save_npz_dataset(work / "people.npz", graph);
  const Outcome text = run(work, {"info", "people.npz"});
  check_says(text.out, "5 columns: ");
  check_says(text.out, "(column 2)");
  check_says(text.out, "1 to 2.5");
  check_says(text.out, "3, ids up to 2012 (2 nodes without one)");
  const auto json = json_of(work, {"info", "people.npz"});
  CHECK(json["nodes_without_class"] == 2);
  CHECK(json["feature_scales"]["largest_at"] == std::vector<int>{2});
  CHECK(json["edge_weights"] == std::vector<double>{1, 2.5});
}

TEST_CASE("parts of a split that another graph does not have are told as such") {
  const WorkFolder work;
  Dataset graph = people();
  save_npz_dataset(work / "people.npz", graph);
  work.write("people.json", config_of("people.npz"));
  REQUIRE(run(work, {"train", "people.json", "--set", "stages.0.epochs=2", "--run", "run"}).status == 0);
  graph.has_labels = false;
  save_npz_dataset(work / "unlabelled.npz", graph);
  const Outcome drawn = run(work, {"predict", "run", "--dataset", "unlabelled.npz", "--nodes", "test"});
  CHECK(drawn.status == 4);
  check_says(drawn.err, "unlabelled.npz: labels: missing, but --nodes test asks for a split that is drawn by class");

  graph.has_labels = true;
  graph.train_mask.assign(kTableNodes, 0);
  graph.test_mask.assign(kTableNodes, 0);
  for (const std::int64_t node : {1, 100, 200}) graph.train_mask[static_cast<std::size_t>(node)] = 1;
  graph.test_mask[7] = 1;
  save_npz_dataset(work / "masked.npz", graph);
  const std::string masked = R"({"dataset": {"path": "masked.npz"}, "model": {"width": 4}, "devices": "cpu:1",
                                 "stages": [{"layers": 2, "epochs": 2}]})";
  work.write("masked.json", masked);
  REQUIRE(run(work, {"train", "masked.json", "--run", "masked"}).status == 0);
  graph.has_labels = false;
  save_npz_dataset(work / "unvalidated.npz", graph);
  CHECK(json_of(work, {"predict", "masked", "--dataset", "unvalidated.npz", "--nodes", "test"})["nodes"] ==
        std::vector<int>{7});
  const Outcome none = run(work, {"predict", "masked", "--dataset", "unvalidated.npz", "--nodes", "validation"});
  CHECK(none.status == 4);
  check_says(none.err, "unvalidated.npz: val_mask: missing, but --nodes validation asks for its nodes");
}

TEST_CASE("a boolean .npy is a mask of nodes, bytes of 0 and 1 are refused") {
  const WorkFolder work;
  train_small(work);
  std::vector<std::uint8_t> mask(200, 0);
  mask[3] = mask[150] = 1;
  std::string bytes = npy_bytes(mask);
  work.write("bytes.npy", bytes);
  const Outcome refused = run(work, {"predict", "run", "--nodes", "bytes.npy"});
  CHECK(refused.status == 4);
  check_says(refused.err, "bytes.npy: found a 0 or 1 (|u1) for each of the 200 nodes");
  check_says(refused.err, "mask.astype(bool)");
  check_says(refused.err, "ids.astype('int64')");
  bytes.replace(bytes.find("|u1"), 3, "|b1");
  work.write("mask.npy", bytes);
  CHECK(json_of(work, {"predict", "run", "--nodes", "mask.npy"})["nodes"] == std::vector<int>{3, 150});
  work.write("ids.npy", npy_bytes(std::vector<std::uint8_t>{7, 1, 0}));
  CHECK(json_of(work, {"predict", "run", "--nodes", "ids.npy"})["nodes"] == std::vector<int>{7, 1, 0});
  std::string few = npy_bytes(std::vector<std::uint8_t>(3, 1));
  few.replace(few.find("|u1"), 3, "|b1");
  work.write("few.npy", few);
  check_says(run(work, {"predict", "run", "--nodes", "few.npy"}).err,
             "few.npy: found booleans of shape (3,), expected a mask with one for each of the 200 nodes");
  std::string none = npy_bytes(std::vector<std::uint8_t>(200, 0));
  none.replace(none.find("|u1"), 3, "|b1");
  work.write("none.npy", none);
  check_says(run(work, {"predict", "run", "--nodes", "none.npy"}).err, "none.npy: the mask selects no node");
}

}  // namespace gamlp::test
