// Processes started by an MPI launcher as a ProcessGroup, and their transport.
//
// MPI carries bytes only; order, waiting and failure are ours. All calls into MPI are non-blocking and made under one
// mutex (MPI_THREAD_SERIALIZED is enough). A service thread in each process
//   - carries messages on while the devices compute (MPI libraries do so only inside calls),
//   - sends signs of life to rank 0, rank 0 to all, and finds who is dead (by Linux's pidfd on the same host), stopped
//   or
//     cut off (by silence),
//   - tells the others when this process fails.
// After a failure nothing calls MPI any more: its memory may go, and no peer is waited for.
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

// A message in pieces, few of them under way at a time: what else goes the same way, signs of life above all, need not
// wait for the whole of it.
class Transfer {
 public:
  Transfer() = default;
  // Both begin it; under the group's mutex.
  static Transfer send(int peer, std::span<const std::byte> message, MPI_Comm comm);
  static Transfer receive(int peer, std::span<std::byte> message, MPI_Comm comm);

  // Goes on with it; true when complete; under the mutex. Throws DeviceError for what MPI reports, and for a message of
  // another size.
  bool test();
  // Gives up what is not complete; under the mutex.
  void cancel();
  int peer() const { return peer_; }
  bool receives() const { return receives_; }

 private:
  void post();

  int peer_ = 0;
  bool receives_ = false;
  MPI_Comm comm_ = MPI_COMM_NULL;
  std::byte* memory_ = nullptr;  // sends do not write to it
  std::size_t bytes_ = 0, posted_ = 0, received_ = 0;
  bool empty_ = false;               // a message without bytes has one empty piece
  std::vector<MPI_Request> pieces_;  // under way, in order
};

// Something that the service thread carries on.
class Carried {
 public:
  virtual ~Carried() = default;
  virtual void carry_on() noexcept = 0;  // under the mutex
};

class MpiGroup final : public ProcessGroup {
 public:
  // `ending`: set when a signal asked this process to end.
  explicit MpiGroup(const std::atomic<bool>& ending);
  ~MpiGroup() override;
  MpiGroup(const MpiGroup&) = delete;
  MpiGroup& operator=(const MpiGroup&) = delete;

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int local_rank() const override { return local_rank_; }
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
  MPI_Comm data() const { return data_; }
  double stall_timeout() const { return stall_.load(); }
  // The service thread looks after `carried` until it is removed; both under the mutex. `large`: often.
  void add(Carried& carried, bool large);
  void remove(Carried& carried, bool large);

 private:
  struct Peer {
    std::string host;
    int process = 0;
    std::string device;
    int pidfd = -1;  // of a process on this host
  };

  void wait(Transfer transfer);
  void serve();
  void serve_messages(double now);
  void watch(double now);
  void lost(const std::string& reason, int rank);
  void tell_failure(int except);
  void part();
  void set_failed(ExitCode code, const std::string& reason);

  const std::atomic<bool>& asked_to_end_;
  int rank_ = 0, size_ = 1, local_rank_ = 0;
  std::mutex mpi_;
  MPI_Comm data_ = MPI_COMM_NULL, control_ = MPI_COMM_NULL, watch_ = MPI_COMM_NULL;
  std::vector<Carried*> carried_, carrying_;
  std::atomic<int> large_{0};
  std::vector<int> watched_;        // who sends signs of life here, and is sent some
  std::set<int> parted_;            // of them, who has sent its last message
  std::vector<MPI_Request> beats_;  // signs of life under way, by rank
  double next_beat_ = 0;
  std::optional<SignsOfLife> signs_;

  mutable std::mutex state_;  // what follows
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
