// Owners of CUDA runtime objects. Destructors ignore errors, because the call that failed before has reported them.
#pragma once

#include <cstddef>
#include <cuda_runtime_api.h>
#include <utility>

#include "cuda/core/check.hpp"
#include "cuda/core/profile.hpp"

namespace gamlp::cuda {

// Owns a handle. `Destroy` is the runtime function that releases it.
template <class T, auto Destroy>
class Handle {
 public:
  Handle() = default;
  explicit Handle(T handle) : handle_(handle) {}
  Handle(Handle&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Handle() {
    if (handle_ != nullptr) Destroy(handle_);
  }
  T get() const { return handle_; }
  explicit operator bool() const { return handle_ != nullptr; }

 private:
  T handle_ = nullptr;
};

using StreamHandle = Handle<cudaStream_t, cudaStreamDestroy>;
using EventHandle = Handle<cudaEvent_t, cudaEventDestroy>;
using GraphHandle = Handle<cudaGraph_t, cudaGraphDestroy>;
using GraphExecHandle = Handle<cudaGraphExec_t, cudaGraphExecDestroy>;
using PinnedMemory = Handle<void*, cudaFreeHost>;

inline EventHandle create_event(unsigned flags = cudaEventDisableTiming) {
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, flags), "cudaEventCreate");
  return EventHandle(event);
}

// Makes a device the calling thread's. What CUDA calls of the thread then create and launch belongs to it.
inline void use_device(int ordinal) {
  thread_local int current = -1;
  if (current == ordinal) return;
  check(cudaSetDevice(ordinal), "cudaSetDevice", std::to_string(ordinal));
  if (current < 0) name_thread("gamlp cuda:" + std::to_string(ordinal));
  current = ordinal;
}

}  // namespace gamlp::cuda
