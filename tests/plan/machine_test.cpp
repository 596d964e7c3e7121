// Machine files: what is read, what is refused, and the costs that they give.
#include <cmath>

#include "host/plan/op_shape.hpp"
#include "tests/plan/support.hpp"

namespace gamlp::test {
namespace {

using Json = nlohmann::ordered_json;

std::string refusal(const Json& json) {
  return error_of<DataError>([&] { machine_of(json); });
}

Json changed(Json json, const std::string& pointer, const Json& value) {
  json[Json::json_pointer(pointer)] = value;
  return json;
}

Mat floats(std::int64_t rows, std::int64_t cols) {
  return {reinterpret_cast<float*>(std::uintptr_t{4096}), rows, cols};  // never followed
}

}  // namespace

TEST_CASE("a machine file that is wrong is refused with file, key and expectation") {
  check_says(error_of<DataError>([] { parse_machine("{", "m.json"); }), "m.json: not JSON");
  check_says(error_of<DataError>([] { parse_machine(R"({"devices": 1e999})", "m.json"); }), "m.json: not JSON");
  check_says(error_of<DataError>([] { parse_machine("[]", "m.json"); }), "m.json: expected an object");
  Json without = simple_gpus();
  without.erase("memory_bandwidth");
  check_says(refusal(without), "test.json: memory_bandwidth: missing");
  check_says(refusal(changed(simple_gpus(), "/kind", "tpu")), "kind: expected \"cpu\" or \"gpu\", found \"tpu\"");
  check_says(refusal(changed(simple_gpus(), "/gemm_tflops", 0)),
             "expected a number above 0, from 1e-18 to 1e18, found 0");
  check_says(refusal(changed(simple_gpus(), "/op_seconds", -1)), "op_seconds: expected a number of at least 0");
  check_says(refusal(changed(simple_gpus(), "/gemm_tflops", 1e-300)),
             "gemm_tflops: expected a number above 0, from 1e-18 to");
  check_says(refusal(changed(simple_gpus(), "/memory_bandwidth", 1e300)), "from 1e-18 to 1e18, found 1e+300");
  check_says(refusal(changed(simple_gpus(), "/op_seconds", 1e19)),
             "op_seconds: expected a number of at least 0 and at most");
  check_says(refusal(changed(simple_gpus(), "/devices", 1.5)), "devices: expected a whole number");
  check_says(refusal(changed(simple_gpus(), "/link/bandwidth", "fast")), "link.bandwidth: expected a number above 0");
  check_says(refusal(changed(simple_gpus(), "/island", 2)), "link_between_islands: missing");
  check_says(refusal(changed(simple_gpus(), "/name", 3)), "name: expected a string");
  check_says(refusal(changed(simple_workers(), "/seconds", Json::object())), "seconds: expected an object");
  check_says(refusal(changed(simple_workers(), "/seconds", {{"one", Json::object()}})),
             "seconds.one: expected a number of workers");
  check_says(refusal(changed(simple_workers(), "/seconds/1/dot", Json::array())),
             "seconds.1.dot: expected a list of rows");
  check_says(refusal(changed(simple_workers(), "/seconds/1/dot", {{1, 2, -3}})),
             "dot: expected [sizes…, seconds], all above 0 and at most 1e15, found [1,2,-3]");
  check_says(error_of<DataError>([] { load_machine("no_such", "configs/x.json"); }),
             "--machine no_such: no such machine");
  check_says(error_of<DataError>([] { load_machine("/no/such.json", "configs/x.json"); }), "/no/such.json");
}

TEST_CASE("every machine of the project can be read, and says where its figures come from") {
  const fs::path folder = fs::path(GAMLP_SOURCE_DIR) / "configs/machines";
  int files = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    INFO(entry.path());
    const Machine machine = load_machine(entry.path().string(), "");
    CHECK(machine.devices >= 1);
    const Json json = Json::parse(read_file(entry.path()));
    REQUIRE(json.contains("sources"));
    if (machine.gpu) {
      CHECK(machine.host_bandwidth > 0);
      for (const char* key :
           {"memory_per_device", "gemm_tflops", "factor", "memory_bandwidth", "op_seconds", "host_bandwidth", "link"}) {
        INFO(key);
        CHECK(json["sources"].contains(key));
      }
    }
    const auto built_in = built_in_machines().find(entry.path().stem().string());
    REQUIRE(built_in != built_in_machines().end());
    CHECK(built_in->second == read_file(entry.path()));
    ++files;
  }
  CHECK(files >= 7);
  CHECK(static_cast<std::size_t>(files) == built_in_machines().size());
  const fs::path config = fs::path(GAMLP_SOURCE_DIR) / "configs/cora_100.json";
  CHECK(load_machine("dgx_h100", config).devices == 8);
  check_says(error_of<DataError>([&] { load_machine("dgx_9000", config); }), "there are a2_megagpu_16g, ");
}

