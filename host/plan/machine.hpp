// Machine files (configs/machines/*.json) say what a forecast knows of a machine.
//
// Common keys
//   name, kind        kind "cpu": CPU workers, costs measured per op; "gpu": costs from rates
//   devices           how many there are
//   host_bandwidth    bytes per second in one direction between a device and the host's memory (pinned); of CPU workers
//                     between a worker and a temporary file. Optional: only a run with `node_memory` needs it,
//                     and for CPU workers it is copy_bandwidth then
//   hosts             for a system of several hosts: how many, with as many of the devices each (optional)
//   network           between them: {bandwidth, latency}: bytes per second that a host sends, and receives at the same
//                     time; seconds per group
//   sources           for every figure where it comes from (text, by key); kept, not read
// kind "gpu"
//   memory_per_device bytes that buffers may take
//   gemm_tflops       float32 rate of large products
//   gemm_saturation   an m × n product reaches x/(x + gemm_saturation) of that rate, x = m·n per multiprocessor
//   multiprocessors   how many a device has
//   factor_column_seconds   a factorisation takes that much per column,
//   factor_share      and runs its flops at that share of gemm_tflops
//   memory_bandwidth  bytes per second of large copies (read + written)
//   op_seconds        launch overhead of an op
//   link              {bandwidth, latency}: bytes per second in one direction between two devices; seconds per group
//   island, link_between_islands   devices of one switch, and the link from one island to the next (optional)
// kind "cpu"
//   memory_total      bytes of a host, shared by its workers
//   threads_per_device, library   what was measured
//   copy_bandwidth    bytes per second at which a worker copies a message
//   seconds           {"1": {family: [[dims…, seconds], …]}, "N": …}: the time of ops with one worker busy, and with N,
//                     all of them or six. A forecast of several workers takes the figures of N
//
// A forecast does not model what message kernels take from the multiprocessors, messages that share a switch, what
// sending over a network takes from the cores, clock rates that fall under load, the host's time to enqueue (iterations
// are enqueued ahead), evaluation and checkpoints.
#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/sim/cost_model.hpp"

namespace gamlp {

// Bytes per second in one direction; seconds per group.
struct Link {
  double bandwidth = 0, latency = 0;
};

struct MeasuredOp {
  std::array<double, 3> dims{};
  double seconds = 0;
};
using MeasuredOps = std::map<std::string, std::vector<MeasuredOp>>;  // by family (op_shape.hpp)

struct Machine {
  std::string name, origin;  // origin: the file
  bool gpu = false;
  int devices = 1;
  double memory_per_device = 0;  // gpu
  double memory_total = 0;       // cpu
  double host_bandwidth = 0;     // 0: unknown
  int hosts = 1;
  Link network;  // between hosts
  // gpu
  double gemm_tflops = 0, gemm_saturation = 0, multiprocessors = 0, factor_column_seconds = 0, factor_share = 0;
  double memory_bandwidth = 0, op_seconds = 0;
  Link link;
  int island = 0;
  std::optional<Link> link_between_islands;
  // cpu
  int threads_per_device = 1;
  std::string library;
  double copy_bandwidth = 0;
  std::map<int, MeasuredOps> seconds;  // by busy workers
};

// The name by which users ask for the machine that the program runs on. It is no file: it is measured (calibrate.hpp).
inline constexpr const char* kThisMachine = "here";

// The texts of the files that configs/machines had at build time, by name.
const std::map<std::string, std::string_view>& built_in_machines();

// `where` is a path or a name. A name is looked for as a file in a folder "machines" beside `config` or above it, then
// in configs/machines of the working folder, then among the machines built in. Throws DataError that names the file and
// the key.
Machine load_machine(const std::string& where, const std::filesystem::path& config);
Machine parse_machine(const std::string& text, const std::string& origin);
// Returns the text of a file for a measured CPU machine. `about` has further keys for its top.
std::string machine_text(const Machine& machine, const nlohmann::ordered_json& about);

// A network of so many Mbit/s per host and direction.
Link network_link(double mbits);
// So many of this machine, joined by a network of so many Mbit/s per host and direction. Throws ConfigError where it
// has several hosts already.
Machine on_hosts(Machine machine, int hosts, double network);
// The host of each of a run's devices on a machine, as evenly as can be, in their order.
std::vector<int> spread_over_hosts(const Machine& machine, int devices);

// Returns the cost model of devices on these hosts, which work at the same time. `machine` must outlive it.
std::unique_ptr<sim::CostModel> make_costs(const Machine& machine, const std::vector<int>& hosts);
// The same for `busy` devices of one host.
std::unique_ptr<sim::CostModel> make_costs(const Machine& machine, int busy);

}  // namespace gamlp
