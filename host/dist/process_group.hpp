// The processes of a run. A run may have several, each with one device and one driver. All drivers do the same steps.
// Rank 0 also reads the dataset, writes the run folder and talks to the user.
//
// The drivers tell each other metrics, weights and checkpoints by a ProcessGroup. What the devices exchange goes by
// their Transport instead. Only the thread that drives the run calls a group, but any thread may call fail().
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "host/core/error.hpp"
#include "host/device/transport.hpp"

namespace gamlp {

// Once a process of the group has failed, every pending and later call throws this. The message names the process.
struct GroupFailure : Error {
  using Error::Error;
};

// An error that every process of the group throws alike. Only rank 0 prints it.
struct AgreedError : Error {
  using Error::Error;
};

// How long a process waits, in seconds, before it gives up.
struct GroupTimeouts {
  double silence = 30.0;  // without a sign of life of another process, which then is dead, stopped or cut off
  double stall = 600.0;   // for a message of a process that is alive
};

class ProcessGroup {
 public:
  virtual ~ProcessGroup() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual int host(int rank) const = 0;  // of that rank: the lowest rank on the same host
  // "rank 1 (cpu:1, process 4711 on hostb)". Without the device until name_devices() was called.
  virtual std::string describe(int rank) const = 0;
  virtual void name_devices(const std::vector<std::string>& devices) = 0;  // by rank
  virtual void set_timeouts(const GroupTimeouts& timeouts) = 0;

  // The messages from one process to another arrive in order. Both sides name the same size. When send() returns, the
  // caller may reuse the memory.
  virtual void send(int to, std::span<const std::byte> message) = 0;
  virtual void receive(int from, std::span<std::byte> message) = 0;

  // This process's end of a transport between CPU devices. A device's rank is its process's.
  virtual std::unique_ptr<Transport> create_transport() = 0;

  // Says that the run cannot go on. It returns when the other processes were told, or when they cannot be told. Of
  // several reasons the first stays. Any thread may call this.
  virtual void fail(ExitCode code, const std::string& reason) noexcept = 0;
  virtual bool failed() const = 0;
  virtual void throw_if_failed() const = 0;

  // The last call. Where the group has not failed, it waits for the other processes. Where it has failed, it ends this
  // process with `status`.
  virtual void finish(int status) = 0;
};

// This process's place among those on its host.
int local_rank(const ProcessGroup& group);

// Calls fail() with an error that this process met.
void fail_here(ProcessGroup& group, ExitCode code, const std::string& what) noexcept;

// Runs `step`. When it throws, tells the others at once, before the caller's objects are destroyed, which may wait for
// the others. Throws the same error again.
void tell_failure(ProcessGroup& group, const std::function<void()>& step);

// A group of this process alone.
ProcessGroup& solo_group();

void send_text(ProcessGroup& group, int to, const std::string& text);
std::string receive_text(ProcessGroup& group, int from);

// ---- collective calls: every process makes them, in the same order --------------------------------------
// Afterwards every process has the bytes, or the text, of rank 0.
void broadcast(ProcessGroup& group, std::span<std::byte> message);
std::string broadcast_text(ProcessGroup& group, const std::string& text);
// Returns every process's text, by rank.
std::vector<std::string> all_gather(ProcessGroup& group, const std::string& text);
// Runs `step` on every process. When it throws on one, all throw an AgreedError that names that process.
void agree(ProcessGroup& group, const std::function<void()>& step);

}  // namespace gamlp
