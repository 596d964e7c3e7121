// Finds out whether a run fits the memory of its GPUs, before a minute is spent on it.
#pragma once

#include <cstddef>
#include <vector>

#include "host/config/config.hpp"
#include "host/problem/chosen_devices.hpp"
#include "host/problem/problem.hpp"

namespace gamlp {

// `free` has the free bytes on the GPU of each device. Throws DeviceError with numbers where some stage does not fit.
// Returns true when there is room for the inputs of the evaluation, too. Returns false for CPU workers.
bool expect_device_room(const Config& config, const Problem& problem, const ChosenDevices& devices,
                        const std::vector<std::size_t>& free);

}  // namespace gamlp
