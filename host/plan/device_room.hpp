// Finds out whether a run fits the memory of its GPUs, before a minute is spent on it.
#pragma once

#include <cstddef>
#include <vector>

#include "host/config/config.hpp"
#include "host/problem/chosen_devices.hpp"
#include "host/problem/problem.hpp"
#include "host/train/trainer.hpp"

namespace gamlp {

// `free` has the free bytes on the GPU of each device. Says whether there is room for the inputs of the evaluation,
// too; and, where there is none for all tensors of nodes and the config leaves `node_memory` open, how much they may
// take. Throws DeviceError with numbers where some stage does not fit even so. CPU workers get what the config says.
DeviceRoom expect_device_room(const Config& config, const Problem& problem, const ChosenDevices& devices,
                              const std::vector<std::size_t>& free);

}  // namespace gamlp
