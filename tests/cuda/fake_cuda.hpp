// A stand-in for the CUDA runtime, cuBLAS, cuBLASLt, cuSOLVER and NCCL, linked instead of them: as much as cuda/ calls.
//
// Device memory is the heap's. What is enqueued on a stream runs later: whenever a call is made, a seeded choice of
// streams runs some of what it holds, and the rest when the host waits. So an event that is not waited for shows as a
// wrong result for some seed. The nodes of a graph run in any order that its edges allow. Kernels are the real sources
// on the executor of tests/simt; the libraries' routines are the host's BLAS and LAPACK, in column-major order as
// theirs.
//
// NCCL (fake_nccl.cpp): a group holds its stream until each of its messages has met the other side's; some sends are
// done when they have begun, as buffered ones are; some groups reach the stream only after the communicator was asked
// about them a few times. Messages of different pairs pass in any order. Aborting waits for the other communicators
// of a world to be aborted, too.
#pragma once

#include <cstdint>
#include <string>

namespace fake_cuda {

struct Options {
  std::uint64_t seed = 1;
  int devices = 4;
  std::int64_t fail_at = 0;     // the call with this number (1 = first) fails; 0: none does
  bool refuse_capture = false;  // factorisations cannot be captured
  std::size_t memory = std::size_t{8} << 30;
  // Numbers of NCCL's calls (1 = first; 0: none). From there on the first communicator used gets an error of its own;
  // the first thing begun never ends.
  std::int64_t nccl_break_at = 0, nccl_hang_at = 0;
  bool nccl_holds_on = false;  // aborting does not come back
};

// Forgets everything, and starts again.
void reset(const Options& options);

struct Counts {
  std::int64_t calls = 0;  // of functions that can fail
  std::int64_t launches = 0, graph_launches = 0, captures = 0;
  std::int64_t graph_nodes = 0, graph_depth = 0;  // of the largest graph: nodes, and the longest way
  std::int64_t profiler_starts = 0, profiler_stops = 0;
  std::int64_t nccl_calls = 0, nccl_groups = 0, nccl_aborts = 0;
  std::int64_t live = 0;    // handles and memory blocks that were made and not released
  std::string failed_call;  // the one that fail_at named
  std::string misuse;       // what was done wrong, the first
};
Counts counts();

// What hangs in NCCL fails from now on.
void end_hangs();

}  // namespace fake_cuda
