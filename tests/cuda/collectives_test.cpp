// Collectives between GPUs on the stand-in: by copies, by NCCL in one process, and by NCCL between processes (threads
// in their place).
#include "cuda/accelerator.hpp"
#include "host/device/accelerator.hpp"
#include "tests/collectives/checks.hpp"
#include "tests/cuda/check_clean.hpp"
#include "tests/dist/thread_group.hpp"
#include "tests/gpu/check.hpp"

namespace gamlp::test {
namespace {

void check_all(Fleet& fleet, const std::string& how) {
  for (const collectives::Check& check : collectives::kChecks) {
    INFO(check.name << ", " << fleet.size() << " GPUs, " << how);
    CHECK(check.run(fleet) == "");
  }
}

std::vector<int> gpus(int count, bool shared) {
  std::vector<int> list;
  for (int i = 0; i < count; ++i) list.push_back(shared ? 0 : i);
  return list;
}

}  // namespace

TEST_CASE("collectives between GPUs of one process") {
  use_cuda();
  for (const int size : {2, 3, 5}) {
    for (const bool nccl : {false, true}) {
#ifndef GAMLP_WITH_NCCL
      if (nccl) continue;
#endif
      fake_cuda::reset({.seed = static_cast<std::uint64_t>(size), .devices = size});
      check_all(*accelerator()->create_fleet(gpus(size, !nccl), {}), nccl ? "NCCL" : "copies");
      check_clean();
    }
  }
}

#ifdef GAMLP_WITH_NCCL
TEST_CASE("collectives between GPUs of several processes") {
  use_cuda();
  fake_cuda::reset({.seed = 3, .devices = 3});
  const auto errors = together(3, [&](ProcessGroup& group) {
    const auto fleet = accelerator()->join_fleet(group.rank(), {}, group);
    for (const collectives::Check& check : collectives::kChecks) {
      const std::string found = check.run(*fleet);
      if (!found.empty()) throw DeviceError(std::string(check.name) + ": " + found);
    }
  });
  CHECK(errors == none(3));
  check_clean();
}
#endif

TEST_CASE("gpu_check's collectives pass") {
  fake_cuda::reset({.seed = 4});
  const gpu::Table table = gpu::check_collectives({.large = false});
  CHECK(table.rows.size() == std::size(collectives::kChecks));
  CHECK(table.failures.empty());
  check_clean();
}

}  // namespace gamlp::test
