// gamlp plan, gamlp bench --machine and gamlp train --trace from the command line.
#include "tests/cli/program.hpp"
#include "tests/support/timeline.hpp"

namespace gamlp::test {
namespace {

nlohmann::json json_in(const WorkFolder& work, const std::string& name) {
  return nlohmann::json::parse(file_text(work / name));
}

// Options of a forecast on a machine of the project.
std::vector<std::string> on(const std::string& machine, std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = {"plan", "small.json", "--machine",
                                        std::string(GAMLP_SOURCE_DIR) + "/configs/machines/" + machine + ".json"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

}  // namespace

TEST_CASE("a forecast needs no file but the config") {
  const WorkFolder work;  // outside the source tree
  work.write("small.json", small_config());
  const Outcome unnamed = run(work, {"plan", "small.json", "--devices", "1"});
  INFO(unnamed.err);
  CHECK(unnamed.status == 0);
  const Outcome named = run(work, {"plan", "small.json", "--devices", "1", "--machine", "dgx_2"});
  INFO(named.err);
  CHECK(named.status == 0);
  check_says(named.out, "DGX-2");
}

TEST_CASE("a forecast as text, as JSON and as a file") {
  const WorkFolder work;
  work.write("small.json", small_config());
  const Outcome text = run(work, on("dgx_h100", {"--devices", "2", "--output", "plan.json"}));
  INFO(text.err);
  REQUIRE(text.status == 0);
  for (const char* part : {"DGX H100", "step", "exchange", "memory", "partition", "limit", "idle"})
    check_says(text.out, part);
  const nlohmann::json file = json_in(work, "plan.json");
  REQUIRE(file["plans"].size() == 1);
  CHECK(file["plans"][0]["devices"] == 2);
  CHECK(file["plans"][0]["per_device"].size() == 2);
  const Outcome json = run(work, on("dgx_h100", {"--devices", "2", "--json"}));
  CHECK(nlohmann::json::parse(json.out) == file);
}

TEST_CASE("a sweep over devices") {
  const WorkFolder work;
  work.write("small.json", small_config());
  const Outcome sweep = run(work, on("dgx_2", {"--sweep", "devices=1..4", "--output", "sweep.json", "--set",
                                               R"(stages=[{"layers": 6, "epochs": 9}])"}));
  INFO(sweep.err);
  REQUIRE(sweep.status == 0);
  check_says(sweep.out, "efficiency");
  const nlohmann::json plans = json_in(work, "sweep.json")["plans"];
  REQUIRE(plans.size() == 4);
  const Outcome uneven = run(work, on("dgx_2", {"--devices", "3", "--set", R"(stages=[{"layers": 6, "epochs": 9}])",
                                                "--set", "partition=[5, 1]"}));
  CHECK(uneven.status == 3);
  check_says(uneven.err, "3 devices: `partition.layers` has 2 entries for 3 devices");
  CHECK(plans[0]["speedup"] == 1.0);
  for (const char* wrong : {"devices=0..4", "devices=4..2", "devices=1-4", "width=1..4", "devices=1..x"}) {
    const Outcome outcome = run(work, on("dgx_2", {"--sweep", wrong}));
    INFO(wrong);
    CHECK(outcome.status == 3);
    check_says(outcome.err, "expected devices=FIRST..LAST");
  }
  CHECK(run(work, on("dgx_2", {"--sweep", "devices=1..2", "--devices", "2"})).status == 2);
}

TEST_CASE("sizes instead of a dataset") {
  const WorkFolder work;
  work.write("missing.json", R"({"dataset": {"path": "nowhere.npz"}, "model": {"width": 4000},
                                 "stages": [{"layers": 16, "epochs": 100}]})");
  const std::string machine = std::string(GAMLP_SOURCE_DIR) + "/configs/machines/a2_megagpu_16g.json";
  const Outcome missing = run(work, {"plan", "missing.json", "--machine", machine});
  CHECK(missing.status == 4);
  check_says(missing.err, "nowhere.npz");
  check_says(missing.err, "--problem");
  const Outcome given =
      run(work, {"plan", "missing.json", "--machine", machine, "--problem", "44625,2000,7", "--devices", "16"});
  INFO(given.err);
  CHECK(given.status == 0);
  check_says(given.out, "44,625 training nodes");
  for (const char* wrong : {"44625", "44625,2000", "44625,2000,0", "44625,2000,7,1", "a,b,c"}) {
    INFO(wrong);
    CHECK(run(work, {"plan", "missing.json", "--machine", machine, "--problem", wrong}).status == 3);
  }
}

TEST_CASE("what does not fit is refused, with what would") {
  const WorkFolder work;
  work.write("small.json", small_config());
  const Outcome outcome = run(
      work, on("aws_p2_16xlarge", {"--problem", "90941,512,40", "--devices", "1", "--set", "model.width=4000", "--set",
                                   R"(stages=[{"layers": 16, "epochs": 9}])", "--set", "node_memory=100000"}));
  CHECK(outcome.status == 3);
  CHECK(outcome.out.empty());
  check_says(outcome.err, "does not fit AWS p2.16xlarge");
  check_says(outcome.err, "would fit: ");
  check_says(outcome.err, "model.width=");
  check_says(outcome.err, ", or node_memory=0");
}

TEST_CASE("several hosts are forecast with the network between them, and only with it") {
  const WorkFolder work;
  work.write("small.json", small_config());
  const auto planned = [&](const std::string& devices, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"plan",  "small.json", "--machine", "dgx_h100",  "--devices",
                                          devices, "--hosts",    "2",         "--problem", "1207179,640,172"};
    for (const char* value :
         {"model.width=512", "devices=auto", R"(stages=[{"layers": 4, "epochs": 9}])", "partition.shards=4"}) {
      arguments.insert(arguments.end(), {"--set", value});
    }
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(work, arguments);
  };
  const Outcome unknown = planned("16", {});
  CHECK(unknown.status == 3);
  check_says(unknown.err, "--hosts 2 needs the speed of the network between them: --set distributed.network=MBIT");
  const std::vector<std::string> network = {"--set", "distributed.network=400000"};
  const Outcome known = planned("16", network);
  CHECK(known.status == 0);
  check_says(known.out, "forecast for 2 hosts over 400 Gbit/s, each: DGX H100");
  check_says(known.out, "; a host sends or receives ");
  check_says(known.out, "4 × 4 by layers ");
  check_says(known.out, "; fastest: partition.shards=4 partition.order=layers");
  check_says(known.out, "layers × 4 shards, by layers");
  check_says(planned("20", network).err, "has 16");
}

TEST_CASE(
    "tensors of nodes that GPUs have no room for pass from the host's memory, and the plan says what that costs") {
  const WorkFolder work;
  work.write("small.json", small_config());
  const auto planned = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = {
        "--problem", "1207179,640,172", "--iterations", "2",
        "--set",     "model.width=512", "--set",        R"(stages=[{"layers": 8, "epochs": 9}])"};
    all.insert(all.end(), more.begin(), more.end());
    return run(work, on("dgx_h100", all));
  };
  const Outcome one = planned({"--devices", "1"}), eight = planned({"--devices", "8"});
  INFO(one.err << one.out);
  CHECK(one.status == 0);
  check_says(one.out, " GB in the host's memory (node_memory=");
  check_says(one.out, " per iteration to the busiest device and back");
  check_says(one.out, " for copies from the host's memory");
  CHECK(eight.out.find("host's memory") == std::string::npos);
  check_says(eight.out, "; fastest: partition.shards=8");
  check_says(planned({"--devices", "2", "--set", "stages=[{\"layers\": 12, \"epochs\": 9}]"}).out, " ms (staged)");
}

