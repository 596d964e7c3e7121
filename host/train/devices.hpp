// The devices that a config asks for, on this machine.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "host/config/config.hpp"
#include "host/config/devices.hpp"
#include "host/device/fleet.hpp"

namespace gamlp {

struct ChosenDevices {
  DeviceKind kind = DeviceKind::cpu;  // cpu or cuda
  std::vector<int> cuda;              // numbers of GPUs, one per device of the run
  int count = 1;
  std::string note;  // for the user, when the choice may surprise
  // As `devices` is written when the choice is settled: "cpu:4", "cuda:0,1".
  std::string text() const;
};

// Throws ConfigError when the machine does not have them, or the last stage has fewer layers.
ChosenDevices choose_devices(const Config& config);
// How many those are; for a forecast also where the machine does not have them.
int device_count(const Config& config);
std::unique_ptr<Fleet> create_fleet(const ChosenDevices& devices, const Config& config);
// What evaluates beside the fleet: a device on the GPU of the last one (the head is the smallest layer), or a CPU
// worker.
std::unique_ptr<Device> create_evaluation_device(const ChosenDevices& devices, const Config& config);

}  // namespace gamlp
