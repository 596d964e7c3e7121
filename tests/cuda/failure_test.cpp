// Every call of the runtime and the libraries fails once: a clear error, and nothing is left behind.
#include "cuda/accelerator.hpp"
#include "host/device/accelerator.hpp"
#include "tests/cuda/fake_cuda.hpp"
#include "tests/train/support.hpp"

namespace gamlp::test {
namespace {

// "": the run came to its end, e.g. because a graph that cannot be made is not needed.
std::string failure_of(const Config& config, std::int64_t fail_at) {
  fake_cuda::reset({.seed = static_cast<std::uint64_t>(fail_at), .fail_at = fail_at});
  const ScratchFolder scratch;
  try {
    run_in(scratch / "run", config);
    return "";
  } catch (const DeviceError& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("whichever call fails, the run ends with an error that names it, and leaks nothing") {
  use_cuda();
  fake_cuda::reset({});
  REQUIRE(accelerator()->count() == 4);
  for (const char* method : {"method.update=gradient", "method.update=exact", "method.name=adam"}) {
    const Config config =
        small_config({"model.width=5", "dataset.generate.nodes=40", "dataset.split.train_per_class=4",
                      "dataset.split.validation=8", "dataset.split.test=8", "stages.0.epochs=3", "stages.1.epochs=4",
                      "devices=cuda:0,0", method, "exchange.p.bits=8", "exchange.q.bits=8"});
    CHECK(failure_of(config, 0) == "");
    const std::int64_t calls = fake_cuda::counts().calls;
    CHECK(calls > 500);
    // The first calls, which set everything up, one by one; then some of each iteration's.
    Random random(1);
    std::int64_t step = 1, completed = 0, failed = 0;
    for (std::int64_t at = 1; at <= calls; at += step) {
      if (at > 160) step = 1 + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(calls) / 20));
      const std::string message = failure_of(config, at);
      const fake_cuda::Counts counts = fake_cuda::counts();
      INFO(method << ": call " << at << " (" << counts.failed_call << "): " << message);
      CHECK(counts.live == 0);
      CHECK(counts.misuse == "");
      if (counts.failed_call.empty()) continue;  // another order of calls: this run was over before
      message.empty() ? ++completed : ++failed;
      if (message.empty()) {
        const bool graph = counts.failed_call.find("Graph") != std::string::npos ||
                           counts.failed_call.find("Capture") != std::string::npos || counts.captures > 0;
        CHECK(graph);
      } else {
        const bool named = message.find("failed") != std::string::npos || message.find("cannot") != std::string::npos;
        CHECK(named);
      }
    }
    CHECK(failed > 100);
  }
}

}  // namespace gamlp::test
