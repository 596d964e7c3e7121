// Copies within a device. Copies to and from the host are the stream's (cuda_device.hpp).
#include <stdexcept>

#include "cuda/core/check.hpp"
#include "cuda/kernels/ops.hpp"

namespace gamlp::cuda {

void run(const ops::Upload&, Queue&) { throw std::logic_error("uploads are the stream's"); }
void run(const ops::Download&, Queue&) { throw std::logic_error("downloads are the stream's"); }

void run(const ops::Copy& op, Queue& queue) {
  if (op.out.empty()) return;
  check(cudaMemcpyAsync(op.out.data, op.in.data, static_cast<std::size_t>(op.out.size()), cudaMemcpyDeviceToDevice,
                        queue.stream),
        "cudaMemcpyAsync within the device");
}

void run(const ops::Zero& op, Queue& queue) {
  if (op.out.empty()) return;
  check(cudaMemsetAsync(op.out.data, 0, static_cast<std::size_t>(op.out.size()), queue.stream), "cudaMemsetAsync");
}

}  // namespace gamlp::cuda
