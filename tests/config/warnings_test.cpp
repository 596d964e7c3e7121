#include "tests/config/support.hpp"

using namespace gamlp;
using test::contains;

namespace {

std::string warned(const std::string& rest) {
  std::string all;
  for (const std::string& line : config_warnings(test::parsed(test::with_dataset(rest)))) all += line + "\n";
  return all;
}

}  // namespace

TEST_CASE("plain nearest rounding at few bits warns", "[config]") {
  CHECK(warned("").empty());
  const std::string message = warned(R"("exchange": {"p": {"bits": 4}})");
  CHECK(contains(message, "`exchange.p.bits` is 4: plain nearest rounding at 4 bits or fewer is unsafe"));
  CHECK_FALSE(contains(message, "exchange.q"));
  CHECK(warned(R"("exchange": {"p": {"bits": 4, "rounding": "stochastic"}})").empty());
  CHECK(warned(R"("exchange": {"p": {"bits": 4, "error_feedback": true}})").empty());
  CHECK(warned(R"("exchange": {"p": {"bits": 4, "coding": "difference"}})").empty());
}

TEST_CASE("bits reached through the schedule warn too", "[config]") {
  const std::string message = warned(R"("exchange": {"p": {"bits": 32}, "schedule": [{"epoch": 10, "bits": 2}]})");
  CHECK(contains(message, "`exchange.q.bits` reaches 2 by `exchange.schedule`: plain nearest"));
  CHECK_FALSE(contains(message, "exchange.p"));
  // Never reached, so neither unsafe nor silent.
  const std::string late = warned(R"("exchange": {"schedule": [{"epoch": 200, "bits": 2}]})");
  CHECK_FALSE(contains(late, "unsafe"));
  CHECK(contains(late, "`exchange.schedule.0.epoch` is 200: never reached"));
  // Replaced from the first epoch on: the 4 bits are never used.
  CHECK(warned(R"("exchange": {"p": {"bits": 4}, "schedule": [{"epoch": 0, "bits": 8}]})").empty());
}

TEST_CASE("settings that are known to fail with the exact update warn", "[config]") {
  const std::string exact = R"("method": {"update": "exact"}, )";
  CHECK(contains(warned(exact + R"("exchange": {"q": {"bits": 1, "coding": "difference"}})"), "uses 1 bit"));
  CHECK(contains(warned(exact + R"("exchange": {"q": {"bits": 2, "coding": "difference"}})"), "use range \"block\""));
  CHECK(warned(exact + R"("exchange": {"q": {"bits": 2, "coding": "difference", "range": "block"}})").empty());
  CHECK(warned(R"("exchange": {"q": {"bits": 1, "coding": "difference"}})").empty());
}

TEST_CASE("other doubtful settings warn", "[config]") {
  CHECK(contains(warned(R"("method": {"nu": 1, "rho": 2})"), "`method.rho` differs"));
  CHECK(contains(warned(R"("method": {"weight_decay": 0.1})"), "beyond layer 1"));
  CHECK(
      contains(warned(R"("stages": [{"layers": 5, "epochs": 9}], "method": {"weight_decay_layers": [1, 0, 0, 0, 1]})"),
               "beyond layer 1"));
  CHECK(
      warned(R"("stages": [{"layers": 5, "epochs": 9}], "method": {"weight_decay_layers": [1, 0, 0, 0, 0]})").empty());
  CHECK(contains(warned(R"("devices": "cpu:11")"), "more workers than the 10 layers"));
  CHECK(warned(R"("devices": "cpu:10")").empty());
}

TEST_CASE("numbers that a shape replaces warn", "[config]") {
  const auto count = [](const char* generate) {
    return config_warnings(test::parsed(std::string("{\"dataset\": {\"generate\": ") + generate + "}}")).size();
  };
  CHECK(count(R"({"shape": "cora"})") == 0);
  CHECK(count(R"({"nodes": 500})") == 0);
  CHECK(count(R"({"shape": "cora", "nodes": 500})") == 1);
}
