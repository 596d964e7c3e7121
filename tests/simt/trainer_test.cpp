// The whole trainer on devices that run the CUDA kernels' sources: the same loss curve and accuracy as on CPU workers.
#include "host/cpu/local_transport.hpp"
#include "host/device/thread_fleet.hpp"
#include "tests/simt/simt_device.hpp"
#include "tests/support/methods.hpp"
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

// What an epoch came to.
struct Outcome {
  double objective, test_accuracy;
  std::int64_t bytes_sent;
};

std::vector<Outcome> outcomes(const Config& config, const TrainOptions& options = {}) {
  const ScratchFolder scratch;
  run_in(scratch / "run", config, options);
  std::vector<Outcome> epochs;
  for (const std::string& line : lines_of(scratch / "run" / "metrics.jsonl")) {
    const auto json = nlohmann::json::parse(line);
    epochs.push_back({json.at("objective"), json.at("test_accuracy"), json.at("bytes_sent")});
  }
  return epochs;
}

double apart(double a, double b) { return std::abs(a - b); }

// Sums in another order change steps by rounding, of which a code makes a step of its grid, and a factor of the few
// inputs of 60 nodes some thousand roundings: by how much depends on the machine's libraries, and whether a code is
// moved at all on luck. So the executor may be as far from the CPU, but for a factor, as any of a number of CPU runs
// whose constants differ by some roundings.
void check_follows(const Config& config) {
  constexpr double kFactor = 4, kRounding = 1e-5;
  const std::vector<Outcome> expected = outcomes(config), found = outcomes(config, on_executor());
  const bool exact = admm_of(config).update == Update::exact;
  const double rho = exact ? 1e-3 : 1e-2;
  std::vector<std::vector<Outcome>> perturbed;
  for (const double factor : {1 + 1e-6, 1 - 1e-6, 1 + 4e-7, 1 - 4e-7}) {
    Config other = config;
    change_admm(other, [&](AdmmConfig& m) { m.rho = factor * rho; });
    perturbed.push_back(outcomes(other));
    other = config;
    change_admm(other, [&](AdmmConfig& m) { m.weight_decay_first = factor * 10 * rho; });
    perturbed.push_back(outcomes(other));
    other = config;
    change_admm(other, [&](AdmmConfig& m) { m.nu = m.rho = factor * rho; });
    change_admm(other, [&](AdmmConfig& m) { m.weight_decay_first = 10 * rho; });
    perturbed.push_back(outcomes(other));
    if (!exact) continue;
    other = config;
    change_admm(other, [&](AdmmConfig& m) { m.exact.beta *= factor; });
    perturbed.push_back(outcomes(other));
  }
  REQUIRE(found.size() == expected.size());
  double objective = 0, accuracy = 0;  // how far the perturbed runs have come from the CPU's
  for (std::size_t i = 0; i < found.size(); ++i) {
    const Outcome &a = expected[i], &b = found[i];
    for (const std::vector<Outcome>& run : perturbed) {
      objective = std::max(objective, apart(run.at(i).objective, a.objective) / a.objective);
      accuracy = std::max(accuracy, apart(run.at(i).test_accuracy, a.test_accuracy));
    }
    INFO("epoch " << i << ", perturbed runs are apart by " << objective << ", accuracy " << accuracy);
    CHECK(apart(b.objective, a.objective) <= (kFactor * objective + kRounding) * a.objective);
    CHECK(b.bytes_sent == a.bytes_sent);
    CHECK(apart(b.test_accuracy, a.test_accuracy) <= accuracy + 1.5 / 90.0);  // of 90 test nodes
  }
  CHECK(objective < 0.2);  // of runs that do not follow each other either, nothing would be shown
}

}  // namespace

// Layers with fewer nodes than inputs take the V × V form; a width of whole 16-byte rows above an odd number of
// classes.
TEST_CASE("the exact update with few nodes runs on the executor") {
  const Config config = small_config({"method.update=exact", "model.width=32", "dataset.split.train_per_class=5",
                                      "stages.0.epochs=2", "stages.1.epochs=3"});
  check_follows(config);
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
      check_follows(config);
    }
  }
}

}  // namespace gamlp::test
