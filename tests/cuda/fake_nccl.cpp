// The part of fake_cuda.hpp that is NCCL: non-blocking communicators and point-to-point groups.
#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <nccl.h>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "tests/cuda/fake_streams.hpp"

namespace {

// What a send has put out for the receive with its number.
struct Posted {
  const std::byte* source;
  std::vector<std::byte> buffered;  // instead of the source
  std::size_t bytes;
  bool taken = false;
};

struct World;

struct Comm {
  std::shared_ptr<World> world;
  int rank = 0, device = 0;
  int asks = 0;  // how often it is asked before what it does is done
  bool finalizing = false, aborted = false, hangs = false;
  ncclResult_t error = ncclSuccess;
  std::thread::id grouping;                         // who is between the calls of a group
  std::vector<std::shared_ptr<struct Group>> held;  // groups that have not reached their stream
  std::map<int, std::uint64_t> sent, received;      // by peer
};

struct World {
  int size = 0, joined = 0;
  std::set<int> devices;
  std::vector<std::weak_ptr<Comm>> comms;
  std::map<std::pair<std::pair<int, int>, std::uint64_t>, std::shared_ptr<Posted>> mail;
};

struct Message {
  bool receives;
  int peer;
  std::byte* memory;  // sends do not write to it
  std::size_t bytes;
  std::uint64_t number = 0;
  std::shared_ptr<Posted> posted;
  bool done = false;
};

struct Group {
  std::shared_ptr<Comm> comm;
  cudaStream_t stream;
  std::vector<Message> messages;
  bool hangs = false;

  // Goes on; true when all messages are through.
  bool ready() {
    using fake_cuda::chance;
    if (comm->aborted) {  // whatever the memory then holds
      for (const Message& m : messages) {
        if (m.receives && !m.done) std::memset(m.memory, 0xEE, m.bytes);
      }
      return true;
    }
    bool all = !hangs;
    for (Message& m : messages) {
      if (!m.done && chance().below(2) == 0) m.done = m.receives ? receive(m) : send(m);
      all = all && m.done;
    }
    return all;
  }

  bool send(Message& m) {
    if (!m.posted) {
      m.posted = std::make_shared<Posted>(Posted{m.memory, {}, m.bytes, false});
      if (fake_cuda::chance().below(2) == 0) m.posted->buffered.assign(m.memory, m.memory + m.bytes);
      comm->world->mail[{{comm->rank, m.peer}, m.number}] = m.posted;
      return false;
    }
    return m.posted->taken || !m.posted->buffered.empty();
  }

