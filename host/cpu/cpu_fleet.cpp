#include "host/cpu/cpu_fleet.hpp"

#include <utility>

#include "host/cpu/cpu_device.hpp"
#include "host/cpu/local_transport.hpp"
#include "host/device/thread_fleet.hpp"

namespace gamlp {

std::unique_ptr<Fleet> create_cpu_fleet(int devices, int threads) {
  auto ends = create_local_transports(devices);
  std::vector<ThreadFleet::Member> members;
  for (int rank = 0; rank < devices; ++rank) {
    members.push_back({std::make_unique<CpuDevice>(rank, threads), std::move(ends[static_cast<std::size_t>(rank)])});
  }
  return std::make_unique<ThreadFleet>(std::move(members));
}

}  // namespace gamlp
