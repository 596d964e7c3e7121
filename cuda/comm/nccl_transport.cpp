#include "cuda/comm/nccl_transport.hpp"

#include <algorithm>
#include <atomic>
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
#include <utility>

#include "cuda/core/handles.hpp"
#include "cuda/device/cuda_device.hpp"
#include "host/core/clock.hpp"
#include "host/core/error.hpp"
#include "host/core/pause.hpp"
#include "host/device/transport_ends.hpp"
#include "host/dist/launch.hpp"
#include "host/dist/process_group.hpp"

namespace gamlp {
namespace {

using std::chrono::milliseconds;

constexpr int kMaxCtas = 4;          // thread blocks, of a multiprocessor each: more carry no more over one link
constexpr double kOwnCall = 2;       // seconds that a call of this process may take which others wait for
constexpr double kLettingGo = 10;    // seconds that aborting may take
constexpr double kEnding = 10;       // seconds that ending in good order may take
constexpr double kLookerStuck = 10;  // seconds, or the stall timeout if that is more, that looking may take
constexpr double kOthersSay = 0.5;   // seconds in which another process may say why it is gone
constexpr std::size_t kWarmUpBytes = 256;
constexpr milliseconds kWatchEvery{5};

std::string text_of(ncclResult_t status, ncclComm_t comm) {
  const char* last = ncclGetLastError(comm);
  std::string text = ncclGetErrorString(status);
  if (last != nullptr && *last != '\0') text += std::string(" (") + last + ")";
  return text;
}

// What NCCL reports: of another process's end too, which others can name better.
struct NcclError : DeviceError {
  using DeviceError::DeviceError;
};

void check(ncclResult_t status, const char* call, ncclComm_t comm) {
  if (status == ncclSuccess || status == ncclInProgress) return;
  throw NcclError(std::string("NCCL: ") + call + " failed: " + text_of(status, comm));
}

// A message of a group.
struct Part {
  bool receives;
  int peer;
  MessageLabel label;
};

// A group of messages that a stream was given.
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
  void put(Member& member, cudaStream_t stream, std::span<const Send> sends, std::span<const Receive> receives);
  void wait_until(const std::function<bool()>& done, double seconds, const std::string& what, const char* limit);
  bool settled(Member& member);
  void throw_if_failed();
  void watch() noexcept;
  void keep_looking() noexcept;
  void look();
  std::string look(Member& member, ncclResult_t& error);
  bool others_say();
  std::exception_ptr told(std::exception_ptr error) noexcept;
  void fail(std::exception_ptr error) noexcept;
  void abort_all(std::exception_ptr error) noexcept;
  bool end();
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
  std::atomic<double> looked_{0};  // when the looker last came round
  std::thread watcher_, looker_;
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
  looked_ = seconds_now();
  watcher_ = std::thread([this] { watch(); });
  looker_ = std::thread([this] { keep_looking(); });
  std::vector<std::thread> threads;  // those beside this one
  try {
    // Allocating and freeing may wait for all GPUs of a process: not while some of them wait for others' messages.
    for (auto& member : members_) {
      member->warm_up = member->device.allocate(4 * kWarmUpBytes, "first messages", MemoryKind::exchange);
      member->warm_up_stream = member->device.create_stream("first messages", StreamKind::exchange);
    }
    const auto work = [&](Member& member) {
      try {
        connect(member, id);
      } catch (...) {
        others_say();
        fail(named(member));
      }
    };
    for (std::size_t i = 1; i < members_.size(); ++i) threads.emplace_back(work, std::ref(*members_[i]));
    work(*members_.front());
  } catch (...) {
    fail(named(*members_.front()));
  }
  for (std::thread& thread : threads) thread.join();
  throw_if_failed();
  for (auto& member : members_) {
    member->warm_up = {};
    member->warm_up_stream.reset();
  }
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
    try {
      throw_if_failed();
    } catch (...) {  // who failed meanwhile may have waited long enough for this call, and gone on
      if (member.comm != nullptr) ncclCommAbort(std::exchange(member.comm, nullptr));
      throw;
    }
  }
  const double limit = start_timeout();
  const char* variable = "GAMLP_START_TIMEOUT";
  wait_until([&] { return settled(member); }, limit, "connecting with the other devices", variable);
  std::vector<Send> sends;
  std::vector<Receive> receives;
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
  wait_until(done, limit, "the first messages with its neighbours", variable);
  throw_if_failed();  // an aborted group is done, too
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

void Hub::wait_until(const std::function<bool()>& done, double seconds, const std::string& what, const char* limit) {
  const auto start = Clock::now();
  for (int turn = 0; !done(); ++turn) {
    throw_if_failed();
    if (seconds_since(start) > seconds) {
      throw DeviceError("NCCL did not come to an end within " + seconds_text(seconds) + " with " + what + " (" + limit +
                        ")");
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
  wait_until([&] { return settled(member); }, stall_timeout_, "enqueueing a group of messages",
             "distributed.stall_timeout");
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
  } catch (const std::exception& error) {
    if (dynamic_cast<const NcclError*>(&error) != nullptr) others_say();
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
  {
    const std::lock_guard lock(state_);
    if (closed_) return;  // nobody waits for messages any more
  }
  try {
    throw DeviceError((group_ == nullptr ? "exchange stopped: " : "") + reason);
  } catch (...) {
    fail(std::current_exception());
  }
}

// A process that has died is named by those who watch it, better than NCCL can: gives them a moment. True when the
// group has failed.
bool Hub::others_say() {
  const auto start = Clock::now();
  while (group_ != nullptr && seconds_since(start) < kOthersSay) {
    if (group_->failed()) return true;
    std::this_thread::sleep_for(kWatchEvery);
  }
  return false;
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

void Hub::fail(std::exception_ptr error) noexcept { abort_all(told(std::move(error))); }

void Hub::abort_all(std::exception_ptr error) noexcept {
  {
    std::unique_lock lock(state_);
    if (error_) return changed_.wait(lock, [&] { return held_ == 0; });  // whoever was first lives or ends the process
    error_ = error;
    held_ = members_.size();
  }
  // First, so that nobody takes what an aborted group leaves for a message. Who waits for a device goes on when no peer
  // touches its memory any more.
  for (auto& member : members_) member->device.fail(error);
  const auto work = [this](Member& m) noexcept {
    cudaSetDevice(m.device.ordinal());  // otherwise NCCL goes back to GPU 0, and makes a context there
    {
      // A call of this process that does not come back must not keep it.
      std::unique_lock lock(m.mutex, std::try_to_lock);
      const auto start = Clock::now();
      for (int turn = 0; !lock && seconds_since(start) < kOwnCall; ++turn) {
        pause(turn);
        lock.try_lock();
      }
      if (m.comm != nullptr) ncclCommAbort(m.comm);
      m.comm = nullptr;
    }
    const std::lock_guard lock(state_);
    --held_;
    changed_.notify_all();
  };
  for (auto& member : members_) {
    try {
      aborting_.emplace_back(work, std::ref(*member));
    } catch (const std::exception&) {  // no thread to be had
      work(*member);
    }
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

// Calls neither CUDA nor NCCL, so that nothing can keep it.
void Hub::watch() noexcept {
  std::unique_lock lock(state_);
  while (!changed_.wait_for(lock, kWatchEvery, [&] { return closing_ || error_ != nullptr; })) {
    lock.unlock();
    try {
      if (group_ != nullptr) group_->throw_if_failed();
      if (seconds_now() - looked_ > std::max(stall_timeout_, kLookerStuck)) {
        throw DeviceError("a call of CUDA or NCCL does not come back (distributed.stall_timeout)");
      }
    } catch (...) {
      fail(std::current_exception());
    }
    lock.lock();
  }
}

void Hub::keep_looking() noexcept {
  std::unique_lock lock(state_);
  while (!changed_.wait_for(lock, kWatchEvery, [&] { return closing_ || error_ != nullptr; })) {
    lock.unlock();
    try {
      look();
    } catch (...) {
      fail(std::current_exception());
    }
    looked_ = seconds_now();
    lock.lock();
  }
}

void Hub::look() {
  for (auto& member : members_) {
    ncclResult_t error = ncclSuccess;
    std::string wrong;
    try {
      wrong = look(*member, error);
    } catch (...) {
      std::rethrow_exception(named(*member));
    }
    if (wrong.empty()) continue;
    if (error != ncclSuccess && others_say()) group_->throw_if_failed();
    throw DeviceError((group_ == nullptr ? describe(member->rank) + ": " : "") + wrong);
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

// In good order, with every communicator on a thread of its own, since NCCL may wait for the others of a host in that.
// False when that takes too long; it then goes on for itself.
bool Hub::end() {
  struct Left {
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t count;
  };
  const auto left = std::make_shared<Left>();
  left->count = members_.size();
  for (auto& member : members_) {
    ncclComm_t comm = nullptr;
    {
      const std::lock_guard lock(member->mutex);
      std::swap(comm, member->comm);
    }
    std::thread([comm, left, ordinal = member->device.ordinal()] {
      cudaSetDevice(ordinal);
      ncclResult_t status = ncclCommFinalize(comm);
      for (int turn = 0; status == ncclInProgress; ++turn) {
        pause(turn);
        const ncclResult_t asked = ncclCommGetAsyncError(comm, &status);
        if (asked != ncclSuccess) status = asked;
      }
      status == ncclSuccess ? ncclCommDestroy(comm) : ncclCommAbort(comm);
      const std::lock_guard lock(left->mutex);
      --left->count;
      left->changed.notify_all();
    }).detach();
  }
  std::unique_lock lock(left->mutex);
  const std::chrono::duration<double> limit(std::min(kEnding, stall_timeout_));
  return left->changed.wait_for(lock, limit, [&] { return left->count == 0; });
}

void Hub::close() noexcept {
  {
    const std::lock_guard lock(state_);
    if (closed_) return;
    closed_ = closing_ = true;
  }
  changed_.notify_all();
  for (std::thread* thread : {&watcher_, &looker_}) {
    if (thread->joinable()) thread->join();
  }
  try {
    throw_if_failed();
    if (std::uncaught_exceptions() > 0) throw DeviceError("this process gives up the exchange");  // why: its own error
    if (!end()) std::fprintf(stderr, "gamlp: NCCL did not close its connections in time\n");
  } catch (...) {
    abort_all(std::current_exception());
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
  ~NcclTransport() override { close(); }
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
  void close() noexcept final { hub_->close(); }

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