TEST_CASE("a wrong machine is told by file and key") {
  const WorkFolder work;
  work.write("small.json", small_config());
  work.write("bad.json", R"({"name": "x", "kind": "gpu", "devices": 2})");
  const Outcome bad = run(work, {"plan", "small.json", "--machine", "bad.json"});
  CHECK(bad.status == 4);
  check_says(bad.err, "bad.json: memory_per_device: missing");
  CHECK(run(work, {"plan", "small.json", "--machine", "no_such"}).status == 4);
  const Outcome many = run(work, on("dgx_h100", {"--devices", "9"}));
  CHECK(many.status == 3);
  check_says(many.err, "has 8");
}

TEST_CASE("this machine, measured: its forecast, and both timelines") {
  const WorkFolder work;
  work.write("small.json", small_config());
  const Outcome measured = run(work, {"bench", "--machine", "mine.json", "--quick"});
  INFO(measured.err);
  REQUIRE(measured.status == 0);
  const nlohmann::json machine = json_in(work, "mine.json");
  CHECK(machine["kind"] == "cpu");
  CHECK(machine["seconds"]["1"].contains("gemm:nt"));
  const Outcome plan =
      run(work, {"plan", "small.json", "--machine", "mine.json", "--devices", "1", "--trace", "forecast.json"});
  INFO(plan.err);
  REQUIRE(plan.status == 0);
  CHECK(read_timeline(work / "forecast.json")["traceEvents"].size() > 50);
  const Outcome threads = run(work, {"plan", "small.json", "--machine", "mine.json", "--set", "threads_per_device=3"});
  CHECK(threads.status == 3);
  check_says(threads.err, "--threads 3");

  for (const char* method : {"pdadmm-g", "adam"}) {
    const Outcome here = run(work, {"plan", "small.json", "--machine", "here", "--sweep", "devices=1..3", "--as-if",
                                    "--output", "here.json", "--set", std::string("method.name=") + method});
    INFO(here.err);
    REQUIRE(here.status == 0);
    check_says(here.out, "measured now");
    const nlohmann::json sweep = json_in(work, "here.json");
    CHECK(sweep["machine_file"] == "measured now");
    REQUIRE(sweep["plans"].size() == 3);
    for (const auto& one : sweep["plans"]) CHECK(one["step_seconds"].get<double>() > 0.0);
  }
  // All cores are one worker: nobody sends anything that could be measured.
  for (const char* update : {"gradient", "exact"}) {
    const Outcome alone =
        run(work, {"plan", "small.json", "--machine", "here", "--sweep", "devices=1..3", "--as-if", "--set",
                   "threads_per_device=1000", "--set", std::string("method.update=") + update});
    INFO(alone.err);
    CHECK(alone.status == 0);
    check_says(alone.out, "as if it had 3");
  }
  // The first gradients of two layers come in the second iteration, by ops of their own.
  const Outcome two = run(work, {"plan", "small.json", "--machine", "here", "--set", "method.update=gradient", "--set",
                                 R"(stages=[{"layers": 2, "epochs": 5}])"});
  INFO(two.err);
  CHECK(two.status == 0);
  const Outcome large = run(work, {"plan", "small.json", "--machine", "here", "--problem", "20000000,5000,7"});
  CHECK(large.status == 3);
  check_says(large.err, "do not fit this machine's memory");

  const Outcome train = run(work, {"train", "small.json", "--quiet", "--trace", "real.json"});
  INFO(train.err);
  REQUIRE(train.status == 0);
  CHECK(read_timeline(work / "real.json")["traceEvents"].size() > 50);
  const Outcome nowhere = run(work, {"train", "small.json", "--run", "again", "--trace", "no/such/folder.json"});
  CHECK(nowhere.status == 5);
  CHECK_FALSE(fs::exists(work / "again"));
  CHECK(run(work, {"bench"}).status == 2);
  CHECK(run(work, {"bench", "small.json", "--machine", "x.json"}).status == 2);
  CHECK(run(work, {"bench", "--machine", "no/such/folder.json"}).status == 5);
}

}  // namespace gamlp::test
