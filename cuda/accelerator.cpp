#include "cuda/accelerator.hpp"

#include <cuda_runtime_api.h>
#include <set>

#ifdef GAMLP_WITH_NCCL
#include "cuda/comm/nccl_transport.hpp"
#endif
#include "cuda/comm/copy_transport.hpp"
#include "cuda/core/check.hpp"
#include "cuda/core/profile.hpp"
#include "cuda/device/cuda_device.hpp"
#include "cuda/graph/augment.hpp"
#include "host/core/error.hpp"
#include "host/device/accelerator.hpp"
#include "host/device/thread_fleet.hpp"
#include "host/dist/process_group.hpp"

namespace gamlp {
namespace {

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

#ifdef GAMLP_WITH_NCCL
constexpr bool kHasNccl = true;
#else
constexpr bool kHasNccl = false;
// Never called: what follows asks kHasNccl.
std::string nccl_version() { return {}; }
std::string create_nccl_id() { return {}; }
std::vector<std::unique_ptr<Transport>> connect_nccl(const std::vector<CudaDevice*>&, double) { return {}; }
std::unique_ptr<Transport> connect_nccl(CudaDevice&, const std::string&, ProcessGroup&, double) { return {}; }
#endif

class CudaAccelerator final : public Accelerator {
 public:
  std::string build() override {
    int runtime = 0;
    cudaRuntimeGetVersion(&runtime);
    return version_text(runtime) + (kHasNccl ? ", NCCL " + nccl_version() : ", without NCCL");
  }

  std::string description() override {
    if (count() == 0) return "none: " + unavailable();
    int driver = 0;
    cudaDriverGetVersion(&driver);
    std::string text = "driver for " + version_text(driver) + ": ";
    for (int i = 0; i < count(); ++i) {
      cudaDeviceProp properties;
      cuda::check(cudaGetDeviceProperties(&properties, i), "cudaGetDeviceProperties", std::to_string(i));
      text += (i > 0 ? ", " : "") + std::string(properties.name);
    }
    return text;
  }

  int count() override {
    ask();
    return count_;
  }

  std::string unavailable() override {
    ask();
    return reason_;
  }

  std::size_t free_memory(int device) override {
    cuda::use_device(device);
    std::size_t free = 0, total = 0;
    cuda::check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    return free;
  }

  void profile(bool on) override { cuda::set_profiling(on); }

  std::unique_ptr<Fleet> create_fleet(const std::vector<int>& devices, const AcceleratorOptions& options) override {
    const bool nccl = wants_nccl(devices, options.transport);
    std::vector<std::unique_ptr<CudaDevice>> made;
    std::vector<CudaDevice*> all;
    for (const int device : devices) all.push_back(made.emplace_back(create(device, options)).get());
    if (!nccl) {
      for (const int from : devices) {
        for (const int to : devices) enable_peer_access(from, to);
      }
    }
    auto ends =
        nccl ? connect_nccl(all, options.stall_timeout) : create_copy_transports(static_cast<int>(devices.size()));
    std::vector<ThreadFleet::Member> members;
    for (std::size_t rank = 0; rank < devices.size(); ++rank) {
      members.push_back({std::move(made[rank]), std::move(ends[rank])});
    }
    return std::make_unique<ThreadFleet>(std::move(members));
  }

  bool joins_processes() override { return kHasNccl; }

  std::unique_ptr<Fleet> join_fleet(int device, const AcceleratorOptions& options, ProcessGroup& group) override {
    std::unique_ptr<CudaDevice> made;
    std::string id;
    agree(group, [&] {
      made = create(device, options);
      if (group.rank() == 0) id = create_nccl_id();
    });
    id = broadcast_text(group, id);
    auto end = connect_nccl(*made, id, group, options.stall_timeout);
    std::vector<ThreadFleet::Member> members;
    members.push_back({std::move(made), std::move(end)});
    return std::make_unique<ThreadFleet>(std::move(members), group.rank(), group.size());
  }

  std::unique_ptr<Device> create_device(int device, const AcceleratorOptions& options) override {
    return create(device, options);
  }

  Matrix augment(int device, const Csr& propagation, const NodeFeatures& node_features,
                 std::span<const std::int32_t> nodes, std::int64_t hops, std::string& note) override {
    return cuda::augment(device, propagation, node_features, nodes, hops, note);
  }

 private:
  static std::unique_ptr<CudaDevice> create(int device, const AcceleratorOptions& options) {
    return std::make_unique<CudaDevice>(device, CudaOptions{options.precision, true});
  }

  static bool wants_nccl(const std::vector<int>& devices, GpuTransport transport) {
    const bool distinct = std::set<int>(devices.begin(), devices.end()).size() == devices.size();
    if (transport != GpuTransport::nccl) {
      return kHasNccl && transport == GpuTransport::automatic && distinct && devices.size() > 1;
    }
    if (!kHasNccl) {
      throw ConfigError("distributed.gpu_transport: \"nccl\", but this build has no NCCL (CMake's GAMLP_NCCL)");
    }
    if (!distinct) {
      throw ConfigError(
          "distributed.gpu_transport: \"nccl\", but some devices of the run share a GPU, which NCCL does "
          "not do; use \"auto\" or \"copy\", or name each GPU once in `devices`");
    }
    return true;
  }

  // Copies between two GPUs go straight where the hardware can, and through the host elsewhere.
  static void enable_peer_access(int from, int to) {
    int can = 0;
    if (from == to || cudaDeviceCanAccessPeer(&can, from, to) != cudaSuccess || can == 0) return;
    cuda::use_device(from);
    const cudaError_t status = cudaDeviceEnablePeerAccess(to, 0);
    if (status == cudaErrorPeerAccessAlreadyEnabled) {
      cudaGetLastError();
    } else {
      cuda::check(status, "cudaDeviceEnablePeerAccess");
    }
  }

  void ask() {
    if (asked_) return;
    asked_ = true;
    const cudaError_t status = cudaGetDeviceCount(&count_);
    if (status == cudaSuccess && count_ > 0) return;
    cudaGetLastError();
    count_ = 0;
    reason_ = status == cudaErrorInsufficientDriver ? "no NVIDIA driver, or one that is too old for this build"
              : status == cudaSuccess || status == cudaErrorNoDevice ? "no NVIDIA GPU in this machine"
                                                                     : cudaGetErrorString(status);
  }

  bool asked_ = false;
  int count_ = 0;
  std::string reason_;
};

}  // namespace

void use_cuda() {
  static CudaAccelerator instance;
  set_accelerator(&instance);
}

}  // namespace gamlp
