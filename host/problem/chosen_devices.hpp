// Chooses the devices that a config asks for, on this machine, and creates them.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "host/config/config.hpp"
#include "host/config/device_names.hpp"
#include "host/device/fleet.hpp"
#include "host/dist/process_group.hpp"

namespace gamlp {

struct ChosenDevices {
  DeviceKind kind = DeviceKind::cpu;  // cpu or cuda
  std::vector<int> cuda;              // numbers of GPUs, one per device of the run
  int count = 1;
  int available = 0;            // where the config leaves the number open: how many there are
  std::vector<int> hosts;       // of each device, as ProcessGroup::host() names it; empty: all are this host's
  std::optional<int> own_rank;  // this process's, where each process drives one of the devices
  std::string note;             // for the user, when the choice may surprise
  int host_count() const { return std::max(1, static_cast<int>(std::set<int>(hosts.begin(), hosts.end()).size())); }
  bool one_host() const { return host_count() == 1; }
  // The choice as key `devices` of a config writes it: "cpu:4", "cuda:0,1".
  std::string text() const;
  std::vector<std::string> names() const;  // of each device: "cpu:1"
  // Of CUDA devices: the GPU of this process that augments the graph, and the one that evaluates. Of several GPUs the
  // last one evaluates, because the head is the smallest layer.
  int augmenting_gpu() const;
  int evaluating_gpu() const;
};

// Throws ConfigError when the machine does not have the devices, or when the last stage has fewer layers than devices.
ChosenDevices choose_devices(const Config& config);
// Chooses for a group of processes: each gets a CPU worker, or a GPU of its host. Collective. Throws AgreedError.
ChosenDevices choose_devices(const Config& config, ProcessGroup& group);
// Whether the devices of a config would be GPUs on this machine, whichever they are.
bool means_gpus(const Config& config);
// Changes the devices of a config to those of `count` processes. Another number of processes or workers wrote it.
void fit_devices(Config& config, int count);
// Returns how many devices a config asks for. For a forecast it answers also where the machine does not have them.
int device_count(const Config& config);
// Creates the devices of this process. Collective. Throws AgreedError. After any other error the group has failed.
std::unique_ptr<Fleet> create_fleet(const ChosenDevices& devices, const Config& config,
                                    ProcessGroup& group = solo_group());
// Returns the bytes that can be allocated now on the GPU of each device. Empty for CPU workers. Collective. Throws
// AgreedError.
std::vector<std::size_t> free_memory(const ChosenDevices& devices, ProcessGroup& group);
// Creates the device that evaluates beside the fleet: one on evaluating_gpu(), or a CPU worker.
std::unique_ptr<Device> create_evaluation_device(const ChosenDevices& devices, const Config& config);

}  // namespace gamlp
