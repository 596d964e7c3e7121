// Augmentation by cuSPARSE on the stand-in: the CPU's features in blocks of any width, with the graph on the device or
// streamed, and every failure.
#include "cuda/graph/augment.hpp"

#include <algorithm>
#include <cstring>

#include "cuda/accelerator.hpp"
#include "tests/cuda/fake_cuda.hpp"
#include "tests/graph/random_graph.hpp"
#include "tests/graph/rounding.hpp"
#include "tests/support/catch.hpp"
#include "tests/train/support.hpp"

namespace gamlp::test {
namespace {

const std::vector<std::int32_t> kFew = {299, 3, 3, 41, 0, 17, 120, 121, 122};

}  // namespace

TEST_CASE("features augmented on the device are the CPU's but for rounding") {
  for (const bool sparse : {false, true}) {
    const Dataset dataset = random_dataset(300, 1500, 37, sparse, 5);
    const Csr propagation = propagation_matrix(dataset.adjacency, PropagationOperator::symmetric);
    for (const std::int64_t hops : {1, 2, 5}) {
      for (const std::size_t memory : {std::size_t{1} << 20, std::size_t{100} << 10, std::size_t{60} << 10}) {
        INFO((sparse ? "sparse, " : "dense, ") << hops << " hops, " << memory << " bytes");
        Matrix first;
        for (const std::uint64_t seed : {1, 2}) {
          fake_cuda::reset({.seed = seed, .memory = memory});
          std::string note;
          const Matrix x = cuda::augment(1, propagation, dataset, kFew, hops, note);
          CHECK(worst_share(x, propagation, dataset, kFew, hops) <= 1.0);
          CHECK(note.empty() == (memory > (std::size_t{60} << 10)));
          CHECK(fake_cuda::counts().misuse == "");
          CHECK(fake_cuda::counts().live == 0);
          if (seed == 1) first = x;
          CHECK(std::memcmp(first.data(), x.data(), static_cast<std::size_t>(x.size()) * 4) == 0);
        }
      }
    }
  }
}

TEST_CASE("blocks are as wide as memory allows, and what cannot be says how much it needs") {
  const auto plan = [](std::size_t bytes) { return cuda::plan_augment(1000, 50, 100, 20000, 300, bytes); };
  const cuda::AugmentPlan roomy = plan(std::size_t{1} << 30);
  CHECK(roomy.columns == 52);
  CHECK(roomy.resident);
  CHECK(roomy.slab_entries == 20000);
  bool resident = true;
  for (std::size_t bytes = 600000; bytes >= 160000; bytes -= 20000) {
    const cuda::AugmentPlan p = plan(bytes);
    INFO(bytes << " bytes: " << p.columns << " columns");
    CHECK(p.columns >= 16);
    CHECK(p.columns <= 52);
    CHECK(p.columns % 4 == 0);
    const std::size_t used = (2 * 1000 + 100) * static_cast<std::size_t>(p.columns) * 4 +
                             static_cast<std::size_t>(p.slab_entries) * 8 + (2 * 1000 + 1 + 100) * 4;
    CHECK(used <= bytes);
    CHECK(p.slab_entries >= 300);
    CHECK((resident || !p.resident));  // less memory never brings the graph back
    resident = p.resident;
  }
  CHECK(!plan(200000).resident);
  check_says(error_of<DeviceError>([&] { plan(100000); }), "blocks of 16 features of 1000 nodes");
  CHECK(cuda::plan_augment(1000, 3, 0, 2000, 3, 1 << 20).columns == 4);
  // A block has 256 columns at most, and values that 32 bits can count.
  constexpr std::size_t kVast = std::size_t{1} << 50;
  CHECK(cuda::plan_augment(1'000'000, 5'000'000, 10, 2000, 3, kVast).columns == 256);
  CHECK(cuda::plan_augment(10'000'000, 5000, 10, 2000, 3, kVast).columns == 212);
  CHECK(cuda::plan_augment(2'000'000'000, 5, 10, 2000, 3, kVast).columns == 4);
}

TEST_CASE("whichever call of the augmentation fails, it ends with an error and leaks nothing") {
  const Dataset dataset = random_dataset(300, 1500, 37, false, 5);
  const Csr propagation = propagation_matrix(dataset.adjacency, PropagationOperator::symmetric);
  for (const std::size_t memory : {std::size_t{100} << 10, std::size_t{60} << 10}) {
    std::string note;
    for (int round = 0; round < 2; ++round) {  // the thread's first one also chooses the device
      fake_cuda::reset({.memory = memory});
      cuda::augment(0, propagation, dataset, kFew, 3, note);
    }
    const std::int64_t calls = fake_cuda::counts().calls;
    CHECK(calls > 40);
    for (std::int64_t at = 1; at <= calls; ++at) {
      fake_cuda::reset({.fail_at = at, .memory = memory});
      const std::string message = error_of<DeviceError>([&] { cuda::augment(0, propagation, dataset, kFew, 3, note); });
      INFO("call " << at << " (" << fake_cuda::counts().failed_call << "): " << message);
      const bool named = message.find("failed") != std::string::npos || message.find("cannot") != std::string::npos;
      CHECK(named);
      CHECK(fake_cuda::counts().live == 0);
      CHECK(fake_cuda::counts().misuse == "");
    }
  }
}

TEST_CASE("what a GPU cannot augment the CPU does, and says so") {
  use_cuda();
  fake_cuda::reset({.memory = 2000});
  const Problem a = prepare_problem(small_config({"devices=cuda:0"}), 1).problem;
  const Problem b = prepare_problem(small_config(), 1).problem;
  REQUIRE(!a.notes.empty());
  check_says(a.notes.back(), "augmented on the CPU, not on cuda:0: augmentation: blocks of ");
  for (std::size_t part = 0; part < 3; ++part) {
    const ConstMat x = a.layer_inputs.front().part(part), y = b.layer_inputs.front().part(part);
    REQUIRE(x.size() == y.size());
    CHECK(std::memcmp(x.data, y.data, static_cast<std::size_t>(x.size()) * sizeof(float)) == 0);
  }
  // One hop is the features as they are: nothing is asked of the GPU.
  fake_cuda::reset({.memory = 2000});
  const Problem c = prepare_problem(small_config({"devices=cuda:0", "dataset.hops=1"}), 1).problem;
  CHECK(std::none_of(c.notes.begin(), c.notes.end(),
                     [](const std::string& note) { return note.find("on the CPU") != std::string::npos; }));
  CHECK(fake_cuda::counts().live == 0);
}

}  // namespace gamlp::test
