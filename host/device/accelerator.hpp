// The seam to devices beside the CPU, which a build may have. The program makes an accelerator known at its start
// (set_accelerator()). What drives devices asks for it here, so that nothing in host/ needs to know which one it is.
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
  // What the accelerator was built with: "13.0, NCCL 2.28.9".
  virtual std::string build() = 0;
  // "driver for 13.0: NVIDIA H200, NVIDIA H200", or why there are no devices.
  virtual std::string description() = 0;
  // How many devices can be used, or 0 where there are none. Asks the system once.
  virtual int count() = 0;
  // Why count() is 0, in one line.
  virtual std::string unavailable() = 0;
  // How many bytes can be allocated on a device now.
  virtual std::size_t free_memory(int device) = 0;
  // Begins or ends what a profiler records, with ranges by iteration and step.
  virtual void profile(bool on) = 0;
  // Creates the fleet of a run, with a device for each entry, which is the number of a GPU. Entries of the same number
  // share that GPU. Throws a ConfigError where the devices cannot exchange as the options want.
  virtual std::unique_ptr<Fleet> create_fleet(const std::vector<int>& devices, const AcceleratorOptions& options) = 0;
  // Whether GPUs of several processes can exchange.
  virtual bool joins_processes() = 0;
  // Creates the fleet of a process that drives one device of a run of several processes. Every process of the group
  // makes this call. Throws an AgreedError. After any other error the group has failed.
  virtual std::unique_ptr<Fleet> join_fleet(int device, const AcceleratorOptions& options, ProcessGroup& group) = 0;
  // Creates a device that is no part of a fleet, for instance to evaluate beside it.
  virtual std::unique_ptr<Device> create_device(int device, const AcceleratorOptions& options) = 0;
  // Computes the rows `nodes` of the augmented features on a device. They are those of host/graph/augment.hpp but for
  // rounding. Sets `note` to what is worth telling the user about how it did so, or to nothing.
  virtual Matrix augment(int device, const Csr& propagation, const NodeFeatures& node_features,
                         std::span<const std::int32_t> nodes, std::int64_t hops, std::string& note) = 0;
};

// Returns null where the build has no accelerator.
Accelerator* accelerator();
void set_accelerator(Accelerator* accelerator);

}  // namespace gamlp
