// What profilers see: ranges by iteration and step in the NVTX domain "gamlp", the names of streams and threads, and
// the window in which a profiler records (cudaProfilerStart … Stop). Inside the window a device enqueues its ops one by
// one, so that a range encloses the launches of its kernels. Outside nothing is marked.
#pragma once

#include <cuda_runtime_api.h>
#include <string>

#include "host/device/device.hpp"
#include "host/device/transport.hpp"

namespace gamlp::cuda {

// Opens or closes the window.
void set_profiling(bool on);
bool profiling();

void name_stream(cudaStream_t stream, const std::string& name);
void name_thread(const std::string& name);

// The ranges of one thread: that of the iteration, and in it that of the step that the last label names.
class ProfileRanges {
 public:
  ~ProfileRanges() { close(); }
  void label(const StepLabel& label);
  void close();

 private:
  int depth_ = 0;
  std::int64_t epoch_ = -1;
};

// A range of its own, e.g. round the enqueueing of an exchange.
class ProfileRange {
 public:
  explicit ProfileRange(const std::string& name);
  ~ProfileRange();
  ProfileRange(const ProfileRange&) = delete;
  ProfileRange& operator=(const ProfileRange&) = delete;

 private:
  bool open_;
};

}  // namespace gamlp::cuda
