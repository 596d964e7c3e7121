// The transport by itself, under mpirun: test_mpi starts it. Prints what went wrong; exits as gamlp would. With "time"
// and "time_mpi" it prints how long collectives take, gamlp's and MPI's own (link.py collectives).
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include "host/core/clock.hpp"
#include "host/cpu/cpu_device.hpp"
#include "host/device/thread_fleet.hpp"
#include "host/dist/launch.hpp"
#include "host/math/random.hpp"
#include "host/mpi/mpi.hpp"
#include "tests/collectives/checks.hpp"

using namespace gamlp;

namespace {
bool g_deaf = false;
bool g_left = false;
}  // namespace

// What MPI lets a program put before its calls (its profiling interface). A deaf process finds no message by asking;
// one that frees a communicator looks whether something was left in it.
extern "C" int MPI_Iprobe(int source, int tag, MPI_Comm comm, int* there, MPI_Status* status) {
  if (!g_deaf) return PMPI_Iprobe(source, tag, comm, there, status);
  *there = 0;
  return MPI_SUCCESS;
}
extern "C" int MPI_Comm_free(MPI_Comm* comm) {
  int there = 0;
  PMPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, *comm, &there, MPI_STATUS_IGNORE);
  g_left = g_left || there != 0;
  return PMPI_Comm_free(comm);
}

