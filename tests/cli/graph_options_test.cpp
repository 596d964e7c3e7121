// What options of `dataset` make of a file's edges and masks, from train to predict; and runs older than an option.
#include <cstring>

#include "host/data/npz.hpp"
#include "tests/cli/program.hpp"

namespace gamlp::test {
namespace {

constexpr std::int64_t kNodes = 120;

using Members = std::map<std::string, std::string>;

// Every edge leads from a node to the one before it, with weight 1 and, on every second one, `weight`. Three classes in
// blocks, of which features tell something.
Members path_graph(float weight = 1) {
  std::vector<float> values, features;
  std::vector<std::int32_t> indices;
  std::vector<std::int64_t> indptr = {0}, labels;
  for (std::int64_t i = 0; i < kNodes; ++i) {
    if (i > 0) {
      indices.push_back(static_cast<std::int32_t>(i - 1));
      values.push_back(i % 2 == 0 ? weight : 1);
    }
    indptr.push_back(static_cast<std::int64_t>(indices.size()));
    labels.push_back(i * 3 / kNodes);
    for (std::int64_t j = 0; j < 4; ++j)
      features.push_back(static_cast<float>((i * 7 + j * 5) % 11 + 3 * labels.back()));
  }
  const std::vector<std::int64_t> shape = {kNodes, kNodes}, feature_shape = {kNodes, 4};
  return {{"adj_data", npy_bytes(values)},
          {"adj_indices", npy_bytes(indices)},
          {"adj_indptr", npy_bytes(indptr)},
          {"adj_shape", npy_bytes(shape)},
          {"attr_matrix", npy_bytes(std::span<const float>(features), std::span<const std::int64_t>(feature_shape))},
          {"labels", npy_bytes(labels)}};
}

void save(const WorkFolder& work, const Members& members) {
  write_npz(work / "graph.npz", {members.begin(), members.end()});
}

const char* const kDrawn = R"("split": {"kind": "per_class", "train_per_class": 10, "validation": 20, "test": 30})";

// Trains two epochs with these options of `dataset`, in a folder of this name.
Outcome train(const WorkFolder& work, const std::string& name, const std::string& options) {
  work.write(name + ".json", R"({"dataset": {"path": "graph.npz", "hops": 3, "standardize": "none", )" + options +
                                 R"(}, "model": {"width": 6}, "devices": "cpu:1",
                                 "stages": [{"layers": 2, "epochs": 2}]})");
  return run(work, {"train", name + ".json", "--run", name});
}

nlohmann::json predicted(const WorkFolder& work, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "predict");
  arguments.push_back("--json");
  const Outcome outcome = run(work, arguments);
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  return nlohmann::json::parse(outcome.out);
}

nlohmann::json trained_and_predicted(const WorkFolder& work, const std::string& name, const std::string& options) {
  const Outcome trained = train(work, name, options + ", " + kDrawn);
  INFO(trained.err);
  REQUIRE(trained.status == 0);
  return predicted(work, {name})["probabilities"];
}

// Takes keys of `dataset` out of the config in the metadata of weights, where older programs did not write them.
void make_older(const fs::path& weights, const std::vector<std::string>& keys) {
  const std::string content = file_text(weights);
  std::uint64_t size = 0;
  std::memcpy(&size, content.data(), sizeof size);
  auto header = nlohmann::json::parse(content.substr(8, size));
  auto config = nlohmann::json::parse(header["__metadata__"]["config"].get<std::string>());
  for (const std::string& key : keys) REQUIRE(config["dataset"].erase(key) == 1);
  header["__metadata__"]["config"] = config.dump();
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t new_size = text.size();
  std::ofstream(weights, std::ios::binary)
      << std::string(reinterpret_cast<const char*>(&new_size), 8) << text << content.substr(8 + size);
}

}  // namespace

TEST_CASE("dataset.direction says which way features pass an edge, and a run older than it has what held then") {
  const WorkFolder work;
  save(work, path_graph());
  const auto in = trained_and_predicted(work, "in", R"("symmetrize": false)");
  const auto out = trained_and_predicted(work, "out", R"("symmetrize": false, "direction": "out")");
  const auto both = trained_and_predicted(work, "both", R"("symmetrize": true)");
  CHECK(in != out);
  CHECK(in != both);
  CHECK(out != both);
  CHECK(trained_and_predicted(work, "named", R"("symmetrize": false, "direction": "in")") == in);

  make_older(work / "out/best.safetensors", {"direction", "standardize", "class_ids"});
  const Outcome older = run(work, {"predict", "out", "--json"});
  REQUIRE(older.status == 0);
  CHECK(nlohmann::json::parse(older.out)["probabilities"] == out);
  check_says(older.err, "holds no dataset.direction");
}

TEST_CASE("dataset.edge_weights takes the file's weights, or the program tells that it does not") {
  const WorkFolder work;
  save(work, path_graph(5));
  const auto ignored = trained_and_predicted(work, "ignored", R"("edge_weights": "ignore")");
  CHECK(trained_and_predicted(work, "used", R"("edge_weights": "use")") != ignored);
  const Outcome told = train(work, "told", kDrawn);
  check_says(told.out + told.err, "edge_weights");
  save(work, path_graph());
  CHECK(trained_and_predicted(work, "plain", R"("edge_weights": "use")") == ignored);
  save(work, path_graph(-1));
  const Outcome negative = train(work, "negative", R"("edge_weights": "use", )" + std::string(kDrawn));
  CHECK(negative.status == 4);
  check_says(negative.err, "graph.npz: edge 2 -> 1: found weight -1, expected weights of at least 0");
}

TEST_CASE("dataset.split.index chooses one of the file's splits") {
  const WorkFolder work;
  Members members = path_graph();
  // Split 0 tests node 7, split 1 node 9.
  const auto add = [&](const char* key, const std::vector<std::pair<std::size_t, std::size_t>>& ones) {
    std::vector<std::uint8_t> mask(2 * kNodes, 0);
    for (const auto& [node, split] : ones) mask[2 * node + split] = 1;
    const std::vector<std::int64_t> shape = {kNodes, 2};
    members[key] = npy_bytes(std::span<const std::uint8_t>(mask), std::span<const std::int64_t>(shape));
  };
  add("train_mask", {{1, 0}, {50, 0}, {100, 0}, {2, 1}, {51, 1}, {101, 1}});
  add("test_mask", {{7, 0}, {9, 1}});
  save(work, members);
  for (const int index : {0, 1}) {
    const std::string name = "split" + std::to_string(index);
    REQUIRE(train(work, name, R"("split": {"index": )" + std::to_string(index) + "}").status == 0);
    CHECK(predicted(work, {name, "--nodes", "test"})["nodes"] == std::vector<int>{index == 0 ? 7 : 9});
  }
  const Outcome beyond = train(work, "beyond", R"("split": {"index": 2})");
  CHECK(beyond.status == 3);
  check_says(beyond.err, "dataset.split.index: found 2");
}

}  // namespace gamlp::test
