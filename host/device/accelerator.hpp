// Devices beside the CPU, which a build may have: the program makes one known at its start, and what drives devices
// asks for it here, so that nothing in host/ needs to know of it.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "host/config/distributed.hpp"
#include "host/device/fleet.hpp"
#include "host/math/precision.hpp"

namespace gamlp {

struct Csr;
struct NodeFeatures;
class ProcessGroup;

// What a config says of its devices.
struct AcceleratorOptions {
  ProductPrecision precision = ProductPrecision::float32;
  GpuTransport transport = GpuTransport::automatic;
  double stall_timeout = 600;  // seconds that a message may take
};

class Accelerator {
 public:
  virtual ~Accelerator() = default;
  // What it was built with: "13.0, NCCL 2.28.9".
  virtual std::string build() = 0;
  // "driver for 13.0: NVIDIA H200, NVIDIA H200"; or why there are none.
  virtual std::string description() = 0;
  // Devices that can be used; 0 where there are none. Asks the system once.
  virtual int count() = 0;
  // Why count() is 0, in one line.
  virtual std::string unavailable() = 0;
  // Bytes that can be allocated on a device now.
  virtual std::size_t free_memory(int device) = 0;
  // Begins and ends what a profiler records, with ranges by iteration and step.
  virtual void profile(bool on) = 0;
  // A device of the run for each entry, by number; several of the same number share it. Throws ConfigError where they
  // cannot exchange as the options want.
  virtual std::unique_ptr<Fleet> create_fleet(const std::vector<int>& devices, const AcceleratorOptions& options) = 0;
  // Whether GPUs of several processes can exchange.
  virtual bool joins_processes() = 0;
  // The fleet of a process that drives one device of a run of several processes. Collective; throws AgreedError, and
  // otherwise leaves a group that has failed.
  virtual std::unique_ptr<Fleet> join_fleet(int device, const AcceleratorOptions& options, ProcessGroup& group) = 0;
  // One device that is no part of a fleet, e.g. for evaluating beside it.
  virtual std::unique_ptr<Device> create_device(int device, const AcceleratorOptions& options) = 0;
  // Rows `nodes` of the augmented features on a device: those of host/graph/augment.hpp but for rounding. `note`: what
  // is worth telling about how, or empty.
  virtual Matrix augment(int device, const Csr& propagation, const NodeFeatures& node_features,
                         std::span<const std::int32_t> nodes, std::int64_t hops, std::string& note) = 0;
};

// Null where the build has none.
Accelerator* accelerator();
void set_accelerator(Accelerator* accelerator);

}  // namespace gamlp
