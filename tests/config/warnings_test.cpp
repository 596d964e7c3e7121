#include "host/methods/admm/few_bits.hpp"
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

TEST_CASE("few bits that do not train as float32 does warn, and say what does", "[config]") {
  CHECK(warned("").empty());
  const std::string message = warned(R"("exchange": {"p": {"bits": 4}})");
  CHECK(contains(message, "`exchange.p.bits` is 4, values, nearest rounding, range \"tensor\": is unsafe"));
  CHECK(contains(message, "near float32 are 4 bits with coding \"difference\" and rounding \"nearest\""));
  CHECK_FALSE(contains(message, "exchange.q"));
  CHECK(contains(message, "with the exact update, which `method.update` \"auto\" may choose"));
  const std::string two = warned(R"("exchange": {"p": {"bits": 2}})");
  CHECK(contains(two, "`exchange.p.bits` is 2, values, nearest rounding, range \"tensor\": is unsafe"));
  CHECK_FALSE(contains(two, "auto"));  // with either update
  CHECK(warned(R"("exchange": {"p": {"bits": 4, "coding": "difference"}})").empty());
  CHECK(contains(warned(R"("exchange": {"p": {"bits": 4, "rounding": "stochastic"}})"), "stochastic rounding, range"));
  CHECK(contains(warned(R"("exchange": {"p": {"bits": 4, "error_feedback": true}})"), "error feedback, range"));
  CHECK(warned(R"("method": {"name": "adam"}, "exchange": {"p": {"bits": 1}})").empty());
}

TEST_CASE("bits reached through the schedule warn too", "[config]") {
  const std::string message = warned(R"("exchange": {"p": {"bits": 32}, "schedule": [{"epoch": 10, "bits": 2}]})");
  CHECK(contains(message, "`exchange.q.bits` reaches 2 by `exchange.schedule`, values, nearest"));
  CHECK_FALSE(contains(message, "exchange.p"));
  // The worst counts, wherever it stands in the schedule: 4-bit differences after 2-bit ones.
  CHECK(contains(warned(R"("method": {"update": "exact"}, "exchange": {"p": {"bits": 32}, "q": {"coding": "difference"},
                 "schedule": [{"epoch": 0, "bits": 2}, {"epoch": 9, "bits": 4}]})"),
                 "`exchange.q.bits` reaches 2"));
  // Never reached, so neither unsafe nor silent.
  const std::string late = warned(R"("exchange": {"schedule": [{"epoch": 200, "bits": 2}]})");
  CHECK_FALSE(contains(late, "unsafe"));
  CHECK(contains(late, "`exchange.schedule.0.epoch` is 200: never reached"));
  // Replaced from the first epoch on: the 4 bits are never used.
  CHECK(warned(R"("exchange": {"p": {"bits": 4}, "schedule": [{"epoch": 0, "bits": 8}]})").empty());
}

TEST_CASE("every exchange of few bits has the verdict that was measured", "[config]") {
  using enum FewBits;
  const Range block = Range::block, tensor = Range::tensor;
  struct Row {
    Coding coding;
    Rounding rounding;
    bool error_feedback;
    Range range;
    FewBits gradient[3], exact[3];  // of 1, 2 and 4 bits
  };
  const auto values = Coding::value, differences = Coding::difference;
  const auto nearest = Rounding::nearest, stochastic = Rounding::stochastic;
  const Row rows[] = {
      {values, nearest, false, block, {costs, near, near}, {unsafe, unsafe, unsafe}},
      {values, nearest, false, tensor, {unsafe, unsafe, costs}, {unsafe, unsafe, unsafe}},
      {values, nearest, false, Range::fixed, {unsafe, unsafe, unsafe}, {unsafe, unsafe, unsafe}},
      {values, nearest, true, block, {unsafe, unsafe, unsafe}, {unsafe, unsafe, unsafe}},
      {values, nearest, true, tensor, {unsafe, unsafe, unsafe}, {unsafe, unsafe, unsafe}},
      {values, stochastic, false, block, {unsafe, unsafe, unsafe}, {unsafe, unsafe, unsafe}},
      {values, stochastic, false, tensor, {unsafe, unsafe, unsafe}, {unsafe, unsafe, unsafe}},
      {values, stochastic, true, block, {unsafe, unsafe, unsafe}, {unsafe, unsafe, unsafe}},
      {values, stochastic, true, tensor, {unsafe, unsafe, unsafe}, {unsafe, unsafe, unsafe}},
      {differences, nearest, false, block, {near, near, near}, {costs, near, near}},
      {differences, nearest, false, tensor, {near, near, near}, {costs, unsafe, near}},
      {differences, stochastic, false, block, {near, near, near}, {costs, unsafe, near}},
      {differences, stochastic, false, tensor, {near, unsafe, near}, {costs, unsafe, near}},
  };
  for (const Row& row : rows) {
    CodecConfig codec;
    codec.coding = row.coding, codec.rounding = row.rounding, codec.error_feedback = row.error_feedback;
    codec.range = row.range;
    for (int i = 0; i < 3; ++i) {
      INFO(&row - rows << ", " << (1 << i) << " bits");
      CHECK(few_bits(codec, 1 << i, Update::gradient) == row.gradient[i]);
      CHECK(few_bits(codec, 1 << i, Update::exact) == row.exact[i]);
    }
    CHECK(few_bits(codec, 8, Update::exact) == (row.range == Range::fixed ? unsafe : near));
    CHECK(few_bits(codec, 8, Update::gradient) == near);
    CHECK(few_bits(codec, 32, Update::exact) == near);
  }
}

