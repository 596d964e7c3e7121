// Turns errors of the CUDA runtime into DeviceErrors.
#pragma once

#include <cuda_runtime_api.h>
#include <string>

#include "host/core/error.hpp"

namespace gamlp::cuda {

// Throws DeviceError for an error. `call` and `object` name what was tried: "launch of kernel", "z_step".
inline void check(cudaError_t status, const char* call, const std::string& object = {}) {
  if (status == cudaSuccess) return;
  throw DeviceError(std::string("CUDA: ") + call + (object.empty() ? "" : " ") + object +
                    " failed: " + cudaGetErrorString(status) + " (" + cudaGetErrorName(status) + ")");
}

}  // namespace gamlp::cuda
