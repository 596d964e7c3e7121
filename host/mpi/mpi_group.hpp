// The ProcessGroup of processes that an MPI launcher started.
//
// MPI only carries bytes. This class itself orders them, waits for them, and detects failures. It calls MPI under one
// mutex, so that MPI_THREAD_SERIALIZED is enough, and makes only calls that do not block. Each process has a service
// thread. The service thread
//   - carries messages on while the devices compute, because MPI libraries progress only inside calls;
//   - sends signs of life: rank 0 to every process, every other process to rank 0;
//   - finds processes that are dead (on the same host by Linux's pidfd), and processes that are stopped or cut off (by
//     their silence);
//   - tells the others when this process fails.
// After a failure nobody calls MPI any more. So the memory of messages may be freed, and nobody waits for a peer.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#ifndef OMPI_SKIP_MPICXX
#define OMPI_SKIP_MPICXX 1
#endif
#ifndef MPICH_SKIP_MPICXX
#define MPICH_SKIP_MPICXX 1
#endif
#include <mpi.h>

#include "host/dist/process_group.hpp"
#include "host/dist/signs_of_life.hpp"

namespace gamlp::mpi {

// The messages to a peer, or those from it, over one communicator. MPI matches pieces in the order in which they are
// posted, so a message posts all of its pieces before the next one posts its first.
struct Lane {
  MPI_Comm comm = MPI_COMM_NULL;
  int peer = 0;
  std::uint64_t begun = 0, posted = 0;  // messages
};

// A message, cut into pieces. Only a few pieces are under way at a time, so that other messages, above all signs of
// life, need not wait for the whole of a large one.
class Transfer {
 public:
  Transfer() = default;
  // Both begin the transfer. The caller holds the group's mutex, as for test() and cancel(). The lane outlives it.
  static Transfer send(Lane& lane, std::span<const std::byte> message);
  static Transfer receive(Lane& lane, std::span<std::byte> message);

  // Carries it on, and returns whether it is complete. Throws DeviceError for an error that MPI reports, and when the
  // sender's message has another size.
  bool test();
  // Gives up the pieces that are not complete.
  void cancel();
  int peer() const { return lane_->peer; }
  bool receives() const { return receives_; }

 private:
  void begin(Lane& lane, std::byte* memory, std::size_t bytes);
  void post();

  Lane* lane_ = nullptr;
  std::uint64_t turn_ = 0;  // in the lane
  bool receives_ = false;
  std::byte* memory_ = nullptr;  // sends do not write to it
  std::size_t bytes_ = 0, posted_ = 0, received_ = 0;
  bool all_posted_ = false;          // a message without bytes has one empty piece
  std::vector<MPI_Request> pieces_;  // under way, in order
};

// What the service thread carries on. It holds the mutex when it calls carry_on().
class Carried {
 public:
  virtual ~Carried() = default;
  virtual void carry_on() noexcept = 0;
};

class MpiGroup final : public ProcessGroup {
 public:
  // A signal handler sets `ending` when a signal asks this process to end.
  explicit MpiGroup(const std::atomic<bool>& ending);
  ~MpiGroup() override;
  MpiGroup(const MpiGroup&) = delete;
  MpiGroup& operator=(const MpiGroup&) = delete;

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int host(int rank) const override { return peers_[static_cast<std::size_t>(rank)].host_rank; }
  std::string describe(int rank) const override;
  void name_devices(const std::vector<std::string>& devices) override;
  void set_timeouts(const GroupTimeouts& timeouts) override;
  void send(int to, std::span<const std::byte> message) override;
  void receive(int from, std::span<std::byte> message) override;
  std::unique_ptr<Transport> create_transport() override;
  void fail(ExitCode code, const std::string& reason) noexcept override;
  bool failed() const override { return failed_.load(); }
  void throw_if_failed() const override;
  void finish(int status) override;

  // For transports.
  std::mutex& mutex() { return mpi_; }
  Lane& sends_to(int peer) { return data_lanes_.sends.at(static_cast<std::size_t>(peer)); }
  Lane& receives_from(int peer) { return data_lanes_.receives.at(static_cast<std::size_t>(peer)); }
  double stall_timeout() const { return stall_.load(); }
  // The service thread carries `carried` on until it is removed. The caller holds the mutex. For `large` messages the
  // thread comes round more often.
  void add(Carried& carried, bool large);
  void remove(Carried& carried, bool large);

 private:
  struct Peer {
    std::string host;
    int host_rank = 0;  // the lowest rank on that host
    int process = 0;
    std::string device;
    int pidfd = -1;  // of a process on this host
  };

  struct Lanes {
    std::vector<Lane> sends, receives;  // by peer
  };

  Lanes lanes_of(MPI_Comm comm) const;
  void wait(Transfer transfer);
  void serve();
  void serve_messages(double now);
  void watch(double now);
  void lost(const std::string& reason, int rank);
  void tell_failure(int except);
  void part();
  void set_failed(ExitCode code, const std::string& reason);

  const std::atomic<bool>& asked_to_end_;
  int rank_ = 0, size_ = 1;
  std::mutex mpi_;
  MPI_Comm data_ = MPI_COMM_NULL, control_ = MPI_COMM_NULL, watch_ = MPI_COMM_NULL;
  Lanes data_lanes_, control_lanes_;
  std::vector<Carried*> carried_, carrying_;
  std::atomic<int> large_{0};
  std::vector<int> watched_;        // ranks that send signs of life here, and that this process sends some
  std::set<int> parted_;            // those of them that have sent their last message
  std::vector<MPI_Request> beats_;  // signs of life under way, by rank
  double next_beat_ = 0;
  std::optional<SignsOfLife> signs_;

  mutable std::mutex state_;  // guards the members down to ending_
  std::condition_variable changed_;
  std::vector<Peer> peers_;
  ExitCode code_ = ExitCode::device;
  std::string reason_;
  bool telling_ = false, ending_ = false;

  std::atomic<bool> failed_{false};
  std::atomic<double> silence_, stall_;
  std::thread service_;
};

}  // namespace gamlp::mpi
