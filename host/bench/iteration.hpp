// Measures the time of an iteration beside that of its products and factorisations alone. Several sets of devices take
// turns.
#pragma once

#include <array>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "host/config/config.hpp"
#include "host/dist/process_group.hpp"
#include "host/problem/chosen_devices.hpp"
#include "host/problem/problem.hpp"

namespace gamlp {

// A set of devices that is compared. In one process these are the devices that are named. Of several processes their
// devices are compared with as many in rank 0's process, while the others wait.
struct Compared {
  ChosenDevices devices;
  ProcessGroup* group = &solo_group();
  std::string name;
  // Instead of the config's.
  struct Placement {
    PartitionConfig partition;
    std::optional<std::int64_t> node_memory;
  };
  std::optional<Placement> placement = {};
};

// What one round measures of one set of devices.
struct Measurement {
  int devices = 1;
  double iteration = 0;                      // median seconds of one iteration, all devices; on GPUs the mean
  double floor = 0;                          // median seconds of the same products and factorisations alone
  double gflop = 0;                          // of the products
  std::array<double, 5> phase{};             // seconds per iteration, summed over devices
  double wait = 0, exchange = 0, bytes = 0;  // per iteration, summed over devices
  std::size_t peak_memory = 0;
};
nlohmann::ordered_json to_json(const Measurement& measurement);

// Trains the last stage of `config` on every set of devices, `rounds` times in turns, `iterations` iterations each.
// Returns for each set, in order, a measurement per round. Collective in a group. Only rank 0's result means something.
std::vector<std::vector<Measurement>> measure_in_turns(const Config& config, const Problem& problem,
                                                       const std::vector<Compared>& compared, int iterations,
                                                       int rounds, ProcessGroup& group);

// Returns the speed of a 2048³ product on one thread, in GFLOP/s: what the machine can do right now.
double reference_gflops();

}  // namespace gamlp