namespace {

struct Rank {
  ProcessGroup& group;
  CpuDevice device;
  std::unique_ptr<Stream> stream;
  std::unique_ptr<Transport> transport;
  explicit Rank(ProcessGroup& g)
      : group(g),
        device(g.rank(), 1),
        stream(device.create_stream("exchange", StreamKind::exchange)),
        transport(g.create_transport()) {}
};

Bytes bytes_of(std::vector<std::byte>& x) { return {x.data(), 1, static_cast<std::int64_t>(x.size())}; }

// Groups of messages of all sizes along a chain, empty ones and megabytes, several of one pair in a group.
void exchange(Rank& rank) {
  const int me = rank.group.rank(), size = rank.group.size();
  const std::vector<std::size_t> sizes = {0, 1, 100, 4096, 70000, 3000000};
  Random random(7);  // the same on every rank
  std::uint64_t sent = 0, received = 0;
  for (int round = 0; round < 150; ++round) {
    // What goes from r to r + 1, and from r + 1 to r; the last of them twice.
    std::vector<std::size_t> up, down;
    for (int r = 0; r + 1 < size; ++r) {
      up.push_back(sizes[random.below(round % 10 == 0 ? 6 : 5)]);
      down.push_back(sizes[random.below(5)]);
    }
    const auto fill = [&](std::size_t bytes, int from, int to) {
      return std::vector<std::byte>(bytes, static_cast<std::byte>(round + 16 * from + to));
    };
    std::vector<std::vector<std::byte>> out, in, expected;
    std::vector<int> to, from;
    for (const int other : {me - 1, me + 1}) {
      if (other < 0 || other >= size) continue;
      const auto boundary = static_cast<std::size_t>(std::min(me, other));
      for (int twice = 0; twice < 1 + (round % 2); ++twice) {
        out.push_back(fill((other > me ? up : down)[boundary] + static_cast<std::size_t>(twice), me, other));
        to.push_back(other);
        expected.push_back(fill((other > me ? down : up)[boundary] + static_cast<std::size_t>(twice), other, me));
        in.emplace_back(expected.back().size());
        from.push_back(other);
      }
    }
    std::vector<Send> sends;
    std::vector<Receive> receives;
    for (std::size_t i = 0; i < out.size(); ++i) {
      sends.push_back({to[i], bytes_of(out[i])});
      receives.push_back({from[i], bytes_of(in[i])});
      sent += out[i].size(), received += in[i].size();
    }
    rank.transport->exchange(*rank.stream, sends, receives);
    if (random.below(4) == 0) std::this_thread::sleep_for(std::chrono::milliseconds(me));
    rank.stream->synchronize();
    if (in != expected) throw DeviceError("a message is not what was sent, round " + std::to_string(round));
  }
  const TransportCounters counted = rank.transport->counters();
  if (counted.bytes_sent != sent || counted.bytes_received != received) throw DeviceError("counters are wrong");
}

// Large messages of one pair behind each other, which the receiver asks for late: groups of one message each, and one
// group of two.
void queue(Rank& rank) {
  constexpr std::size_t kMega = std::size_t{1} << 20;
  const std::size_t sizes[] = {9 * kMega, 8 * kMega, 5 * kMega + 1, 1, 8 * kMega, 7 * kMega};
  constexpr std::size_t kInGroups = 4;                 // the others are one group
  static std::vector<std::vector<std::byte>> out, in;  // MPI may write into them until the end, after an error too
  for (std::size_t i = 0; i < std::size(sizes); ++i) {
    out.emplace_back(sizes[i]);
    for (std::size_t j = 0; j < sizes[i]; ++j) out[i][j] = static_cast<std::byte>(i * 37 + (j >> 12));
    in.emplace_back(sizes[i]);
  }
  const auto send = [&](std::size_t i) { return Send{1, bytes_of(out[i])}; };
  const auto receive = [&](std::size_t i) { return Receive{0, bytes_of(in[i])}; };
  const bool sends = rank.group.rank() == 0;
  if (!sends) std::this_thread::sleep_for(std::chrono::milliseconds(300));
  for (std::size_t i = 0; i < kInGroups; ++i) {
    if (sends) rank.transport->exchange(*rank.stream, std::vector<Send>{send(i)}, {});
    if (!sends) rank.transport->exchange(*rank.stream, {}, std::vector<Receive>{receive(i)});
  }
  if (sends) rank.transport->exchange(*rank.stream, std::vector<Send>{send(4), send(5)}, {});
  if (!sends) rank.transport->exchange(*rank.stream, {}, std::vector<Receive>{receive(4), receive(5)});
  rank.stream->synchronize();
  for (std::size_t i = 0; !sends && i < in.size(); ++i) {
    if (in[i] != out[i]) throw DeviceError("message " + std::to_string(i) + " is not what was sent");
  }
  agree(rank.group, [] {});
}

// The neighbour sends more or less than is expected.
void mismatch(Rank& rank, std::size_t bytes) {
  const int peer = 1 - rank.group.rank();
  std::vector<std::byte> out(rank.group.rank() == 0 ? bytes : 1000), in(1000);
  const Send send{peer, bytes_of(out), {"q", 3, 4}};
  const Receive receive{peer, bytes_of(in), {"q", 3, 4}};
  rank.transport->exchange(*rank.stream, {&send, 1}, {&receive, 1});
  rank.stream->synchronize();
  agree(rank.group, [] {});
}

// A process lives, but never sends.
void stall(Rank& rank) {
  rank.group.set_timeouts({30.0, 1.0});
  std::vector<std::byte> in(1000);
  const Receive receive{1, bytes_of(in), {"p", 2, 0}};
  if (rank.group.rank() == 0) {
    rank.transport->exchange(*rank.stream, {}, {&receive, 1});
    rank.stream->synchronize();
  }
  while (!rank.group.failed()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  agree(rank.group, [] {});  // throws what the others said
}

// Every collective between the processes.
void check_collectives(ProcessGroup& group) {
  std::vector<ThreadFleet::Member> members;
  members.push_back({std::make_unique<CpuDevice>(group.rank(), 1), group.create_transport()});
  ThreadFleet fleet(std::move(members), group.rank(), group.size());
  for (const collectives::Check& check : collectives::kChecks) {
    const std::string found = check.run(fleet);
    if (!found.empty()) throw DeviceError(std::string(check.name) + ": " + found);
  }
  agree(group, [] {});
}

// One process leaves out a collective that the others wait in.
void skip_collective(ProcessGroup& group) {
  group.set_timeouts({30.0, 1.0});
  std::vector<ThreadFleet::Member> members;
  members.push_back({std::make_unique<CpuDevice>(group.rank(), 1), group.create_transport()});
  ThreadFleet fleet(std::move(members), group.rank(), group.size());
  std::vector<std::byte> all(3000);
  if (group.rank() != 1) {
    fleet.post(group.rank(), [&] {
      const DeviceContext& on = fleet.context(group.rank());
      MessageGroup messages;
      messages.all_gather(RankGroup::all(*on.transport), bytes_of(all), Parts::even(3000, group.size(), 1),
                          {"gradient of W", 3, 4});
      messages.enqueue(*on.transport, *on.exchange);
      on.exchange->synchronize();
    });
    fleet.wait();
  }
  while (!group.failed()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  agree(group, [] {});  // throws what the others said
}

// Prints how long an all-gather of so many bytes takes, and an all-reduce of as many, in microseconds: the middle of
// some rounds. `gather` and `reduce` do one of them.
void time_collectives(int rank, const std::function<void()>& together, const std::function<void(std::int64_t)>& gather,
                      const std::function<void(std::int64_t)>& reduce, const char* whose) {
  for (const std::int64_t bytes : {std::int64_t{1} << 14, std::int64_t{1} << 18, std::int64_t{1} << 22}) {
    double middle[2] = {};
    for (const bool reduces : {false, true}) {
      std::vector<double> seconds;
      for (int round = 0; round < 7; ++round) {
        together();
        const auto start = Clock::now();
        for (int i = 0; i < 3; ++i) reduces ? reduce(bytes) : gather(bytes);
        together();
        seconds.push_back(seconds_since(start) / 3);
      }
      std::nth_element(seconds.begin(), seconds.begin() + 3, seconds.end());
      middle[reduces ? 1 : 0] = seconds[3];
    }
    if (rank != 0) continue;
    std::printf("%-8s %8lld bytes: all-gather %9.0f us, all-reduce %9.0f us\n", whose, static_cast<long long>(bytes),
                1e6 * middle[0], 1e6 * middle[1]);
  }
}

// gamlp's, which sums in the order that its bits need.
void time_own(ProcessGroup& group) {
  std::vector<ThreadFleet::Member> members;
  members.push_back({std::make_unique<CpuDevice>(group.rank(), 1), group.create_transport()});
  ThreadFleet fleet(std::move(members), group.rank(), group.size());
  const DeviceContext& on = fleet.context(group.rank());
  std::vector<int> ranks, hosts;
  for (int rank = 0; rank < group.size(); ++rank) ranks.push_back(rank), hosts.push_back(group.host(rank));
  const RankGroup all(ranks, group.rank(), hosts);
  constexpr std::int64_t kMost = std::int64_t{1} << 20;  // floats
  const Buffer memory = on.device->allocate(2 * kMost * sizeof(float), "values", MemoryKind::exchange);
  std::map<std::int64_t, std::unique_ptr<Reduction>> reductions;
  const auto posted = [&](const std::function<void()>& task) { fleet.post(group.rank(), task), fleet.wait(); };
  posted([&] { on.compute->enqueue(ops::Zero{memory.raw(memory.bytes())}); });
  const auto gather = [&](std::int64_t bytes) {
    posted([&] {
      MessageGroup messages;
      messages.all_gather(all, memory.raw(static_cast<std::size_t>(bytes)), Parts::even(bytes, all.size(), 64), {});
      messages.enqueue(*on.transport, *on.exchange);
      on.exchange->synchronize();
    });
  };
  const auto reduce = [&](std::int64_t bytes) {
    const std::int64_t values = bytes / static_cast<std::int64_t>(sizeof(float));
    posted([&] {
      auto& reduction = reductions[values];
      if (!reduction) {
        reduction = std::make_unique<Reduction>(on, all, BlockSums::one_each(all.size()),
                                                Reduction::even_parts(values, all), MessageLabel{"values"});
      }
      const Mat in = memory.mat(1, values), out{memory.mat(1, 2 * kMost).data + kMost, 1, values};
      reduction->scatter(in, 0), reduction->sum(out), reduction->gather(out), reduction->finish();
      on.compute->synchronize();
    });
  };
  time_collectives(
      group.rank(), [&] { agree(group, [] {}); }, gather, reduce, "gamlp's");
  posted([&] { reductions.clear(); });
}

// MPI's own, in a process without gamlp's threads.
int time_mpi() {
  MPI_Init(nullptr, nullptr);
  int rank = 0, size = 1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  std::vector<float> in(std::size_t{1} << 20), out(std::size_t{1} << 20);
  const auto gather = [&](std::int64_t bytes) {
    MPI_Allgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, out.data(), static_cast<int>(bytes / size), MPI_BYTE,
                  MPI_COMM_WORLD);
  };
  const auto reduce = [&](std::int64_t bytes) {
    MPI_Allreduce(in.data(), out.data(), static_cast<int>(bytes / static_cast<std::int64_t>(sizeof(float))), MPI_FLOAT,
                  MPI_SUM, MPI_COMM_WORLD);
  };
  time_collectives(
      rank, [] { MPI_Barrier(MPI_COMM_WORLD); }, gather, reduce, "MPI's");
  return MPI_Finalize();
}

// Signs of life are under way when the run ends.
void end_unheard() {
  g_deaf = true;
  std::this_thread::sleep_for(std::chrono::milliseconds(700));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == "time_mpi") return time_mpi();
  static std::atomic<bool> stop{false};
  use_mpi();
  const std::unique_ptr<ProcessGroup> group = start_group(stop);
  if (group == nullptr || argc < 2) return 2;
  int status = 0;
  try {
    const std::string what = argv[1];
    group->name_devices(std::vector<std::string>(static_cast<std::size_t>(group->size()), "cpu"));
    if (what == "collectives") check_collectives(*group);
    if (what == "skip_collective") skip_collective(*group);
    if (what == "time") time_own(*group);
    Rank rank(*group);
    if (what == "exchange") exchange(rank);
    if (what == "queue") queue(rank);
    if (what == "longer") mismatch(rank, 1200);
    if (what == "shorter") mismatch(rank, 800);
    if (what == "stall") stall(rank);
    if (what == "end_unheard") end_unheard();
  } catch (const Error& error) {
    std::fprintf(stderr, "ranks: rank %d: %s\n", group->rank(), error.what());
    status = static_cast<int>(error.code());
    if (dynamic_cast<const GroupFailure*>(&error) == nullptr) fail_here(*group, error.code(), error.what());
  }
  group->finish(status);
  if (g_left) std::fprintf(stderr, "ranks: rank %d: messages were left unreceived\n", group->rank());
  return g_left ? 1 : status;
}
