// What the stand-ins share: the streams of fake_cuda.cpp, as fake_nccl.cpp puts work on them.
#pragma once

#include <cuda_runtime_api.h>
#include <functional>
#include <mutex>
#include <string>

#include "host/math/random.hpp"
#include "tests/cuda/fake_cuda.hpp"

namespace fake_cuda {

// Held by every call; what follows is called with it.
std::recursive_mutex& mutex();
const Options& options();
Counts& figures();
gamlp::Random& chance();
// Begins a call: some streams go on; true when the call is the one that is to fail.
bool fails(const char* call);
void misused(const std::string& what);
// Lets other threads make calls.
void let_others(std::unique_lock<std::recursive_mutex>& lock);

int current_device();
int device_of(cudaStream_t stream);
// Work that holds its stream until `ready` says so.
void submit_when(cudaStream_t stream, std::function<bool()> ready);
// From here on until the next call: nothing may be put on the stream, as something is on its way to it.
void reserve(cudaStream_t stream, bool reserved);

// fake_nccl.cpp's part of reset().
void reset_nccl();

}  // namespace fake_cuda
