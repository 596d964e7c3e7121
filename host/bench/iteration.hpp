// The time of an iteration beside that of its products and factorisations alone, on several sets of devices in turns.
#pragma once

#include <array>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/config/config.hpp"
#include "host/dist/process_group.hpp"
#include "host/problem/devices.hpp"
#include "host/problem/problem.hpp"

namespace gamlp {

// What is compared: the devices that are named, each in this process. Of several processes: their devices, and beside
// them as many in rank 0's process while the others wait.
struct Compared {
  ChosenDevices devices;
  ProcessGroup* group = &solo_group();
  std::string name;
};

struct Measurement {
  int devices = 1;
  double iteration = 0;           // median seconds of one iteration, all devices
  double floor = 0;               // median seconds of the same products and factorisations alone
  double gflop = 0;               // of the products
  std::array<double, 5> phase{};  // seconds per iteration, summed over devices
  double wait = 0, exchange = 0, bytes = 0;
  std::size_t peak_memory = 0;
};
nlohmann::ordered_json to_json(const Measurement& measurement);

// Trains the last stage of `config` on every set of devices, `rounds` times in turns, `iterations` iterations each: the
// measurements of each set, a round each, in order. Collective in a group; what it returns means something on rank 0.
std::vector<std::vector<Measurement>> measure_in_turns(const Config& config, const Problem& problem,
                                                       const std::vector<Compared>& compared, int iterations,
                                                       int rounds, ProcessGroup& group);

// Speed of a 2048³ product on one thread, in GFLOP/s: what the machine can do right now.
double reference_gflops();

}  // namespace gamlp
