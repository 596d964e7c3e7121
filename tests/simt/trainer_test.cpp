// The whole trainer on devices that run the CUDA kernels' sources: the same loss curve and accuracy as on CPU workers.
#include "host/cpu/local_transport.hpp"
#include "host/device/thread_fleet.hpp"
#include "tests/simt/simt_device.hpp"
#include "tests/train/support.hpp"

namespace gamlp::test {
namespace {

TrainOptions on_executor() {
  TrainOptions options;
  options.create_fleet = [](int devices) {
    auto ends = create_local_transports(devices);
    std::vector<ThreadFleet::Member> members;
    for (int rank = 0; rank < devices; ++rank) {
      members.push_back({std::make_unique<SimtDevice>(rank), std::move(ends[static_cast<std::size_t>(rank)])});
    }
    return std::make_unique<ThreadFleet>(std::move(members));
  };
  return options;
}

// Runs the config on CPU workers and on the executor, and hands over what each epoch says.
void on_both(const Config& config,
             const std::function<void(const nlohmann::json& cpu, const nlohmann::json& executor)>& compare) {
  const ScratchFolder scratch;
  run_in(scratch / "cpu", config);
  run_in(scratch / "executor", config, on_executor());
  const auto expected = lines_of(scratch / "cpu" / "metrics.jsonl");
  const auto found = lines_of(scratch / "executor" / "metrics.jsonl");
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    INFO("epoch " << i);
    compare(nlohmann::json::parse(expected[i]), nlohmann::json::parse(found[i]));
  }
}

}  // namespace

// Layers with fewer nodes than inputs take the V × V form; a width of whole 16-byte rows above an odd number of
// classes.
TEST_CASE("the exact update with few nodes runs on the executor") {
  const Config config = small_config({"method.update=exact", "model.width=32", "dataset.split.train_per_class=5",
                                      "stages.0.epochs=2", "stages.1.epochs=3"});
  on_both(config, [](const nlohmann::json& a, const nlohmann::json& b) {
    CHECK(b.at("objective").get<double>() == Approx(a.at("objective").get<double>()).epsilon(1e-2));
  });
}

TEST_CASE("training on the executor follows training on the CPU") {
  std::vector<Coded> cases = codings();
  cases.push_back({"float32", {"exchange.p.bits=32", "exchange.q.bits=32"}});
  for (const char* update : {"gradient", "exact"}) {
    for (const Coded& coded : cases) {
      INFO(update << ", " << coded.name);
      const Config config = small_config(
          joined(coded.overrides, {std::string("method.update=") + update, "devices=cpu:2", "model.width=9",
                                   "stages.0.epochs=3", "stages.1.epochs=5", "exchange.p.block=32"}));
      on_both(config, [&](const nlohmann::json& a, const nlohmann::json& b) {
        // Sums in another order change steps by rounding, of which a code makes a step of its grid, and a factor of
        // the few inputs of 60 nodes some thousand roundings.
        const bool coarse = std::string(coded.name) != "float32";
        const double eps = coarse ? 1e-2 : std::string(update) == "exact" ? 1e-3 : 1e-4;
        CHECK(b.at("objective").get<double>() == Approx(a.at("objective").get<double>()).epsilon(eps));
        CHECK(b.at("bytes_sent") == a.at("bytes_sent"));
        const double apart = std::abs(b.at("test_accuracy").get<double>() - a.at("test_accuracy").get<double>());
        CHECK(apart <= (coarse ? 4.5 : 1.5) / 90.0);  // of 90 test nodes
      });
    }
  }
}

}  // namespace gamlp::test
