// Reads the config's key `devices`, which has one of these forms:
//   "auto"        the CUDA devices where there are some, CPU workers elsewhere
//   "cpu"         as many CPU workers as cores and layers allow
//   "cpu:N"       N CPU workers
//   "cuda:all"    every GPU
//   "cuda:I,J,…"  a device for each number; a number may come several times
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace gamlp {

enum class DeviceKind { automatic, cpu, cuda };

struct NamedDevices {
  DeviceKind kind = DeviceKind::automatic;
  std::optional<int> count;  // as far as the text alone says it
  std::vector<int> cuda;     // numbers of GPUs; empty for "cuda:all"
};

// The caller has checked `text` against the schema.
NamedDevices named_devices(const std::string& text);
std::string cuda_devices_text(const std::vector<int>& devices);

}  // namespace gamlp
