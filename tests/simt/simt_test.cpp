// The executor itself, and the faults that it is there to find, planted one by one.
#include "tests/simt/simt.hpp"

#include <cstdio>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "cuda/core/reduce.hpp"
#include "cuda/kernels/codec.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp::cuda;

namespace {

// What run says when it is stopped by a fault; "" when it is not.
template <class Run>
std::string fault_of(Run run) {
  try {
    run();
  } catch (const simt::Fault& fault) {
    return fault.what();
  }
  return "";
}

template <class... Parameters, class... Arguments>
void start(void (*kernel)(Parameters...), unsigned blocks, unsigned threads, Arguments... arguments) {
  Queue queue;
  launch(queue, "planted", kernel, {blocks, 1, threads, 64 * sizeof(float)}, arguments...);
}

// Results with threads in both orders.
template <class Run>
std::pair<std::vector<float>, std::vector<float>> both_orders(std::size_t size, Run run) {
  std::vector<float> forward(size, 0.0f), backward(size, 0.0f);
  run(forward.data());
  simt::options().reverse = true;
  run(backward.data());
  simt::options().reverse = false;
  return {forward, backward};
}

template <bool Barrier>
__global__ void neighbour_kernel(float* out) {
  GAMLP_SHARED(float, values, 64);
  values[threadIdx.x] = static_cast<float>(threadIdx.x);
  if (Barrier) __syncthreads();
  const float left = threadIdx.x > 0 ? values[threadIdx.x - 1] : 0.0f;
  const float right = threadIdx.x < 63 ? values[threadIdx.x + 1] : 0.0f;
  out[threadIdx.x] = left == left && right == right ? left + right : -1.0f;
}

__global__ void half_barrier_kernel() {
  if (threadIdx.x < 32) __syncthreads();
}
__global__ void two_barriers_kernel() {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}
__global__ void absent_lane_kernel(float* out) {
  if (threadIdx.x < 16) out[threadIdx.x] = __shfl_xor_sync(kAllLanes, 1.0f, 1);
}
__global__ void unnamed_lane_kernel(float* out) { out[threadIdx.x] = __shfl_xor_sync(0xFFu, 1.0f, 16); }

template <int Size>
__global__ void shared_array_kernel(float* out) {
  GAMLP_SHARED(float, values, Size);
  values[threadIdx.x] = 1.0f;
  __syncthreads();
  out[threadIdx.x] = values[63 - threadIdx.x];
}
__global__ void dynamic_kernel(float* out, unsigned shift) {
  dynamic_shared<float>()[threadIdx.x + shift] = 1.0f;
  __syncthreads();
  out[threadIdx.x] = dynamic_shared<float>()[63 - threadIdx.x];
}

// Whether the run is stopped: by a fault, or by AddressSanitizer in a process of its own.
template <class Run>
bool stopped(Run run) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(2);
    _exit(fault_of(run).empty() ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

__global__ void copy_kernel(const float* from, float* to, Index n) {
  each8(n, [&](Index first) { store8(to, first, n, load8(from, first, n)); });
}
__global__ void copy_once_kernel(const float* from, float* to, Index n) {
  const Index first = Index{8} * (blockIdx.x * blockDim.x + threadIdx.x);
  if (first < n) store8(to, first, n, load8(from, first, n));
}
template <int Offset>
__global__ void pack_kernel(const float* codes, unsigned char* packed, Index n) {
  each8(n, [&](Index first) { pack8<4>(packed + Offset * (first >= 64 ? 4 : 0), first, n, load8(codes, first, n)); });
}

__global__ void sum_kernel(const float* x, double* out, Index n, Partials partials) {
  double sums[1] = {0.0};
  each8(n, [&](Index first) {
    const Eight v = load8(x, first, n);
    for (const float value : v.v) sums[0] += static_cast<double>(value);
  });
  if (grid_sum(sums, partials)) *out = sums[0];
}

struct alignas(64) Aligned {
  float values[1024];
};

}  // namespace

TEST_CASE("a missing barrier shows as a difference between the two orders") {
  const auto good = both_orders(64, [](float* out) { start(neighbour_kernel<true>, 1, 64, out); });
  CHECK(good.first == good.second);
  CHECK(good.first[5] == 10.0f);
  const auto bad = both_orders(64, [](float* out) { start(neighbour_kernel<false>, 1, 64, out); });
  CHECK(bad.first != bad.second);
}

TEST_CASE("barriers that not every thread reaches, or not the same one, are faults") {
  const std::string half = fault_of([] { start(half_barrier_kernel, 2, 64); });
  CHECK(half.find("planted, block (0, 0), thread 0: waits at the barrier of simt_test.cpp:") == 0);
  CHECK(half.find("but thread 32 has ended") != std::string::npos);
  const std::string two = fault_of([] { start(two_barriers_kernel, 1, 64); });
  CHECK(two.find("thread 32 at that of simt_test.cpp:") != std::string::npos);
}

TEST_CASE("warp operations that name absent lanes, or read lanes that they do not name, are faults") {
  float out[64];
  CHECK(fault_of([&] { start(absent_lane_kernel, 1, 32, out); }).find("names lane 16, which has ended") !=
        std::string::npos);
  CHECK(fault_of([&] { start(absent_lane_kernel, 1, 16, out); }).find("which does not exist") != std::string::npos);
  CHECK(fault_of([&] { start(unnamed_lane_kernel, 1, 32, out); }).find("which its mask does not name") !=
        std::string::npos);
}

TEST_CASE("what goes over the end of shared memory is stopped") {
  float out[64];
  CHECK_FALSE(stopped([&] { start(shared_array_kernel<64>, 1, 64, out); }));
  CHECK(stopped([&] { start(shared_array_kernel<63>, 1, 64, out); }));
  CHECK_FALSE(stopped([&] { start(dynamic_kernel, 1, 64, out, 0u); }));
  CHECK(stopped([&] { start(dynamic_kernel, 1, 64, out, 1u); }));
}

TEST_CASE("accesses of 16 bytes at other addresses, and more shared memory than there is, are faults") {
  Aligned from, to;
  CHECK(fault_of([&] { start(copy_kernel, 1, 32, from.values + 1, to.values, Index{8}); }).find("is not aligned") !=
        std::string::npos);
  float out[64];
  CHECK(fault_of([&] { start(shared_array_kernel<12 * 1024>, 1, 64, out); }).find("of 48 KB") != std::string::npos);
}

TEST_CASE("shared memory that was never written reads as NaN") {
  const auto run = [](float* out) { start(shared_array_kernel<128>, 1, 32, out); };
  std::vector<float> out(32);
  run(out.data());
  for (const float x : out) CHECK(x != x);  // values[63 … 32] belong to nobody
}

TEST_CASE("a grid that is one block short leaves values unwritten") {
  Aligned from, to;
  for (const unsigned blocks : {2u, 1u}) {
    std::fill_n(from.values, 1024, 1.0f);
    std::fill_n(to.values, 1024, -1.0f);
    start(copy_once_kernel, blocks, 64, from.values, to.values, Index{1000});
    CHECK((to.values[999] == 1.0f) == (blocks == 2));
    CHECK(to.values[1000] == -1.0f);
    start(copy_kernel, blocks, 64, from.values, to.values, Index{1000});  // goes round again
    CHECK(to.values[999] == 1.0f);
  }
}

TEST_CASE("codes at a wrong offset are not the CPU's") {
  Aligned codes;
  for (int i = 0; i < 128; ++i) codes.values[i] = static_cast<float>(i % 16);
  alignas(64) unsigned char packed[80] = {}, expected[64];
  for (int i = 0; i < 64; ++i) expected[i] = static_cast<unsigned char>(2 * i % 16 | (2 * i + 1) % 16 << 4);
  start(pack_kernel<0>, 1, 32, codes.values, packed, Index{128});
  CHECK(std::memcmp(packed, expected, 64) == 0);
  start(pack_kernel<1>, 1, 32, codes.values, packed, Index{128});
  CHECK(std::memcmp(packed, expected, 64) != 0);
  CHECK(packed[64] != 0);  // and the sentinel behind them is gone
}

TEST_CASE("sums over a grid are the same in both orders, run after run") {
  std::vector<float> x(10000);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 1.0f / static_cast<float>(i + 1);
  alignas(64) static float aligned[10000];
  std::copy(x.begin(), x.end(), aligned);
  std::vector<std::byte> scratch(Queue::scratch_bytes());
  Queue queue;
  queue.use_scratch(scratch.data(), nullptr);
  std::vector<double> sums;
  for (const bool reverse : {false, true, false}) {
    simt::options().reverse = reverse;
    double sum = 0.0;
    launch(queue, "sum", sum_kernel, {9, 1, 64}, static_cast<const float*>(aligned), &sum, Index{10000},
           queue.partials);
    sums.push_back(sum);
  }
  simt::options().reverse = false;
  CHECK(sums[0] == Approx(9.787606036).epsilon(1e-6));
  CHECK(sums[1] == sums[0]);
  CHECK(sums[2] == sums[0]);
}
