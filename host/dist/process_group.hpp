// The processes of a run, when there are several: one device each, and a driver in each that does the same as the
// others. Rank 0 reads the dataset, writes the run folder and talks to the user.
//
// The drivers exchange metrics, weights and checkpoints here; what the devices exchange goes by their Transport. All
// calls but fail() come from the thread that drives the run.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "host/core/error.hpp"
#include "host/device/transport.hpp"

namespace gamlp {

// What every pending and later call throws once a process of the group has failed. The message names the process.
struct GroupFailure : Error {
  using Error::Error;
};

// An error that every process of the group throws alike; rank 0 tells it.
struct AgreedError : Error {
  using Error::Error;
};

// How long to wait for what does not come.
struct GroupTimeouts {
  double silence = 30.0;  // seconds without a sign of life of a process: it is dead, stopped or cut off
  double stall = 600.0;   // seconds that a message of a living process may take
};

class ProcessGroup {
 public:
  virtual ~ProcessGroup() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual int local_rank() const = 0;  // among the processes on this host
  // "rank 1 (cpu:1, process 4711 on hostb)". The device from when name_devices() was called.
  virtual std::string describe(int rank) const = 0;
  virtual void name_devices(const std::vector<std::string>& devices) = 0;  // by rank
  virtual void set_timeouts(const GroupTimeouts& timeouts) = 0;

  // Messages of one pair arrive in order; both sides name the same size. send() returns when the memory may be reused.
  virtual void send(int to, std::span<const std::byte> message) = 0;
  virtual void receive(int from, std::span<std::byte> message) = 0;

  // This process's end of a transport between CPU devices. A device's rank is its process's.
  virtual std::unique_ptr<Transport> create_transport() = 0;

  // The run cannot go on. Returns when the other processes were told, or could not be. The first reason stays. Callable
  // from any thread.
  virtual void fail(ExitCode code, const std::string& reason) noexcept = 0;
  virtual bool failed() const = 0;
  virtual void throw_if_failed() const = 0;

  // The last call: waits for the other processes, unless the group has failed; then it ends this process with `status`.
  virtual void finish(int status) = 0;
};

// fail() for what this process met.
void fail_here(ProcessGroup& group, ExitCode code, const std::string& what) noexcept;

// Runs `step` and tells the others what it throws, before what the caller has made is destroyed: that may take them.
void tell_failure(ProcessGroup& group, const std::function<void()>& step);

// A group of this process alone.
ProcessGroup& solo_group();

// ---- collective calls: every process makes them, in the same order --------------------------------------
void send_text(ProcessGroup& group, int to, const std::string& text);
std::string receive_text(ProcessGroup& group, int from);
// The bytes, or the text, of rank 0.
void broadcast(ProcessGroup& group, std::span<std::byte> message);
std::string broadcast_text(ProcessGroup& group, const std::string& text);
// Every process's text, by rank, on every process.
std::vector<std::string> all_gather(ProcessGroup& group, const std::string& text);
// Runs `step` on every process. Where it throws on one, all throw: an AgreedError that names the process.
void agree(ProcessGroup& group, const std::function<void()>& step);

}  // namespace gamlp
