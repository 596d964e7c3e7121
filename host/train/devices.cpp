#include "host/train/devices.hpp"

#include <algorithm>
#include <numeric>

#include "host/core/error.hpp"
#include "host/core/threads.hpp"
#include "host/cpu/cpu_device.hpp"
#include "host/cpu/cpu_fleet.hpp"
#include "host/device/accelerator.hpp"

namespace gamlp {
namespace {

std::string unavailable() {
  return accelerator() == nullptr ? "this build has no CUDA devices" : accelerator()->unavailable();
}

int layers_of(const Config& config) { return static_cast<int>(config.stages.back().layers); }

void choose_cpu(const Config& config, const NamedDevices& named, ChosenDevices& chosen) {
  chosen.kind = DeviceKind::cpu;
  const int cores = hardware_threads();
  const int fitting = std::max(1, std::min(layers_of(config), cores / static_cast<int>(config.threads_per_device)));
  chosen.count = config.partition ? static_cast<int>(config.partition->size()) : named.count.value_or(fitting);
}

void choose_cuda(const Config& config, const NamedDevices& named, int present, ChosenDevices& chosen) {
  chosen.kind = DeviceKind::cuda;
  chosen.cuda = named.cuda;
  if (chosen.cuda.empty()) {
    const int wanted = config.partition ? static_cast<int>(config.partition->size()) : layers_of(config);
    if (config.partition && wanted > present) {
      throw ConfigError("partition: has " + std::to_string(wanted) + " entries, but there " +
                        (present == 1 ? "is 1 GPU" : "are " + std::to_string(present) + " GPUs") +
                        "; name a device for each in `devices`, e.g. \"cuda:0,0\" for two that share one");
    }
    chosen.cuda.resize(static_cast<std::size_t>(std::min(present, wanted)));
    std::iota(chosen.cuda.begin(), chosen.cuda.end(), 0);
  }
  for (const int number : chosen.cuda) {
    if (number < present) continue;
    throw ConfigError(
        "devices: \"" + config.devices + "\" names cuda:" + std::to_string(number) + ", but " +
        (present == 1 ? "there is only cuda:0" : "the GPUs here are 0 to " + std::to_string(present - 1)));
  }
  chosen.count = static_cast<int>(chosen.cuda.size());
}

}  // namespace

std::string ChosenDevices::text() const {
  return kind == DeviceKind::cuda ? cuda_devices_text(cuda) : "cpu:" + std::to_string(count);
}

ChosenDevices choose_devices(const Config& config) {
  const NamedDevices named = named_devices(config.devices);
  const int present = named.kind == DeviceKind::cpu || accelerator() == nullptr ? 0 : accelerator()->count();
  ChosenDevices chosen;
  if (named.kind == DeviceKind::cuda && present == 0) {
    throw ConfigError("devices: \"" + config.devices + "\": " + unavailable() + "; use \"cpu\" or \"auto\"");
  }
  if (present > 0) {
    choose_cuda(config, named, present, chosen);
  } else {
    choose_cpu(config, named, chosen);
    if (named.kind == DeviceKind::automatic && accelerator() != nullptr) {
      chosen.note = "no CUDA device (" + unavailable() + "): training on CPU workers";
    }
  }
  if (chosen.count > layers_of(config)) {
    throw ConfigError("devices: \"" + config.devices + "\" asks for " + std::to_string(chosen.count) + " devices for " +
                      std::to_string(layers_of(config)) + " layers; each device owns at least one layer: use at most " +
                      (chosen.kind == DeviceKind::cuda ? std::to_string(layers_of(config)) + " of them"
                                                       : "cpu:" + std::to_string(layers_of(config))));
  }
  return chosen;
}

int device_count(const Config& config) {
  const NamedDevices named = named_devices(config.devices);
  if (config.partition) return static_cast<int>(config.partition->size());
  const bool absent = accelerator() == nullptr || accelerator()->count() == 0;
  if (named.kind == DeviceKind::cuda && absent) return named.count.value_or(1);
  return choose_devices(config).count;
}

std::unique_ptr<Fleet> create_fleet(const ChosenDevices& devices, const Config& config) {
  if (devices.kind == DeviceKind::cuda) return accelerator()->create_fleet(devices.cuda, config);
  return create_cpu_fleet(devices.count, static_cast<int>(config.threads_per_device));
}

std::unique_ptr<Device> create_evaluation_device(const ChosenDevices& devices, const Config& config) {
  if (devices.kind == DeviceKind::cuda) return accelerator()->create_device(devices.cuda.back(), config);
  return std::make_unique<CpuDevice>(0, static_cast<int>(config.threads_per_device));
}

}  // namespace gamlp
