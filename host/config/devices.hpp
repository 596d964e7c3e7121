// `devices` of a config as it is written:
//   "auto"            the CUDA devices where there are some, CPU workers elsewhere
//   "cpu", "cpu:N"    CPU workers: as many as cores and layers allow, or N
//   "cuda:all"        every GPU;  "cuda:I,J,…"  a device for each number, which may come several times
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

// `text` has passed the schema.
NamedDevices named_devices(const std::string& text);
std::string cuda_devices_text(const std::vector<int>& devices);

}  // namespace gamlp
