// Runs CUDA kernels on the host: a block is a loop, a thread a fiber. simt.hpp, compiled before a kernel's source,
// gives it CUDA's names for the functions below.
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

// Where a kernel's source calls one of the functions below.
struct Location {
  const char* file = "";
  unsigned line = 0;
};

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
[[noreturn]] void misaligned(std::size_t bytes);
// The block's memory of one __shared__ variable, told apart by where it stands.
void* shared(std::size_t bytes, Location where);

// The address, which must be a multiple of `bytes`.
template <class T>
T* aligned(T* address, std::size_t bytes) {
  if (reinterpret_cast<std::uintptr_t>(address) % bytes != 0) misaligned(bytes);
  return address;
}

void block_barrier(Location where);
// Waits until every lane of `mask` is here; then returns what lane `source` (of this warp) had put in.
std::uint64_t warp_exchange(unsigned mask, std::uint64_t value, unsigned source, Location where);
// Whether all of them had put in true.
bool warp_all(unsigned mask, bool value, Location where);

template <class T>
T warp_value(unsigned mask, T value, unsigned source, Location where) {
  static_assert(sizeof(T) <= 8);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = warp_exchange(mask, bits, source, where);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace simt
