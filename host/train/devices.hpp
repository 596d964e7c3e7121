// The devices that a config asks for, on this machine.
#pragma once

#include <memory>
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
  std::string note;  // for the user, when the choice may surprise
  // As `devices` is written when the choice is settled: "cpu:4", "cuda:0,1".
  std::string text() const;
  std::vector<std::string> names() const;  // of each device: "cpu:1"
};

// Throws ConfigError when the machine does not have them, or the last stage has fewer layers.
ChosenDevices choose_devices(const Config& config);
// Those of a group of processes: a CPU worker in each, or a GPU of its host. Collective; throws AgreedError.
ChosenDevices choose_devices(const Config& config, ProcessGroup& group);
// Makes the devices of a config, which another number of processes or workers wrote, those of `count` processes.
void fit_devices(Config& config, int count);
// How many those are; for a forecast also where the machine does not have them.
int device_count(const Config& config);
// The devices of this process.
std::unique_ptr<Fleet> create_fleet(const ChosenDevices& devices, const Config& config,
                                    ProcessGroup& group = solo_group());
// What evaluates beside the fleet: a device on the GPU of the last one (the head is the smallest layer), or a CPU
// worker.
std::unique_ptr<Device> create_evaluation_device(const ChosenDevices& devices, const Config& config);

}  // namespace gamlp
