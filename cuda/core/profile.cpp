#include "cuda/core/profile.hpp"

#include <atomic>
#include <cuda_profiler_api.h>
#include <nvtx3/nvToolsExt.h>
#include <nvtx3/nvToolsExtCudaRt.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cuda/core/check.hpp"

namespace gamlp::cuda {
namespace {

std::atomic<bool> g_profiling{false};

nvtxDomainHandle_t domain() {
  static const nvtxDomainHandle_t handle = nvtxDomainCreateA("gamlp");
  return handle;
}

void push(const std::string& name) {
  nvtxEventAttributes_t attributes = {};
  attributes.version = NVTX_VERSION;
  attributes.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
  attributes.messageType = NVTX_MESSAGE_TYPE_ASCII;
  attributes.message.ascii = name.c_str();
  nvtxDomainRangePushEx(domain(), &attributes);
}

}  // namespace

void set_profiling(bool on) {
  if (g_profiling.exchange(on) == on) return;
  on ? check(cudaProfilerStart(), "cudaProfilerStart") : check(cudaProfilerStop(), "cudaProfilerStop");
}

bool profiling() { return g_profiling.load(std::memory_order_relaxed); }

void name_stream(cudaStream_t stream, const std::string& name) { nvtxNameCudaStreamA(stream, name.c_str()); }

void name_thread(const std::string& name) {
  nvtxNameOsThreadA(static_cast<std::uint32_t>(syscall(SYS_gettid)), name.c_str());
}

void ProfileRanges::label(const StepLabel& label) {
  if (!profiling()) return close();
  if (depth_ == 2) nvtxDomainRangePop(domain()), --depth_;
  if (depth_ == 0 || label.epoch != epoch_) {
    close();
    epoch_ = label.epoch;
    push("iteration " + std::to_string(epoch_));
    depth_ = 1;
  }
  push(label.layer > 0 ? std::string(label.step) + " " + std::to_string(label.layer) : label.step);
  depth_ = 2;
}

void ProfileRanges::close() {
  for (; depth_ > 0; --depth_) nvtxDomainRangePop(domain());
}

ProfileRange::ProfileRange(const std::string& name) : open_(profiling()) {
  if (open_) push(name);
}
ProfileRange::~ProfileRange() {
  if (open_) nvtxDomainRangePop(domain());
}

}  // namespace gamlp::cuda