TEST_CASE("a machine is found by its name from any folder, and a file beside the config comes first") {
  const ScratchFolder scratch;
  const fs::path config = scratch / "config.json", before = fs::current_path();
  fs::current_path(scratch.path());  // where there is no configs/machines
  const Machine built_in = load_machine("dgx_2", config);
  fs::current_path(before);
  CHECK(built_in.devices == 16);
  CHECK(built_in.origin == "machine dgx_2 (built in)");
  fs::create_directory(scratch / "machines");
  write_file_atomic(scratch / "machines/dgx_2.json", simple_gpus(3).dump());
  write_file_atomic(scratch / "machines/mine.json", simple_gpus(5).dump());
  CHECK(load_machine("dgx_2", config).devices == 3);
  CHECK(load_machine("mine", config).devices == 5);
  check_says(error_of<DataError>([&] { load_machine("yours", config); }), "hgx_h200, mine, pcie4_a100");
}

TEST_CASE("a measured machine survives its file") {
  Machine machine = machine_of(simple_workers());
  machine.seconds[2]["z_step"] = {{{100, 20, 1}, 1.5e-5}, {{7, 1, 1}, 2e-6}};
  const Machine again = parse_machine(machine_text(machine, {{"date", "today"}}), "again.json");
  CHECK(again.name == machine.name);
  CHECK(again.memory_total == machine.memory_total);
  REQUIRE(again.seconds.size() == 2);
  const auto& points = again.seconds.at(2).at("z_step");
  REQUIRE(points.size() == 2);
  CHECK(points[0].dims == std::array<double, 3>{100, 20, 1});
  CHECK(points[0].seconds == 1.5e-5);
  CHECK(points[1].dims == std::array<double, 3>{7, 1, 1});
}

TEST_CASE("shapes of ops") {
  const OpShape product = shape_of(ops::Gemm{floats(30, 20), floats(40, 20), floats(30, 40), false, true});
  CHECK(product.family == "gemm:nt");
  CHECK(product.dims == std::array<double, 3>{30, 40, 20});
  CHECK(product.flops == 2.0 * 30 * 40 * 20);
  CHECK(product.bytes == 4.0 * (600 + 800 + 1200));
  const OpShape transposed = shape_of(ops::Gemm{floats(30, 20), floats(30, 40), floats(20, 40), true, false});
  CHECK(transposed.dims == std::array<double, 3>{20, 40, 30});
  const OpShape copy = shape_of(ops::Copy{as_bytes(ConstMat(floats(3, 5))), as_bytes(floats(3, 5))});
  CHECK(copy.bytes == 120);
  ops::QDual dual{};
  dual.p = dual.z = floats(30, 20);
  dual.q = dual.u = floats(30, 20);
  dual.quantize.format.bits = 2;
  dual.quantize.format.coding = Coding::difference;
  dual.quantize.format.range = Range::block;
  const OpShape plain = shape_of(dual);
  CHECK(plain.family == "q_dual:2/difference/block");
  CHECK(plain.work == 600);
  CHECK(plain.bytes == 4.0 * 600 * (2 + 2 * 2));  // reads p and z, reads and writes q and u
  std::byte message[16];
  dual.quantize.message = {message, 1, 16};
  CHECK(shape_of(dual).family == "q_dual:2/difference/block+message");
}

TEST_CASE("costs from rates") {
  Json json = simple_gpus();
  json["op_seconds"] = 1e-6;
  json["gemm_saturation"] = 100.0;
  json["factor_column_seconds"] = 1e-6;
  json["island"] = 2;
  json["link_between_islands"] = {{"bandwidth", 1e8}, {"latency", 1e-3}};
  const Machine machine = machine_of(json);
  const auto costs = make_costs(machine, 4);
  // 100 × 100 outputs on 10 multiprocessors: 1000 each, 1000/(1000 + 100) of 1 TFLOP/s.
  const double product = costs->op_seconds(ops::Gemm{floats(100, 1000), floats(1000, 100), floats(100, 100)});
  CHECK(product == Approx(1e-6 + 2e7 / (1e12 / 1.1)));
  // A product of few outputs per value read is bound by memory.
  const double narrow = costs->op_seconds(ops::Gemm{floats(1000, 1000), floats(1000, 1), floats(1000, 1)});
  CHECK(narrow == Approx(1e-6 + 4.0 * (1e6 + 2000) / 1e12).epsilon(1e-9));
  const double zero = costs->op_seconds(ops::Zero{as_bytes(floats(1000, 1000))});
  CHECK(zero == Approx(1e-6 + 4e6 / 1e12));
  ops::WFactor factor{};
  factor.factor = floats(300, 300);
  CHECK(costs->op_seconds(factor) == Approx(1e-6 + 300e-6 + 300.0 * 300 * 300 / 3 / 0.5e12));
  CHECK(costs->message(0, 1, 1000).seconds() == Approx(1e-6));
  CHECK(costs->message(1, 2, 1000).seconds() == Approx(1e-3 + 1e-5));
  CHECK(costs->message(0, 1, 1000).link == 0);
  CHECK(costs->message(1, 2, 1000).link == 1);
  CHECK_FALSE(costs->copies_on_worker());
}