  bool receive(Message& m) {
    const auto found = comm->world->mail.find({{m.peer, comm->rank}, m.number});
    if (found == comm->world->mail.end()) return false;
    Posted& posted = *found->second;
    if (posted.bytes != m.bytes) fake_cuda::misused("NCCL: the sides of a message differ in its size");
    const std::byte* from = posted.buffered.empty() ? posted.source : posted.buffered.data();
    std::memcpy(m.memory, from, std::min(posted.bytes, m.bytes));
    posted.taken = true;
    comm->world->mail.erase(found);
    return true;
  }
};

struct Nccl {
  std::map<std::string, std::shared_ptr<World>> worlds;
  std::map<ncclComm_t, std::shared_ptr<Comm>> comms;
  std::uint64_t ids = 0;
  bool broke = false, hung = false;
};
Nccl& nccl() {
  static Nccl instance;
  return instance;
}

thread_local int t_depth = 0;
thread_local std::shared_ptr<Group> t_group;

std::shared_ptr<Comm> comm_of(ncclComm_t handle, bool aborts = false) {
  const auto found = nccl().comms.find(handle);
  if (found == nccl().comms.end()) {
    fake_cuda::misused("NCCL: a call on a communicator that is gone");
    return nullptr;
  }
  const std::shared_ptr<Comm>& comm = found->second;
  const bool others = comm->grouping != std::thread::id() && comm->grouping != std::this_thread::get_id();
  if (others && !aborts) fake_cuda::misused("NCCL: two threads use one communicator at a time");
  return comm;
}

// NCCL may wait for the other ranks of a host, until they are aborted or end, too.
void wait_for_world(const Comm& comm, std::unique_lock<std::recursive_mutex>& lock) {
  const auto others = [&] {
    return std::any_of(comm.world->comms.begin(), comm.world->comms.end(), [](const std::weak_ptr<Comm>& one) {
      const std::shared_ptr<Comm> other = one.lock();
      return other != nullptr && !other->aborted && !other->finalizing;
    });
  };
  const auto start = std::chrono::steady_clock::now();
  while (others() || fake_cuda::options().nccl_holds_on) {
    fake_cuda::let_others(lock);
    if (fake_cuda::options().nccl_holds_on) continue;
    if (std::chrono::steady_clock::now() - start > std::chrono::seconds(20)) {
      return fake_cuda::misused("NCCL: a communicator was ended or aborted and another one of its world was not");
    }
  }
}

// Begins a call: its number may be one at which something goes wrong.
bool counted(const char* call) {
  ++fake_cuda::figures().nccl_calls;
  return fake_cuda::fails(call);
}
// The first of the calls from number `at` on for which it is asked.
bool is_due(std::int64_t at, bool& was) {
  const bool due = at > 0 && !was && fake_cuda::figures().nccl_calls >= at;
  was = was || due;
  return due;
}
void break_when_due(Comm& comm) {
  if (is_due(fake_cuda::options().nccl_break_at, nccl().broke)) comm.error = ncclRemoteError;
}
bool hangs_now() { return is_due(fake_cuda::options().nccl_hang_at, nccl().hung); }

void release(ncclComm_t handle) {
  nccl().comms.erase(handle);
  delete reinterpret_cast<char*>(handle);
  --fake_cuda::figures().live;
}

void start(const std::shared_ptr<Group>& group) {
  fake_cuda::reserve(group->stream, false);
  fake_cuda::submit_when(group->stream, [group] { return group->ready(); });
}

ncclResult_t add_message(bool receives, void* memory, std::size_t count, ncclDataType_t type, int peer,
                         ncclComm_t handle, cudaStream_t stream) {
  const std::shared_ptr<Comm> comm = comm_of(handle);
  if (comm == nullptr) return ncclInvalidArgument;
  if (t_depth == 0) fake_cuda::misused("NCCL: a message outside of a group");
  if (type != ncclUint8) fake_cuda::misused("NCCL: another type than bytes");
  if (peer < 0 || peer >= comm->world->size) return ncclInvalidArgument;
  if (comm->world->joined < comm->world->size || comm->asks > 0 || !comm->held.empty()) {
    fake_cuda::misused("NCCL: a message while the communicator is busy");
  }
  if (fake_cuda::device_of(stream) != comm->device) fake_cuda::misused("NCCL: a stream of another device");
  if (!t_group) t_group = std::make_shared<Group>(Group{comm, stream, {}, false});
  if (t_group->comm != comm || t_group->stream != stream) fake_cuda::misused("NCCL: a group of two communicators");
  comm->grouping = std::this_thread::get_id();
  break_when_due(*comm);
  std::uint64_t& number = receives ? comm->received[peer] : comm->sent[peer];
  t_group->messages.push_back({receives, peer, static_cast<std::byte*>(memory), count, number++, nullptr, false});
  return ncclSuccess;
}

}  // namespace

namespace fake_cuda {

void reset_nccl() {
  nccl().worlds.clear();
  nccl().broke = nccl().hung = false;
}

void end_hangs() {
  const std::unique_lock lock(mutex());
  for (const auto& [handle, comm] : nccl().comms) {
    if (comm->hangs) comm->error = ncclInternalError;
  }
}

}  // namespace fake_cuda

#define FAKE_NCCL(name)                      \
  std::unique_lock lock(fake_cuda::mutex()); \
  if (counted(name)) return ncclUnhandledCudaError;

extern "C" {

ncclResult_t ncclGetVersion(int* version) {
  *version = 22809;
  return ncclSuccess;
}
const char* ncclGetErrorString(ncclResult_t result) {
  return result == ncclRemoteError ? "remote process exited or there was a network error" : "unhandled cuda error";
}
const char* ncclGetLastError(ncclComm_t) { return "the stand-in"; }

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  FAKE_NCCL("ncclGetUniqueId")
  std::memset(id, 0, sizeof *id);
  const std::string name = "world " + std::to_string(++nccl().ids);
  std::memcpy(id->internal, name.data(), name.size());
  return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* handle, int size, ncclUniqueId id, int rank, ncclConfig_t* config) {
  FAKE_NCCL("ncclCommInitRankConfig")
  if (config->blocking != 0) fake_cuda::misused("NCCL: a communicator that blocks");
  auto& world = nccl().worlds[std::string(id.internal, sizeof id.internal)];
  if (!world) world = std::make_shared<World>();
  world->size = size;
  auto comm = std::make_shared<Comm>();
  comm->world = world;
  comm->rank = rank;
  comm->device = fake_cuda::current_device();
  comm->asks = static_cast<int>(fake_cuda::chance().below(4));
  comm->hangs = hangs_now();
  break_when_due(*comm);
  world->comms.push_back(comm);
  if (!comm->hangs) ++world->joined;
  if (!world->devices.insert(comm->device).second) comm->error = ncclInvalidUsage;  // "Duplicate GPU detected"
  *handle = reinterpret_cast<ncclComm_t>(new char);
  nccl().comms[*handle] = comm;
  ++fake_cuda::figures().live;
  return ncclInProgress;
}

