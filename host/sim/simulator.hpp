// A simulator of devices. A program runs on it unchanged, but on devices that are not there. The simulator is
// single-threaded and deterministic.
//
// Every stream is a queue. A scheduler runs the front of a queue that can go on: one drawn from the seed, or, with a
// cost model, the one that is earliest in simulated time. Nothing runs when it is enqueued. A wait of the driver runs
// the queues until what it waits for has passed.
//
// The simulator always checks for faults. The call that finds the first fault throws it as a SimulationFault, and so
// does every later call. The kinds are:
//   race      Two accesses to the same bytes, one of them a write, that no event, message or wait of the driver orders.
//             Vector clocks find it, over the byte ranges that the ops' const and mutable views name.
//   deadlock  The driver waits and no queue can go on. The fault names every blocked stream and what it waits for.
//             finish() finds messages that nobody sent or received.
//   mismatch  The two sides of a message name different sizes, types or contents.
//   memory    Memory is used after it was freed, freed while ops still use it, used out of bounds, used by a stream of
//             another device, or used twice by one op. The host's memory is used by another stream than one of copies.
//
// Messages keep NCCL's rules. A group is one op of its stream, which stays at it until all messages of the group are
// complete. The messages of a pair match in order. A message passes when the groups of both sides have come to the
// front. A receive is ordered after its send. A send is not ordered after its receive (NCCL may buffer it).
//
// In the simulated program each device has a host thread of its own (see SimFleet). When such a thread has waited, it
// knows what has passed. The ops that it enqueues later know that too. The waits and posts of the driver pass the
// knowledge on.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "host/core/error.hpp"
#include "host/cpu/cpu_ops.hpp"
#include "host/device/ops.hpp"
#include "host/device/trace.hpp"
#include "host/device/transport.hpp"
#include "host/math/random.hpp"
#include "host/sim/cost_model.hpp"
#include "host/sim/memory_map.hpp"

namespace gamlp::sim {

enum class FaultKind { race, deadlock, mismatch, memory };

struct SimulationFault : DeviceError {
  SimulationFault(FaultKind k, const std::string& message) : DeviceError(message), kind(k) {}
  FaultKind kind;
};

struct SimulatorOptions {
  std::uint64_t seed = 0;
  bool arithmetic = true;            // run the ops (as a CPU worker does); false: memory is addresses only
  const CostModel* costs = nullptr;  // gives simulated time; null: none is kept; outlives the simulator
  int parallel_ops = 1;              // Device::parallel_ops(); simulated ops of a stream run one after the other
};

// The times of one device, in simulated seconds. Only a simulator with a cost model keeps them.
struct DeviceClock {
  DeviceTimes times;            // busy by phase; wait: the compute stream stood; exchange: messages under way
  double exposed = 0;           // part of wait in which a message was being moved; the rest waited for a neighbour
  double compute_end = 0;       // time of the compute stream
  double copied_on_worker = 0;  // part of the compute stream's time spent copying messages (CPU workers)
  double staging = 0;           // in which copy streams were at work: copies to and from the host's memory (GPUs)
  double staging_exposed = 0;   // in which the compute stream stood until such a copy was there
};

// What a machine of several sends to the others, and receives from them.
struct NetworkUse {
  double out = 0, in = 0;  // until when its link carries what was sent so far, in simulated seconds
  std::uint64_t bytes_out = 0, bytes_in = 0;
};

class Simulator {
 public:
  Simulator(int devices, const SimulatorOptions& options);
  Simulator(const Simulator&) = delete;
  Simulator& operator=(const Simulator&) = delete;

  int devices() const { return static_cast<int>(clocks_.size()); }

  // ---- what devices, streams, events and transports call -------------------------------------------
  std::shared_ptr<Allocation> allocate(int device, std::size_t bytes, const std::string& what, MemoryKind kind);
  void release(Allocation& allocation) noexcept;
  MemoryUse memory(int device) const { return memory_.use(device); }
  int parallel_ops() const { return options_.parallel_ops; }

  std::size_t add_stream(int device, const std::string& what, StreamKind kind);
  void label(std::size_t stream, const StepLabel& label) { streams_[stream].label = label; }
  void enqueue(std::size_t stream, const Op& op);

  // When the messages of a group moved, in simulated time.
  struct GroupTiming {
    double arrival = 0;         // of this side
    double ready = 0, end = 0;  // all peers there; all messages moved
    // Until when each link of this device carries what the group sends, and what it receives. Its messages share it.
    std::array<double, 2> out{}, in{};
    double worker_seconds = 0;  // copying that this device's compute stream has yet to pay for (CPU workers)
  };
  // The state of an event at one record(). A wait refers to the record that was the last when it was called.
  struct Point {
    std::string event;
    bool passed = false;
    VectorClock clock;
    double time = 0;
    std::size_t stream = 0;
    std::shared_ptr<GroupTiming> group;  // the last that the stream had completed
    bool copies = false;                 // of a copy stream
  };
  void record(std::size_t stream, const std::shared_ptr<Point>& point);
  void wait(std::size_t stream, const std::shared_ptr<Point>& point, const char* protects);
  void exchange(int device, std::size_t stream, std::span<const Send> sends, std::span<const Receive> receives);
  void abort(const std::string& reason) noexcept;
  TransportCounters counters(int device) const { return counters_[static_cast<std::size_t>(device)]; }