TEST_CASE("messages between the hosts of a machine take the network") {
  Json json = simple_gpus();
  json["devices"] = 8;
  json["island"] = 2;
  json["link_between_islands"] = {{"bandwidth", 1e8}, {"latency", 1e-3}};
  const Machine four = on_hosts(machine_of(json), 2, 800);
  CHECK(four.devices == 16);
  CHECK(spread_over_hosts(four, 6) == std::vector<int>{0, 0, 0, 1, 1, 1});
  CHECK(spread_over_hosts(four, 3) == std::vector<int>{0, 0, 1});
  CHECK(spread_over_hosts(machine_of(json), 3) == std::vector<int>{0, 0, 0});
  CHECK(spread_over_hosts(on_hosts(machine_of(json), 4, 1), 5) == std::vector<int>{0, 0, 1, 2, 3});
  CHECK(spread_over_hosts(on_hosts(machine_of(json), 4, 1), 2) == std::vector<int>{0, 1});
  const auto costs = make_costs(four, std::vector<int>{0, 0, 0, 1, 1, 1});
  const auto away = costs->message(2, 3, 1000);
  CHECK(away.between_hosts());
  CHECK(away.from_host == 0);
  CHECK(away.to_host == 1);
  CHECK(away.seconds() == Approx(50e-6 + 1000 / 100e6));
  // Devices 3 and 4 are the first two of the second host: one island.
  CHECK_FALSE(costs->message(3, 4, 1000).between_hosts());
  CHECK(costs->message(3, 4, 1000).link == 0);
  CHECK(costs->message(4, 5, 1000).link == 1);
  CHECK(costs->op_seconds(ops::Zero{as_bytes(floats(10, 10))}) ==
        make_costs(four, 1)->op_seconds(ops::Zero{as_bytes(floats(10, 10))}));
  // In a file.
  json["hosts"] = 2;
  json["network"] = {{"bandwidth", 5e9}, {"latency", 1e-5}};
  CHECK(machine_of(json).hosts == 2);
  CHECK(make_costs(machine_of(json), spread_over_hosts(machine_of(json), 8))->message(3, 4, 1000).seconds() ==
        Approx(1e-5 + 1000 / 5e9));
  check_says(error_of<ConfigError>([&] { on_hosts(machine_of(json), 3, 100); }),
             "--hosts 3: test.json is of 2 hosts already");
  json["hosts"] = 3;
  check_says(error_of<DataError>([&] { machine_of(json); }), "hosts: expected a number that divides the devices");
  json["hosts"] = 2;
  json.erase("network");
  check_says(error_of<DataError>([&] { machine_of(json); }), "network");
}

TEST_CASE("costs from measurements") {
  Json json = simple_workers();
  Json& one = json["seconds"]["1"];
  // 10 GFLOP/s at every size measured.
  one["gemm:nn"] = Json::array();
  for (const double n : {10.0, 50.0, 100.0, 200.0, 400.0, 800.0})
    one["gemm:nn"].push_back({n, n, n, 2 * n * n * n / 1e10});
  one["p_target:8/value/tensor"] = Json::array();
  for (const double n : {10.0, 50.0, 100.0, 200.0, 400.0, 800.0}) {
    one["p_target:8/value/tensor"].push_back({n, n, n * n * 1e-9});
  }
  for (const char* family : {"p_project:8/value/tensor", "p_gradient"}) {
    one[family] = Json::array();
    for (const double n : {10.0, 50.0, 100.0, 200.0, 400.0, 800.0}) one[family].push_back({n, n, n * n * 4e-9});
  }
  one["p_target:2/value/tensor"] = {{100, 100, 3e-5}};  // three times as long
  const Machine machine = machine_of(json);
  const auto costs = make_costs(machine, 1);
  CHECK(costs->op_seconds(ops::Gemm{floats(100, 100), floats(100, 100), floats(100, 100)}) ==
        Approx(2e6 / 1e10).epsilon(1e-3));
  CHECK(costs->op_seconds(ops::Gemm{floats(300, 70), floats(70, 20), floats(300, 20)}) ==
        Approx(2.0 * 300 * 70 * 20 / 1e10).epsilon(1e-3));
  ops::PTarget target{floats(30, 40), floats(30, 40), {}};
  target.quantize.format.bits = 8;
  CHECK(costs->op_seconds(target) == Approx(1200e-9).epsilon(1e-3));
  target.quantize.format.bits = 2;
  CHECK(costs->op_seconds(target) == Approx(3600e-9).epsilon(1e-3));
  // A machine without figures for the p step that finishes its gradient: the step and the gradient.
  ops::PProject step;
  step.p = step.g = floats(20, 50);
  step.quantize.format.bits = 8;
  const double apart = costs->op_seconds(step);
  step.u = step.q = floats(20, 50);
  CHECK(costs->op_seconds(step) == Approx(apart + 1000 * 4e-9).epsilon(1e-3));
  check_says(error_of<DataError>([&] { costs->op_seconds(ops::Zero{as_bytes(floats(3, 3))}); }),
             "test.json: seconds: no figures for zero");
  CHECK(costs->message(0, 1, 1000).seconds() == Approx(1e-6));
  CHECK(costs->copies_on_worker());
}

}  // namespace gamlp::test
