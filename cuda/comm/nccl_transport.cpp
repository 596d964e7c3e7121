#include "cuda/comm/nccl_transport.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <mutex>
#include <nccl.h>
#include <thread>

#include "cuda/core/handles.hpp"
#include "cuda/device/cuda_device.hpp"
#include "host/core/clock.hpp"
#include "host/core/error.hpp"
#include "host/core/pause.hpp"
#include "host/device/transport_ends.hpp"
#include "host/dist/process_group.hpp"

namespace gamlp {
namespace {

using std::chrono::milliseconds;

constexpr int kMaxCtas = 4;         // thread blocks, of a multiprocessor each: more carry no more over one link
constexpr double kOwnCall = 2;      // seconds that a call of this process may take which others wait for
constexpr double kLettingGo = 10;   // seconds that aborting may take
constexpr double kEnding = 10;      // seconds that ending in good order may take
constexpr double kOthersSay = 1.0;  // seconds in which another process may say why it is gone
constexpr std::size_t kWarmUpBytes = 256;
constexpr milliseconds kWatchEvery{5};

std::string text_of(ncclResult_t status, ncclComm_t comm) {
  const char* last = ncclGetLastError(comm);
  std::string text = ncclGetErrorString(status);
  if (last != nullptr && *last != '\0') text += std::string(" (") + last + ")";
  return text;
}

void check(ncclResult_t status, const char* call, ncclComm_t comm) {
  if (status == ncclSuccess || status == ncclInProgress) return;
  throw DeviceError(std::string("NCCL: ") + call + " failed: " + text_of(status, comm));
}

// A message of a group.
struct Part {
  bool receives;
  int peer;
  MessageLabel label;
};

// A group that a stream was given.
struct Group {
  cuda::EventHandle begun, done;
  std::vector<Part> parts;
  double since = 0;  // when it was first seen to have begun; 0: not yet
};

struct Member {
  Member(CudaDevice& d, int r) : device(d), rank(r) {}
  CudaDevice& device;
  int rank;
  std::mutex mutex;  // of what follows
  ncclComm_t comm = nullptr;
  std::deque<Group> groups;  // in the order of the stream
  std::vector<Group> spare;
  Buffer warm_up;  // and its stream: of the first messages
  std::unique_ptr<Stream> warm_up_stream;
};

class Hub {
 public:
  Hub(const std::vector<CudaDevice*>& devices, int first, int size, ProcessGroup* group, double stall_timeout)
      : size_(size), group_(group), stall_timeout_(stall_timeout) {
    for (std::size_t i = 0; i < devices.size(); ++i) {
      members_.push_back(std::make_unique<Member>(*devices[i], first + static_cast<int>(i)));
    }
  }
  ~Hub() { close(); }
  Hub(const Hub&) = delete;
  Hub& operator=(const Hub&) = delete;

  int size() const { return size_; }
  Member& member(std::size_t i) { return *members_[i]; }
  std::size_t members() const { return members_.size(); }

  void connect(const ncclUniqueId& id);
  void exchange(Member& member, CudaStream& stream, std::span<const Send> sends, std::span<const Receive> receives);
  void abort(const std::string& reason) noexcept;
  void close() noexcept;

 private:
  void connect(Member& member, const ncclUniqueId& id);
  void warm_up(Member& member);
  void put(Member& member, cudaStream_t stream, std::span<const Send> sends, std::span<const Receive> receives);
  void wait_until(const std::function<bool()>& done, double seconds, const std::string& what);
  bool settled(Member& member);
  void throw_if_failed();
  void watch() noexcept;
  void look();
  std::string look(Member& member, ncclResult_t& error);
  std::exception_ptr told(std::exception_ptr error) noexcept;
  void fail(std::exception_ptr error) noexcept;
  void end();
  std::exception_ptr named(const Member& member, const std::string& about = {}) const;
  std::string describe(int rank) const;
  std::string describe(const std::vector<Part>& parts) const;

  int size_;
  ProcessGroup* group_;  // null: all devices are here
  double stall_timeout_;
  std::vector<std::unique_ptr<Member>> members_;

