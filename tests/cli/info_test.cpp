#include "tests/cli/program.hpp"

namespace gamlp::test {

TEST_CASE("generate writes a graph, says what, and does not replace one unasked") {
  const WorkFolder work;
  const std::vector<std::string> arguments = {"generate",   "graph.npz", "--nodes",       "300", "--classes", "4",
                                              "--features", "10",        "--mean-degree", "6",   "--seed",    "3"};
  const Outcome first = run(work, arguments);
  INFO(first.err);
  REQUIRE(first.status == 0);
  check_says(first.out, "wrote graph.npz");
  check_says(first.out, "300");
  const std::string bytes = file_text(work / "graph.npz");
  const Outcome again = run(work, arguments);
  CHECK(again.status == 5);
  check_says(again.err, "graph.npz: exists already; add --force");
  auto forced = arguments;
  forced.push_back("--force");
  CHECK(run(work, forced).status == 0);
  CHECK(file_text(work / "graph.npz") == bytes);

  CHECK(run(work, {"generate", "none/graph.npz"}).status == 5);
  const Outcome shape = run(work, {"generate", "x.npz", "--shape", "corra"});
  CHECK(shape.status == 3);
  check_says(shape.err, "expected one of cora");
  CHECK(run(work, {"generate", "x.npz", "--homophily", "2"}).status == 3);
  CHECK_FALSE(fs::exists(work / "x.npz"));
  const Outcome cora = run(work, {"generate", "cora.npz", "--shape", "cora", "--json"});
  REQUIRE(cora.status == 0);
  CHECK(nlohmann::json::parse(cora.out)["nodes"] == 2708);
}

TEST_CASE("info describes a dataset") {
  const WorkFolder work;
  REQUIRE(run(work, {"generate", "graph.npz", "--nodes", "300", "--classes", "4", "--features", "10"}).status == 0);
  const Outcome outcome = run(work, {"info", "graph.npz", "--json"});
  REQUIRE(outcome.status == 0);
  const auto json = nlohmann::json::parse(outcome.out);
  CHECK(json["kind"] == "dataset");
  CHECK(json["nodes"] == 300);
  CHECK(json["symmetric"] == true);
  CHECK(json["self_loops"] == 0);
  CHECK(json["adjacency_entries"] == 2400);
  CHECK(json["mean_degree"] == 8.0);
  CHECK(json["feature_values"] == "real");
  CHECK(json["features_stored"] == "dense");
  CHECK(json["class_nodes"] == std::vector<int>{75, 75, 75, 75});
  CHECK(json["masks"]["train"] == 80);
  CHECK(json["edge_homophily"].get<double>() > 0.7);
  CHECK(json["edge_homophily"].get<double>() < 0.9);
  const Outcome text = run(work, {"info", "graph.npz"});
  for (const char* part : {"nodes", "edge homophily", "masks", "class"}) check_says(text.out, part);
}

TEST_CASE("info describes a config and what it costs") {
  const WorkFolder work;
  const fs::path config = work.write("small.json", small_config());
  const Outcome outcome = run(work, {"info", "small.json", "--json"});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  const auto json = nlohmann::json::parse(outcome.out);
  CHECK(json["kind"] == "config");
  CHECK(json["config"]["method"]["update"] == "gradient");  // 45 training nodes, width 12
  CHECK(json["config"]["method"]["nu"] == 0.01);
  CHECK(json["cost"]["train_nodes"] == 45);
  CHECK(json["cost"]["inputs"] == 16);
  // 8 bits: 45 · 12 codes and a range of two floats, each padded to 16 bytes, for p and for q.
  CHECK(json["cost"]["stages"][1]["bytes_per_boundary"] == 2 * (16 + 544));
  CHECK(json["cost"]["stages"][1]["bytes_per_epoch"] == 2 * 2 * (16 + 544));
  CHECK(json["cost"]["stages"][0]["flops_per_iteration"] == 2.0 * 2 * 16 * 12 * 45 + 4.0 * 2 * 12 * 3 * 45);
  check_says(run(work, {"info", "small.json"}).out, "GFLOP/iteration");
  nlohmann::json one_worker = nlohmann::json::parse(small_config());
  one_worker["devices"] = "cpu:1";
  work.write("one.json", one_worker.dump());
  const std::string machine = std::string(GAMLP_SOURCE_DIR) + "/configs/machines/cpu.json";
  const Outcome plan = run(work, {"plan", "small.json", "--machine", machine, "--devices", "1", "--json"});
  REQUIRE(plan.status == 0);
  const Outcome one = run(work, {"info", "one.json", "--json"});
  CHECK(nlohmann::json::parse(one.out)["cost"]["memory_bytes"] ==
        nlohmann::json::parse(plan.out)["plans"][0]["memory_needed"]);

  work.write("missing.json", R"({"dataset": {"path": "nowhere.npz"},
    "exchange": {"p": {"bits": 4, "coding": "value"}, "q": {"bits": 4, "coding": "value"}}})");
  const Outcome missing = run(work, {"info", "missing.json"});
  CHECK(missing.status == 0);
  check_says(missing.out, "no estimate of cost: ");
  check_says(missing.out, "warning: ");
}

TEST_CASE("the estimated bytes of a run are the bytes that it sends") {
  const WorkFolder work;
  train_small(work);
  const auto result = nlohmann::json::parse(file_text(work / "run/result.json"));
  const auto config = nlohmann::json::parse(run(work, {"info", "run/config.json", "--json"}).out);
  CHECK(config["cost"]["stages"][1]["bytes_per_epoch"] == result["bytes_per_epoch_one_device_per_layer"]);
}

TEST_CASE("info describes a run") {
  const WorkFolder work;
  train_small(work);
  const Outcome outcome = run(work, {"info", "run", "--json"});
  REQUIRE(outcome.status == 0);
  const auto json = nlohmann::json::parse(outcome.out);
  CHECK(json["kind"] == "run");
  CHECK(json["finished"] == true);
  CHECK(json["epochs"] == 16);
  CHECK(json["last_epoch"]["epoch"] == 16);
  CHECK(json["result"]["test_accuracy"].is_number());
  const Outcome text = run(work, {"info", "run"});
  check_says(text.out, "run: finished");
  check_says(text.out, "2 -> 3 layers x 12");
}

}  // namespace gamlp::test
