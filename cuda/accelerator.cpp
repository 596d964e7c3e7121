#include "cuda/accelerator.hpp"

#include <cuda_runtime_api.h>

#include "cuda/comm/process_transport.hpp"
#include "cuda/core/check.hpp"
#include "cuda/core/profile.hpp"
#include "cuda/device/cuda_device.hpp"
#include "cuda/graph/augment.hpp"
#include "host/core/error.hpp"
#include "host/device/accelerator.hpp"
#include "host/device/thread_fleet.hpp"

namespace gamlp {
namespace {

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

class CudaAccelerator final : public Accelerator {
 public:
  std::string description() override {
    int runtime = 0, driver = 0;
    cudaRuntimeGetVersion(&runtime);
    std::string text = "CUDA " + version_text(runtime);
    if (count() == 0) return text + ", no device: " + unavailable();
    cudaDriverGetVersion(&driver);
    text += ", driver for " + version_text(driver) + ": ";
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

  std::unique_ptr<Fleet> create_fleet(const std::vector<int>& devices, const Config& config) override {
    for (const int from : devices) {
      for (const int to : devices) enable_peer_access(from, to);
    }
    auto ends = create_process_transports(static_cast<int>(devices.size()));
    std::vector<ThreadFleet::Member> members;
    for (std::size_t rank = 0; rank < devices.size(); ++rank) {
      members.push_back({create_device(devices[rank], config), std::move(ends[rank])});
    }
    return std::make_unique<ThreadFleet>(std::move(members));
  }

  std::unique_ptr<Device> create_device(int device, const Config& config) override {
    return std::make_unique<CudaDevice>(device, CudaOptions{config.precision, true});
  }

  Matrix augment(int device, const Csr& propagation, const Dataset& dataset, std::span<const std::int32_t> nodes,
                 std::int64_t hops, std::string& note) override {
    return cuda::augment(device, propagation, dataset, nodes, hops, note);
  }

 private:
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