  std::mutex state_;  // of what follows
  std::condition_variable changed_;
  std::exception_ptr error_;
  std::size_t held_ = 0;  // communicators that are being aborted
  bool closing_ = false, closed_ = false;

  std::vector<std::thread> aborting_;
  std::thread watcher_;
};

std::string Hub::describe(int rank) const {
  if (group_ != nullptr) return group_->describe(rank);
  return "device " + std::to_string(rank) + " (" + members_[static_cast<std::size_t>(rank)]->device.name() + ")";
}

std::string Hub::describe(const std::vector<Part>& parts) const {
  std::string text;
  for (const Part& part : parts) {
    text +=
        (text.empty() ? "" : " and ") + text_of(part.label) + (part.receives ? " from " : " to ") + describe(part.peer);
  }
  return text.empty() ? "nothing" : text;
}

// What is being thrown, as what befell a device; a group of processes names its own.
std::exception_ptr Hub::named(const Member& member, const std::string& about) const {
  try {
    throw;
  } catch (const GroupFailure&) {
    return std::current_exception();
  } catch (const std::exception& error) {
    const std::string who = group_ == nullptr ? describe(member.rank) + ": " : "";
    return std::make_exception_ptr(DeviceError(who + error.what() + about));
  }
}

// ---- connecting ----------------------------------------------------------------------------------------

void Hub::connect(const ncclUniqueId& id) {
  watcher_ = std::thread([this] { watch(); });
  std::vector<std::thread> threads;  // those beside this one
  const auto work = [&](Member& member) {
    try {
      connect(member, id);
    } catch (...) {
      fail(named(member));
    }
  };
  for (std::size_t i = 1; i < members_.size(); ++i) threads.emplace_back(work, std::ref(*members_[i]));
  work(*members_.front());
  for (std::thread& thread : threads) thread.join();
  throw_if_failed();
}

void Hub::connect(Member& member, const ncclUniqueId& id) {
  cuda::use_device(member.device.ordinal());
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  config.maxCTAs = kMaxCtas;
  {
    const std::lock_guard lock(member.mutex);
    throw_if_failed();  // whoever fails aborts what is there by then
    check(ncclCommInitRankConfig(&member.comm, size_, id, member.rank, &config), "ncclCommInitRankConfig", nullptr);
  }
  wait_until([&] { return settled(member); }, stall_timeout_, "connecting with the other devices");
  warm_up(member);
}

void Hub::warm_up(Member& member) {
  std::vector<Send> sends;
  std::vector<Receive> receives;
  member.warm_up = member.device.allocate(4 * kWarmUpBytes, "first messages", MemoryKind::exchange);
  member.warm_up_stream = member.device.create_stream("first messages", StreamKind::exchange);
  const MatView<std::byte> rows = member.warm_up.view<std::byte>(4, kWarmUpBytes);
  for (int side = 0; side < 2; ++side) {
    const int peer = member.rank + (side == 0 ? -1 : 1);
    if (peer < 0 || peer >= size_) continue;
    sends.push_back({peer, {rows.row(2 * side), 1, rows.cols}, {"a first message"}});
    receives.push_back({peer, {rows.row(2 * side + 1), 1, rows.cols}, {"a first message"}});
  }
  if (sends.empty()) return;
  const cudaStream_t stream = static_cast<CudaStream&>(*member.warm_up_stream).ready();
  put(member, stream, sends, receives);
  const auto done = [&] {
    const cudaError_t status = cudaStreamQuery(stream);
    if (status != cudaErrorNotReady) cuda::check(status, "cudaStreamQuery");
    return status == cudaSuccess;
  };
  wait_until(done, stall_timeout_, "the first messages with its neighbours");
  throw_if_failed();  // an aborted group is done, too
  member.warm_up = {};
  member.warm_up_stream.reset();
}

// ---- groups --------------------------------------------------------------------------------------------

// Whether what a communicator was last asked to do is done.
bool Hub::settled(Member& member) {
  const std::lock_guard lock(member.mutex);
  throw_if_failed();
  ncclResult_t status = ncclSuccess;
  check(ncclCommGetAsyncError(member.comm, &status), "ncclCommGetAsyncError", member.comm);
  if (status == ncclInProgress) return false;
  check(status, "the communicator", member.comm);
  return true;
}

void Hub::wait_until(const std::function<bool()>& done, double seconds, const std::string& what) {
  const auto start = Clock::now();
  for (int turn = 0; !done(); ++turn) {
    throw_if_failed();
    if (seconds_since(start) > seconds) {
      throw DeviceError("NCCL did not come to an end within " + seconds_text(seconds) + " with " + what +
                        " (distributed.stall_timeout)");
    }
    pause(turn);
  }
}

// One NCCL group. When it returns the stream has it, and may be given what comes after.
void Hub::put(Member& member, cudaStream_t stream, std::span<const Send> sends, std::span<const Receive> receives) {
  {
    const std::lock_guard lock(member.mutex);
    throw_if_failed();
    ncclComm_t comm = member.comm;
    check(ncclGroupStart(), "ncclGroupStart", comm);
    ncclResult_t status = ncclSuccess;
    const char* call = "";
    const auto keep = [&](ncclResult_t one, const char* name) {
      if (status == ncclSuccess && one != ncclSuccess && one != ncclInProgress) status = one, call = name;
    };
    for (const Receive& r : receives) {
      keep(ncclRecv(r.message.data, static_cast<std::size_t>(r.message.size()), ncclUint8, r.peer, comm, stream),
           "ncclRecv");
    }
    for (const Send& s : sends) {
      keep(ncclSend(s.message.data, static_cast<std::size_t>(s.message.size()), ncclUint8, s.peer, comm, stream),
           "ncclSend");
    }
    keep(ncclGroupEnd(), "ncclGroupEnd");
    check(status, call, comm);
  }
  wait_until([&] { return settled(member); }, stall_timeout_, "enqueueing a group of messages");
}

void Hub::exchange(Member& member, CudaStream& stream, std::span<const Send> sends, std::span<const Receive> receives) {
  const cudaStream_t raw = stream.ready();
  Group group;
  {
    const std::lock_guard lock(member.mutex);
    if (!member.spare.empty()) {
      group = std::move(member.spare.back());
      member.spare.pop_back();
    }
  }
  if (!group.done) group.begun = cuda::create_event(), group.done = cuda::create_event();
  group.parts.clear();
  group.since = 0;
  for (const Send& send : sends) group.parts.push_back({false, send.peer, send.label});
  for (const Receive& receive : receives) group.parts.push_back({true, receive.peer, receive.label});
  const Span span = span_of_exchange(sends, receives);
  const cuda::ProfileRange range(std::string("exchange ") + span.detail);
  stream.begin_exchange(span);
  cuda::check(cudaEventRecord(group.begun.get(), raw), "cudaEventRecord");
  try {
    put(member, raw, sends, receives);
  } catch (...) {
    throw_if_failed();
    std::rethrow_exception(named(member, "; under way: " + describe(group.parts)));
  }
  cuda::check(cudaEventRecord(group.done.get(), raw), "cudaEventRecord");
  stream.end_exchange();
  const std::lock_guard lock(member.mutex);
  member.groups.push_back(std::move(group));
}

// ---- failure -------------------------------------------------------------------------------------------

void Hub::throw_if_failed() {
  if (group_ != nullptr) group_->throw_if_failed();
  const std::lock_guard lock(state_);
  if (error_) std::rethrow_exception(error_);
}

void Hub::abort(const std::string& reason) noexcept {
  try {
    throw DeviceError((group_ == nullptr ? "exchange stopped: " : "") + reason);
  } catch (...) {
    fail(std::current_exception());
  }
}

// The other processes are told, before anything that may wait for them.
std::exception_ptr Hub::told(std::exception_ptr error) noexcept {
  if (group_ == nullptr) return error;
  try {
    group_->throw_if_failed();
    std::rethrow_exception(error);
  } catch (const GroupFailure&) {
    return std::current_exception();
  } catch (const std::exception& e) {
    fail_here(*group_, ExitCode::device, e.what());
  } catch (...) {
    fail_here(*group_, ExitCode::internal, "unknown exception");
  }
  try {
    group_->throw_if_failed();
  } catch (...) {
    return std::current_exception();
  }
  return error;
}

void Hub::fail(std::exception_ptr error) noexcept {
  error = told(std::move(error));
  {
    std::unique_lock lock(state_);
    if (error_) return changed_.wait(lock, [&] { return held_ == 0; });  // whoever was first lives or ends the process
    error_ = error;
    held_ = members_.size();
  }
  // First, so that nobody takes what an aborted group leaves for a message. Who waits for a device goes on when no peer
  // touches its memory any more.
  for (auto& member : members_) member->device.fail(error);
  for (auto& member : members_) {
    aborting_.emplace_back([this, &m = *member] {
      // A call of this process that does not come back must not keep it.
      std::unique_lock lock(m.mutex, std::try_to_lock);
      const auto start = Clock::now();
      for (int turn = 0; !lock && seconds_since(start) < kOwnCall; ++turn) {
        pause(turn);
        lock.try_lock();
      }
      if (m.comm != nullptr) ncclCommAbort(m.comm);
      m.comm = nullptr;
      const std::lock_guard state(state_);
      --held_;
      changed_.notify_all();
    });
  }
  bool let_go = false;
  {
    std::unique_lock lock(state_);
    let_go = changed_.wait_for(lock, std::chrono::duration<double>(kLettingGo), [&] { return held_ == 0; });
  }
  for (auto& member : members_) member->device.let_go();
  if (let_go) return;
  std::string what = "unknown";
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    what = e.what();
  } catch (...) {
  }
  std::fprintf(stderr, "gamlp: %s\ngamlp: NCCL does not let go of the devices; this process ends itself\n",
               what.c_str());
  std::fflush(stderr);
  std::_Exit(static_cast<int>(ExitCode::device));
}

void Hub::watch() noexcept {
  std::unique_lock lock(state_);
  while (!changed_.wait_for(lock, kWatchEvery, [&] { return closing_ || error_ != nullptr; })) {
    lock.unlock();
    try {
      look();
    } catch (...) {
      fail(std::current_exception());
    }
    lock.lock();
  }
}

void Hub::look() {
  if (group_ != nullptr) group_->throw_if_failed();
  for (auto& member : members_) {
    ncclResult_t error = ncclSuccess;
    const std::string wrong = look(*member, error);
    if (wrong.empty()) continue;
    if (group_ == nullptr) throw DeviceError(describe(member->rank) + ": " + wrong);
    // A process that has died is named by those who watch it, better than NCCL can.
    const auto start = Clock::now();
    while (error != ncclSuccess && seconds_since(start) < kOthersSay) {
      group_->throw_if_failed();
      std::this_thread::sleep_for(kWatchEvery);
    }
    throw DeviceError(wrong);
  }
}

// What is wrong with a device's messages; empty: nothing. `error`: where NCCL says so itself.
std::string Hub::look(Member& member, ncclResult_t& error) {
  const std::unique_lock lock(member.mutex, std::try_to_lock);
  if (!lock || member.comm == nullptr) return {};
  cuda::use_device(member.device.ordinal());
  ncclResult_t status = ncclCommGetAsyncError(member.comm, &error);
  if (status == ncclSuccess) status = error;
  error = status == ncclInProgress ? ncclSuccess : status;
  while (!member.groups.empty()) {
    Group& group = member.groups.front();
    const auto passed = [](const cuda::EventHandle& event) {
      const cudaError_t query = cudaEventQuery(event.get());
      if (query != cudaErrorNotReady) cuda::check(query, "cudaEventQuery");
      return query == cudaSuccess;
    };
    if (!passed(group.done)) {
      if (group.since == 0 && passed(group.begun)) group.since = seconds_now();
      break;
    }
    member.spare.push_back(std::move(group));
    member.groups.pop_front();
  }
  const std::string about = member.groups.empty() ? "" : describe(member.groups.front().parts);
  if (error != ncclSuccess) {
    return "NCCL: " + text_of(error, member.comm) + (about.empty() ? "" : "; under way: " + about);
  }
  const double since = member.groups.empty() ? 0 : member.groups.front().since;
  if (since == 0 || seconds_now() - since < stall_timeout_) return {};
  return "waited " + seconds_text(stall_timeout_) + " for " + about +
         ": it, or one that it waits for, does not go on (distributed.stall_timeout)";
}

// ---- the end -------------------------------------------------------------------------------------------

void Hub::end() {
  for (auto& member : members_) {
    const std::lock_guard lock(member->mutex);
    if (member->comm != nullptr) check(ncclCommFinalize(member->comm), "ncclCommFinalize", member->comm);
  }
  for (auto& member : members_) {
    if (member->comm == nullptr) continue;
    wait_until([&] { return settled(*member); }, std::min(kEnding, stall_timeout_), "closing the connections");
  }
  for (auto& member : members_) {
    const std::lock_guard lock(member->mutex);
    if (member->comm != nullptr)
      check(ncclCommDestroy(std::exchange(member->comm, nullptr)), "ncclCommDestroy", nullptr);
  }
}

void Hub::close() noexcept {
  {
    const std::lock_guard lock(state_);
    if (closed_) return;
    closed_ = closing_ = true;
  }
  changed_.notify_all();
  if (watcher_.joinable()) watcher_.join();
  try {
    throw_if_failed();
    end();
  } catch (...) {  // told elsewhere, or, at the end of a run that went well, of no interest
    fail(std::current_exception());
  }
  for (std::thread& thread : aborting_) thread.join();
  for (auto& member : members_) {
    member->groups.clear();
    member->spare.clear();
    member->warm_up = {};
    member->warm_up_stream.reset();
  }
}

// ---- ends ----------------------------------------------------------------------------------------------

class NcclTransport final : public Transport {
 public:
  NcclTransport(std::shared_ptr<Hub> hub, std::size_t index) : hub_(std::move(hub)), member_(hub_->member(index)) {}
  ~NcclTransport() override { hub_->close(); }
  NcclTransport(const NcclTransport&) = delete;
  NcclTransport& operator=(const NcclTransport&) = delete;