TEST_CASE("what only the exact update makes unsafe says so", "[config]") {
  const std::string exact = R"("method": {"update": "exact"}, )", gradient = R"("method": {"update": "gradient"}, )";
  const std::string one = R"("exchange": {"q": {"bits": 1, "coding": "difference"}})";
  CHECK(
      contains(warned(exact + one), "`exchange.q.bits` is 1, differences, nearest rounding, range \"tensor\": costs"));
  CHECK(warned(gradient + one).empty());
  CHECK(contains(warned(one), "with the exact update, which `method.update` \"auto\" may choose"));
  const std::string grid = R"("exchange": {"q": {"range": "fixed"}})";
  CHECK(contains(warned(exact + grid), "; near float32 are 8 bits with range \"tensor\""));
  CHECK(warned(gradient + grid).empty());
  const std::string two = R"("exchange": {"q": {"bits": 2, "coding": "difference"}})";
  CHECK(contains(warned(exact + two), "and 2 bits with range \"block\" too"));
  CHECK(warned(gradient + two).empty());
  CHECK(warned(exact + R"("exchange": {"q": {"bits": 2, "coding": "difference", "range": "block"}})").empty());
}

TEST_CASE("other doubtful settings warn", "[config]") {
  CHECK(contains(warned(R"("method": {"nu": 1, "rho": 2})"), "`method.rho` differs"));
  CHECK(contains(warned(R"("method": {"weight_decay": 0.1})"), "beyond layer 1"));
  CHECK(
      contains(warned(R"("stages": [{"layers": 5, "epochs": 9}], "method": {"weight_decay_layers": [1, 0, 0, 0, 1]})"),
               "beyond layer 1"));
  CHECK(
      warned(R"("stages": [{"layers": 5, "epochs": 9}], "method": {"weight_decay_layers": [1, 0, 0, 0, 0]})").empty());
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

TEST_CASE("keys that belong to other methods warn, where somebody set them", "[config]") {
  CHECK(warned(R"("method": {"optimizer": {"beta1": 0.9}, "microbatches": null})").empty());  // the defaults
  const std::string admm = warned(R"("method": {"microbatches": 2, "optimizer": {"beta1": 0.8}})");
  CHECK(contains(
      admm,
      "`method.optimizer` has no effect with `method.name` \"pdadmm-g\": it belongs to gd, nesterov, adadelta, "
      "adagrad, adam, apmsqueeze, local_sgd, lsgd, easgd, slowmo and diloco\n"));
  CHECK(contains(warned(R"("method": {"squeeze": {"bits": 8}})"), "`method.squeeze` has no effect"));
  CHECK(warned(R"("method": {"name": "adam", "squeeze": {"bits": 8}})").empty());
  CHECK(contains(admm, "`method.microbatches` has no effect"));
  // A config that compares methods holds the constants of ADMM beside those of the others.
  CHECK(warned(R"("method": {"name": "adam", "nu": 0.1, "rho": 0.1, "update": "exact", "microbatches": 2})").empty());
  for (const char* decay : {R"("weight_decay": 0.1)", R"("weight_decay_first": 1)",
                            R"("weight_decay_layers": [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])"}) {
    CHECK(contains(warned(std::string(R"("method": {"name": "adam", )") + decay + "}"),
                   "its own is `method.optimizer.weight_decay`"));
  }
  CHECK(warned(R"("method": {"name": "adam", "weight_decay": 0, "weight_decay_first": null})").empty());
}