  // ---- the driver -----------------------------------------------------------------------------------
  void synchronize_stream(std::size_t stream);
  void synchronize_point(const Point& point);
  // Runs everything, and checks that no message is left. The driver calls this when the program is over.
  void finish();
  // Throws the first fault again, if there was one.
  void check() const;

  // Choose the host thread on whose behalf the next calls are made: that of a device, or the driver's. Entering that of
  // a device passes on to it what the driver knows.
  void enter_host(int device);
  void leave_host() { host_ = hosts_.size() - 1; }
  // Returns what the host threads of the devices know now. The driver learns it when it waits for what they have done
  // so far.
  VectorClock hosts_know() const;
  void driver_learns(const VectorClock& clock);

  // ---- results ---------------------------------------------------------------------------------------
  const DeviceClock& clock(int device) const { return clocks_[static_cast<std::size_t>(device)]; }
  double time() const;  // of the latest stream
  // By the host in messages' costs. Only hosts that exchanged something with another one are in it.
  const std::map<int, NetworkUse>& network() const { return network_; }
  void trace(int device, TraceSink* sink) { sinks_[static_cast<std::size_t>(device)] = sink; }
  std::uint64_t ops_run() const { return ops_run_; }

 private:
  using Host = std::shared_ptr<const VectorClock>;

  struct OpEntry {
    Op op;
    std::vector<Access> accesses;
  };
  struct RecordEntry {
    std::shared_ptr<Point> point;
  };
  struct WaitEntry {
    std::shared_ptr<Point> point;
    const char* protects;
  };
  struct Message {
    int peer = 0;
    MatView<const std::byte> out;  // of a send
    MatView<std::byte> in;         // of a receive
    std::size_t bytes = 0;
    MessageLabel label;
    bool is_send = false, complete = false;
  };
  struct Group {
    std::vector<Message> messages;
    std::vector<Access> accesses;
    int device = 0;
    bool arrived = false;
    VectorClock clock;   // of this side at its arrival
    VectorClock joined;  // of the peers whose sends were received
    std::shared_ptr<GroupTiming> timing = std::make_shared<GroupTiming>();
  };
  struct GroupEntry {
    std::shared_ptr<Group> group;
  };
  struct Entry {
    std::variant<OpEntry, RecordEntry, WaitEntry, GroupEntry> what;
    Host host;
    StepLabel label;
  };
  struct StreamState {
    std::string name;
    int device = 0;
    StreamKind kind = StreamKind::compute;
    std::deque<Entry> queue;
    VectorClock clock;
    StepLabel label;
    double time = 0;
    std::shared_ptr<GroupTiming> last_group;
    double weight = 1;  // how eagerly the seeded scheduler picks it
  };
  // The messages from one device to another that have come to the front, in order.
  struct Channel {
    std::deque<std::pair<std::shared_ptr<Group>, std::size_t>> sends, receives;
  };

  bool can_run(const StreamState& stream) const;
  void run_front(StreamState& stream);
  void run(StreamState& stream, OpEntry& entry, const StepLabel& label);
  void run(StreamState& stream, WaitEntry& entry, const StepLabel& label);
  void run(StreamState& stream, RecordEntry& entry, const StepLabel& label);
  void run(StreamState& stream, GroupEntry& entry, const StepLabel& label);
  void arrive(StreamState& stream, const std::shared_ptr<Group>& group);
  void match(int from, int to);
  void deliver(Group& sender, Message& send, Group& receiver, Message& receive);
  template <class Done>
  void run_until(Done done, const char* what);
  std::size_t pick(const std::vector<std::size_t>& ready);

  Access access_of(std::size_t stream, const void* data, std::size_t bytes, bool write, const char* view,
                   const char* op);
  static void release(std::span<const Access> accesses);
  void touch(const StreamState& stream, std::span<const Access> accesses, const char* name, const StepLabel& label,
             std::uint32_t clock);
  void take_time(StreamState& stream, const Op& op, const StepLabel& label);
  std::string describe(const StreamState& stream, const char* name, const StepLabel& label) const;
  std::string describe(const Toucher& who) const;
  std::string waits_for(const StreamState& stream) const;
  std::string describe(const Message& message) const;
  std::string deadlock(const char* what) const;
  [[noreturn]] void fail(FaultKind kind, const std::string& text);
  Channel& channel(int from, int to);
  VectorClock& host() { return hosts_[host_]; }
  Host host_snapshot();

  SimulatorOptions options_;
  MemoryMap memory_;
  Random random_;
  std::vector<StreamState> streams_;
  std::vector<DeviceClock> clocks_;
  std::vector<TransportCounters> counters_;
  std::vector<TraceSink*> sinks_;
  std::map<std::pair<int, int>, Channel> channels_;
  std::map<int, NetworkUse> network_;
  std::vector<VectorClock> hosts_;  // of the devices, then of the driver
  std::vector<Host> snapshots_;
  std::size_t host_ = 0;
  cpu::Scratch scratch_;
  std::optional<SimulationFault> fault_;
  std::string aborted_;
  std::uint64_t ops_run_ = 0;
};

}  // namespace gamlp::sim
