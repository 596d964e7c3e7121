// Collectives between devices that share a GPU.
#include "cuda/comm/copy_transport.hpp"
#include "host/device/thread_fleet.hpp"
#include "tests/collectives/checks.hpp"
#include "tests/gpu/check.hpp"

namespace gamlp::gpu {

Table check_collectives(const Scope& scope) {
  Table table{
      "collectives", "Collectives between devices that share the GPU, by copies", {"collective", "devices"}, {}, {}};
  for (const collectives::Check& check : collectives::kChecks) {
    std::string devices;
    for (const int size : scope.large ? std::vector<int>{1, 2, 3, 5, 8} : std::vector<int>{3}) {
      auto ends = create_copy_transports(size);
      std::vector<ThreadFleet::Member> members;
      for (auto& end : ends) {
        members.push_back({std::make_unique<CudaDevice>(scope.ordinal, CudaOptions{ProductPrecision::float32, true}),
                           std::move(end)});
      }
      ThreadFleet fleet(std::move(members));
      const std::string found = check.run(fleet);
      if (!found.empty()) {
        table.failures.push_back(std::string(check.name) + " on " + std::to_string(size) + " devices: " + found);
      }
      devices += (devices.empty() ? "" : ", ") + std::to_string(size);
    }
    table.rows.push_back({check.name, devices});
  }
  return table;
}

}  // namespace gamlp::gpu
