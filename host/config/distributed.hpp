// The config section `distributed`, for runs of several processes (host/dist).
#pragma once

#include <optional>

namespace gamlp {

enum class DatasetReading { broadcast, each_process };
// automatic is NCCL where every device of the run has a GPU of its own, and copies where some devices share one.
enum class GpuTransport { automatic, nccl, copy };
struct DistributedConfig {
  DatasetReading dataset = DatasetReading::broadcast;
  double timeout = 30;         // seconds without a sign of life of another process
  double stall_timeout = 600;  // seconds that a message of a living process may take
  GpuTransport gpu_transport = GpuTransport::automatic;
  std::optional<double> network;  // Mbit/s that each host sends, and receives at the same time; null: unknown
};

}  // namespace gamlp
