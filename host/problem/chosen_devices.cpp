#include "host/problem/chosen_devices.hpp"

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "host/config/device_grid.hpp"
#include "host/core/error.hpp"
#include "host/core/threads.hpp"
#include "host/cpu/cpu_device.hpp"
#include "host/cpu/cpu_fleet.hpp"
#include "host/device/accelerator.hpp"
#include "host/device/thread_fleet.hpp"

namespace gamlp {
namespace {

std::string unavailable() {
  return accelerator() == nullptr ? "this build has no CUDA devices" : accelerator()->unavailable();
}

AcceleratorOptions accelerator_options(const Config& config) {
  return {config.precision, config.distributed.gpu_transport, config.distributed.stall_timeout};
}

void choose_cpu(const Config& config, const NamedDevices& named, ChosenDevices& chosen) {
  chosen.kind = DeviceKind::cpu;
  const int cores = hardware_threads();
  const int workers = cores / static_cast<int>(config.threads_per_device);
  if (!named.count) chosen.available = workers;
  chosen.count = named.count.value_or(static_cast<int>(fitting_devices(config, workers)));
}

void choose_cuda(const Config& config, const NamedDevices& named, int present, ChosenDevices& chosen) {
  chosen.kind = DeviceKind::cuda;
  chosen.cuda = named.cuda;
  if (chosen.cuda.empty()) {
    const auto wanted = static_cast<int>(least_devices(config));
    if (wanted > present) {
      throw ConfigError("partition: asks for " + std::to_string(wanted) + " devices, but there " +
                        (present == 1 ? "is 1 GPU" : "are " + std::to_string(present) + " GPUs") +
                        "; name a device for each in `devices`, e.g. \"cuda:0,0\" for two that share one");
    }
    chosen.available = present;
    chosen.cuda.resize(static_cast<std::size_t>(fitting_devices(config, present)));
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

std::vector<std::string> ChosenDevices::names() const {
  std::vector<std::string> all;
  for (int rank = 0; rank < count; ++rank) {
    all.push_back(kind == DeviceKind::cuda ? "cuda:" + std::to_string(cuda[static_cast<std::size_t>(rank)])
                                           : "cpu:" + std::to_string(rank));
  }
  return all;
}

int ChosenDevices::augmenting_gpu() const {
  return own_rank ? cuda[static_cast<std::size_t>(*own_rank)] : cuda.front();
}
int ChosenDevices::evaluating_gpu() const { return own_rank ? cuda[static_cast<std::size_t>(*own_rank)] : cuda.back(); }

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
  const std::string problem = grid_problem(config, chosen.count);
  if (!problem.empty()) throw ConfigError("devices: \"" + config.devices + "\": " + problem);
  return chosen;
}

namespace {

// "cpu", or the number of the GPU that the process of this rank takes.
std::string own_device(const Config& config, const NamedDevices& named, const ProcessGroup& group) {
  const int present = named.kind == DeviceKind::cpu || accelerator() == nullptr ? 0 : accelerator()->count();
  if (present == 0 && named.kind != DeviceKind::cuda) return "cpu";
  if (present == 0) {
    throw ConfigError("devices: \"" + config.devices + "\": " + unavailable() + "; use \"cpu\" or \"auto\"");
  }
  // A launcher may show each process a GPU of its own alone (srun --gpus-per-task=1).
  const bool shown_one = present == 1 && std::getenv("CUDA_VISIBLE_DEVICES") != nullptr;
  const int own = !named.cuda.empty() ? named.cuda[static_cast<std::size_t>(group.rank())]
                  : shown_one         ? 0
                                      : local_rank(group);
  if (own >= present) {
    throw ConfigError("devices: this process would take cuda:" + std::to_string(own) + ", but its host has " +
                      (present == 1 ? "cuda:0 only" : "GPUs 0 to " + std::to_string(present - 1)) +
                      "; start at most one process for each GPU of a host");
  }
  return std::to_string(own);
}

}  // namespace

ChosenDevices choose_devices(const Config& config, ProcessGroup& group) {
  if (group.size() == 1) return choose_devices(config);
  const int size = group.size();
  const std::string processes = std::to_string(size) + " processes";
  std::string own;
  agree(group, [&] {
    const NamedDevices named = named_devices(config.devices);
    const int asked = named.cuda.empty() ? named.count.value_or(size) : static_cast<int>(named.cuda.size());
    if (asked != size) {
      throw ConfigError("devices: \"" + config.devices + "\" asks for " + std::to_string(asked) + " devices, but " +
                        processes + " were started, with a device in each: start " + std::to_string(asked) +
                        ", or leave the number away (\"cpu\", \"cuda:all\", \"auto\")");
    }
    const std::string problem = grid_problem(config, size);
    if (!problem.empty()) throw ConfigError(processes + " were started, with a device in each: " + problem);
    own = own_device(config, named, group);
    if (own == "cpu") return;
    if (!accelerator()->joins_processes()) {
      throw ConfigError(
          "devices: several processes with GPUs need NCCL, which this build does not have (CMake's "
          "GAMLP_NCCL); use --devices cpu, or one process with --devices cuda:all");
    }
    if (config.distributed.gpu_transport == GpuTransport::copy) {
      throw ConfigError("distributed.gpu_transport: \"copy\" is for the GPUs of one process, but there are " +
                        processes + "; use \"nccl\" or \"auto\"");
    }
  });
  const std::vector<std::string> all = all_gather(group, own);
  ChosenDevices chosen;
  for (int rank = 0; rank < size; ++rank) chosen.hosts.push_back(group.host(rank));
  chosen.count = size;
  chosen.own_rank = group.rank();
  if (all.front() != "cpu") chosen.kind = DeviceKind::cuda;
  for (int rank = 0; rank < size; ++rank) {
    const std::string& device = all[static_cast<std::size_t>(rank)];
    if ((device == "cpu") != (chosen.kind == DeviceKind::cpu)) {
      const auto named = [](const std::string& d) { return d == "cpu" ? "a CPU worker" : "cuda:" + d; };
      throw AgreedError(ExitCode::config, "devices: \"" + config.devices + "\" means " + named(all.front()) + " on " +
                                              group.describe(0) + " but " + named(device) + " on " +
                                              group.describe(rank) +
                                              "; a run has devices of one kind: use \"cpu\", or \"cuda:all\" on "
                                              "hosts that all have GPUs");
    }
    if (chosen.kind == DeviceKind::cuda) chosen.cuda.push_back(std::stoi(device));
  }
  return chosen;
}

bool means_gpus(const Config& config) {
  const DeviceKind kind = named_devices(config.devices).kind;
  return kind == DeviceKind::cuda ||
         (kind == DeviceKind::automatic && accelerator() != nullptr && accelerator()->count() > 0);
}

void fit_devices(Config& config, int count) {
  const NamedDevices named = named_devices(config.devices);
  if (named.kind == DeviceKind::cpu) config.devices = "cpu";
  if (named.kind == DeviceKind::cuda) config.devices = "cuda:all";
  const std::string problem = grid_problem(config, count);
  if (problem.empty()) return;
  if (config.partition.workers && config.partition.shards) {
    throw ConfigError(problem + "; the run has " + std::to_string(*config.partition.shards) +
                      " workers, on whose number results depend: another one is --set partition.shards=N");
  }
  if (config.partition.replicates && config.partition.replicas) {
    throw ConfigError(problem + "; the run has " + std::to_string(*config.partition.replicas) +
                      " replicas, on whose number results depend: another one is --set partition.replicas=N");
  }
  const bool workers = config.partition.workers, replicates = config.partition.replicates;
  config.partition = {};
  config.partition.workers = workers;
  config.partition.replicates = replicates;
}

int device_count(const Config& config) {
  const NamedDevices named = named_devices(config.devices);
  const bool absent = accelerator() == nullptr || accelerator()->count() == 0;
  if (named.kind == DeviceKind::cuda && absent) return named.count.value_or(1);
  return choose_devices(config).count;
}

std::unique_ptr<Fleet> create_fleet(const ChosenDevices& devices, const Config& config, ProcessGroup& group) {
  const int threads = static_cast<int>(config.threads_per_device);
  if (group.size() == 1) {
    return devices.kind == DeviceKind::cuda ? accelerator()->create_fleet(devices.cuda, accelerator_options(config))
                                            : create_cpu_fleet(devices.count, threads);
  }
  if (devices.kind == DeviceKind::cuda) {
    return accelerator()->join_fleet(devices.cuda[static_cast<std::size_t>(group.rank())], accelerator_options(config),
                                     group);
  }
  std::unique_ptr<Fleet> fleet;
  agree(group, [&] {
    std::vector<ThreadFleet::Member> own;
    own.push_back({std::make_unique<CpuDevice>(group.rank(), threads), group.create_transport()});
    fleet = std::make_unique<ThreadFleet>(std::move(own), group.rank(), group.size());
  });
  return fleet;
}

std::vector<std::size_t> free_memory(const ChosenDevices& devices, ProcessGroup& group) {
  std::vector<std::size_t> free;
  if (devices.kind != DeviceKind::cuda) return free;
  if (!devices.own_rank) {
    for (const int gpu : devices.cuda) free.push_back(accelerator()->free_memory(gpu));
    return free;
  }
  std::string own;
  agree(group, [&] { own = std::to_string(accelerator()->free_memory(devices.augmenting_gpu())); });
  for (const std::string& one : all_gather(group, own)) free.push_back(std::stoull(one));
  return free;
}

std::unique_ptr<Device> create_evaluation_device(const ChosenDevices& devices, const Config& config) {
  if (devices.kind == DeviceKind::cuda)
    return accelerator()->create_device(devices.evaluating_gpu(), accelerator_options(config));
  return std::make_unique<CpuDevice>(0, static_cast<int>(config.threads_per_device));
}

}  // namespace gamlp
