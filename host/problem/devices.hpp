// The devices that a config asks for, on this machine.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "host/config/config.hpp"
#include "host/config/devices.hpp"
#include "host/device/fleet.hpp"
#include "host/dist/process_group.hpp"

namespace gamlp {

struct ChosenDevices {
  DeviceKind kind = DeviceKind::cpu;  // cpu or cuda
  std::vector<int> cuda;              // numbers of GPUs, one per device of the run
  int count = 1;
  std::optional<int> own_rank;  // this process's, where each drives one of the devices
  std::string note;             // for the user, when the choice may surprise
  // As `devices` is written when the choice is settled: "cpu:4", "cuda:0,1".
  std::string text() const;
  std::vector<std::string> names() const;  // of each device: "cpu:1"
  // Of CUDA devices, the GPUs of this process that augment, and that evaluate (the head is the smallest layer).
  int augmenting_gpu() const;
  int evaluating_gpu() const;
};

// Throws ConfigError when the machine does not have them, or the last stage has fewer layers.
ChosenDevices choose_devices(const Config& config);
// Those of a group of processes: a CPU worker in each, or a GPU of its host. Collective; throws AgreedError.
ChosenDevices choose_devices(const Config& config, ProcessGroup& group);
// Whether the devices of a config are GPUs on this machine, whichever.
bool means_gpus(const Config& config);
// Makes the devices of a config, which another number of processes or workers wrote, those of `count` processes.
void fit_devices(Config& config, int count);
// How many those are; for a forecast also where the machine does not have them.
int device_count(const Config& config);
// The devices of this process. Collective; throws AgreedError, and otherwise leaves a group that has failed.
std::unique_ptr<Fleet> create_fleet(const ChosenDevices& devices, const Config& config,
                                    ProcessGroup& group = solo_group());
// Bytes that can be allocated now on the GPU of each device; empty for CPU workers. Collective; throws AgreedError.
std::vector<std::size_t> free_memory(const ChosenDevices& devices, ProcessGroup& group);
// What evaluates beside the fleet: a device on evaluating_gpu(), or a CPU worker.
std::unique_ptr<Device> create_evaluation_device(const ChosenDevices& devices, const Config& config);

}  // namespace gamlp
