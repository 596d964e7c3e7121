// Runs CUDA kernels on the host: a block is a loop, a thread a fiber. Compiled before a kernel's source, which then
// sees threadIdx, __syncthreads, warp shuffles and the rest as the functions below.
//
// Between two points of synchronisation a fiber runs undisturbed; threads and blocks run in the order of their numbers
// or against it (options().reverse): a missing barrier gives another result in one of the two. Shared memory is a heap
// block of exact size filled with NaN before every thread block, so AddressSanitizer sees what goes over its end, and
// what was never written shows. Reported, as simt::Fault naming kernel, block, thread and line: barriers that not all
// threads of the block reach, or at different lines; warp operations whose mask names a lane that does not take part.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>

namespace simt {

struct Dim3 {
  unsigned x = 1, y = 1, z = 1;
};

struct Fault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Options {
  bool reverse = false;
  // Where launches go; empty: they run at once.
  std::function<void(void* stream, const char* kernel, std::function<void()> run)> submit;
};
Options& options();

// What the running thread is.
struct Place {
  Dim3 thread, block, block_size, grid_size;
  unsigned linear = 0;  // of the thread in its block
};
const Place& place();

// Calls `body` once per thread of every block, blocks one after the other.
void run(const char* kernel, Dim3 grid, Dim3 block, std::size_t dynamic_shared, const std::function<void()>& body);

// run(), by way of options().submit.
template <class... Parameters, class... Arguments>
void launch(void* stream, const char* name, void (*kernel)(Parameters...), Dim3 grid, Dim3 block, std::size_t shared,
            Arguments... arguments) {
  auto all = [=, values = std::tuple<Parameters...>(arguments...)] {
    run(name, grid, block, shared, [&] { std::apply(kernel, values); });
  };
  if (options().submit) {
    options().submit(stream, name, all);
  } else {
    all();
  }
}

void* dynamic_shared();
// The block's memory of one __shared__ variable, told apart by where it stands.
void* shared(std::size_t bytes, std::source_location where);

void block_barrier(std::source_location where);
// Waits until every lane of `mask` is here; then returns what lane `source` (of this warp) had put in.
std::uint64_t warp_exchange(unsigned mask, std::uint64_t value, unsigned source, std::source_location where);
// The same for a vote: bit i is lane i's `value`.
unsigned warp_ballot(unsigned mask, bool value, std::source_location where);

template <class T>
T warp_value(unsigned mask, T value, unsigned source, std::source_location where) {
  static_assert(sizeof(T) <= 8);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = warp_exchange(mask, bits, source, where);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace simt

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define threadIdx (simt::place().thread)
#define blockIdx (simt::place().block)
#define blockDim (simt::place().block_size)
#define gridDim (simt::place().grid_size)

// NOLINTBEGIN: the names are CUDA's
inline void __syncthreads(std::source_location where = std::source_location::current()) { simt::block_barrier(where); }
inline void __syncwarp(unsigned mask = ~0u, std::source_location where = std::source_location::current()) {
  simt::warp_exchange(mask, 0, simt::place().linear % 32, where);
}
template <class T>
T __shfl_sync(unsigned mask, T value, int lane, int width = 32,
              std::source_location where = std::source_location::current()) {
  const unsigned own = simt::place().linear % 32, w = static_cast<unsigned>(width);
  return simt::warp_value(mask, value, own / w * w + static_cast<unsigned>(lane) % w, where);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32,
                  std::source_location where = std::source_location::current()) {
  const unsigned own = simt::place().linear % 32, w = static_cast<unsigned>(width);
  const unsigned source = own ^ static_cast<unsigned>(lanes);
  return simt::warp_value(mask, value, source / w == own / w ? source : own, where);
}
inline unsigned __ballot_sync(unsigned mask, bool value, std::source_location where = std::source_location::current()) {
  return simt::warp_ballot(mask, value, where);
}
inline void __threadfence() {}
// Blocks run one after the other, and threads only change at points of synchronisation.
template <class T>
T atomicAdd(T* address, T value) {
  const T old = *address;
  *address = old + value;
  return old;
}
// NOLINTEND

#define GAMLP_SHARED(type, name, count) \
  auto& name = *static_cast<type(*)[count]>(simt::shared(sizeof(type[count]), std::source_location::current()))