  int rank() const override { return member_.rank; }
  int size() const override { return hub_->size(); }

  void exchange(Stream& stream, std::span<const Send> sends, std::span<const Receive> receives) override {
    expect_peers(size(), sends, receives);
    counters_.sent(sends);
    hub_->exchange(member_, dynamic_cast<CudaStream&>(stream), sends, receives);
    for (const Receive& receive : receives) counters_.received(receive);
  }

  TransportCounters counters() const override { return counters_.read(); }

  void abort(const std::string& reason) noexcept override { hub_->abort(reason); }

 private:
  std::shared_ptr<Hub> hub_;
  Member& member_;
  MessageCounters counters_;
};

std::vector<std::unique_ptr<Transport>> ends_of(const std::shared_ptr<Hub>& hub) {
  std::vector<std::unique_ptr<Transport>> ends;
  for (std::size_t i = 0; i < hub->members(); ++i) ends.push_back(std::make_unique<NcclTransport>(hub, i));
  return ends;
}

ncclUniqueId new_id() {
  ncclUniqueId id;
  check(ncclGetUniqueId(&id), "ncclGetUniqueId", nullptr);
  return id;
}

}  // namespace

std::string nccl_version() {
  int version = 0;
  if (ncclGetVersion(&version) != ncclSuccess) return "of unknown version";
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

std::vector<std::unique_ptr<Transport>> connect_nccl(const std::vector<CudaDevice*>& devices, double stall_timeout) {
  expects(!devices.empty(), "there is a device to connect");
  const auto hub = std::make_shared<Hub>(devices, 0, static_cast<int>(devices.size()), nullptr, stall_timeout);
  hub->connect(new_id());
  return ends_of(hub);
}

std::string create_nccl_id() {
  const ncclUniqueId id = new_id();
  return std::string(id.internal, sizeof id.internal);
}

std::unique_ptr<Transport> connect_nccl(CudaDevice& device, const std::string& id, ProcessGroup& group,
                                        double stall_timeout) {
  ncclUniqueId same{};
  expects(id.size() == sizeof same.internal, "an NCCL id has its size");
  std::memcpy(same.internal, id.data(), id.size());
  const auto hub = std::make_shared<Hub>(std::vector{&device}, group.rank(), group.size(), &group, stall_timeout);
  hub->connect(same);
  return std::move(ends_of(hub).front());
}

}  // namespace gamlp