// Not counted: how often it is called is a matter of time.
ncclResult_t ncclCommGetAsyncError(ncclComm_t handle, ncclResult_t* error) {
  const std::unique_lock lock(fake_cuda::mutex());
  const std::shared_ptr<Comm> comm = comm_of(handle);
  if (comm == nullptr) return ncclInvalidArgument;
  *error = comm->error;
  if (comm->error != ncclSuccess) return ncclSuccess;
  *error = ncclInProgress;
  if (comm->world->joined < comm->world->size) return ncclSuccess;
  if (comm->asks > 0 && --comm->asks > 0) return ncclSuccess;
  for (const std::shared_ptr<Group>& group : std::exchange(comm->held, {})) start(group);
  if (comm->finalizing && comm->hangs) return ncclSuccess;
  *error = ncclSuccess;
  return ncclSuccess;
}

ncclResult_t ncclCommFinalize(ncclComm_t handle) {
  FAKE_NCCL("ncclCommFinalize")
  const std::shared_ptr<Comm> comm = comm_of(handle);
  if (comm == nullptr) return ncclInvalidArgument;
  comm->finalizing = true;
  comm->hangs = hangs_now();
  break_when_due(*comm);
  return ncclInProgress;
}

ncclResult_t ncclCommDestroy(ncclComm_t handle) {
  std::unique_lock lock(fake_cuda::mutex());
  const std::shared_ptr<Comm> comm = comm_of(handle);
  if (comm == nullptr) return ncclInvalidArgument;
  if (!comm->finalizing) fake_cuda::misused("NCCL: a communicator was destroyed that was not finalized");
  wait_for_world(*comm, lock);
  release(handle);
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t handle) {
  std::unique_lock lock(fake_cuda::mutex());
  const std::shared_ptr<Comm> comm = comm_of(handle, true);
  if (comm == nullptr) return ncclInvalidArgument;
  ++fake_cuda::figures().nccl_aborts;
  comm->aborted = true;
  for (const std::shared_ptr<Group>& group : std::exchange(comm->held, {})) fake_cuda::reserve(group->stream, false);
  wait_for_world(*comm, lock);
  release(handle);
  return ncclSuccess;
}

ncclResult_t ncclGroupStart() {
  FAKE_NCCL("ncclGroupStart")
  ++t_depth;
  return ncclSuccess;
}

ncclResult_t ncclGroupEnd() {
  const std::unique_lock lock(fake_cuda::mutex());
  --t_depth;
  const std::shared_ptr<Group> group = std::exchange(t_group, nullptr);
  if (group) group->comm->grouping = {};
  if (counted("ncclGroupEnd")) return ncclUnhandledCudaError;
  if (!group) return ncclSuccess;
  ++fake_cuda::figures().nccl_groups;
  group->hangs = hangs_now();
  break_when_due(*group->comm);
  if (group->comm->aborted) return ncclInternalError;
  if (fake_cuda::chance().below(3) > 0) {
    start(group);
    return ncclSuccess;
  }
  group->comm->held.push_back(group);
  group->comm->asks = 1 + static_cast<int>(fake_cuda::chance().below(3));
  fake_cuda::reserve(group->stream, true);
  return ncclInProgress;
}

ncclResult_t ncclSend(const void* memory, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  FAKE_NCCL("ncclSend")
  return add_message(false, const_cast<void*>(memory), count, type, peer, comm, stream);
}
ncclResult_t ncclRecv(void* memory, size_t count, ncclDataType_t type, int peer, ncclComm_t comm, cudaStream_t stream) {
  FAKE_NCCL("ncclRecv")
  return add_message(true, memory, count, type, peer, comm, stream);
}

}  // extern "C"
