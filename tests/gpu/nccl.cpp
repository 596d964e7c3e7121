// The exchange by NCCL, as far as one GPU can show it: a device that sends to itself, through the transport and in a
// captured graph, and several processes that share the GPU, where NCCL lets them.
#include <array>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <mutex>
#include <nccl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "cuda/comm/nccl_transport.hpp"
#include "cuda/core/check.hpp"
#include "host/core/clock.hpp"
#include "host/device/thread_fleet.hpp"
#include "host/dist/process_group.hpp"
#include "tests/gpu/check.hpp"
#include "tests/methods/training.hpp"

extern char** environ;

namespace gamlp::gpu {
namespace {

constexpr double kStallTimeout = 10;  // seconds
constexpr int kNotConnected = 3;      // a member's exit status

std::vector<std::byte> pattern(std::size_t bytes, std::uint64_t seed) {
  Random random(seed);
  std::vector<std::byte> all(bytes);
  for (std::byte& one : all) one = static_cast<std::byte>(random.below(256));
  return all;
}

// ---- a group captured as a graph -----------------------------------------------------------------------
void check_nccl(ncclResult_t status, const char* call) {
  if (status != ncclSuccess && status != ncclInProgress) {
    throw DeviceError(std::string("NCCL: ") + call + ": " + ncclGetErrorString(status));
  }
}

void settle(ncclComm_t comm) {
  ncclResult_t status = ncclInProgress;
  for (const auto start = Clock::now(); status == ncclInProgress;) {
    check_nccl(ncclCommGetAsyncError(comm, &status), "ncclCommGetAsyncError");
    if (seconds_since(start) > kStallTimeout) throw DeviceError("NCCL: no end in time");
  }
  check_nccl(status, "the communicator");
}

// The messages of one group, captured and launched `launches` times; whether the last one brought what was sent.
bool captured_group_arrives(CudaDevice& device, std::size_t bytes, int launches) {
  const auto stream = device.create_stream("captured", StreamKind::compute);
  const Buffer from = device.allocate(bytes, "sent", MemoryKind::exchange);
  const Buffer to = device.allocate(bytes, "received", MemoryKind::exchange);
  const cudaStream_t raw = static_cast<CudaStream&>(*stream).ready();
  ncclUniqueId id;
  check_nccl(ncclGetUniqueId(&id), "ncclGetUniqueId");
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  ncclComm_t comm = nullptr;
  check_nccl(ncclCommInitRankConfig(&comm, 1, id, 0, &config), "ncclCommInitRankConfig");
  settle(comm);
  const auto group = [&] {
    check_nccl(ncclGroupStart(), "ncclGroupStart");
    check_nccl(ncclRecv(to.raw(bytes).data, bytes, ncclUint8, 0, comm, raw), "ncclRecv");
    check_nccl(ncclSend(from.raw(bytes).data, bytes, ncclUint8, 0, comm, raw), "ncclSend");
    check_nccl(ncclGroupEnd(), "ncclGroupEnd");
    settle(comm);
  };
  group();  // connects
  stream->synchronize();
  cuda::check(cudaStreamBeginCapture(raw, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  group();
  cudaGraph_t graph = nullptr;
  cuda::check(cudaStreamEndCapture(raw, &graph), "cudaStreamEndCapture");
  cudaGraphExec_t exec = nullptr;
  cuda::check(cudaGraphInstantiate(&exec, graph, 0), "cudaGraphInstantiate");
  std::vector<std::byte> sent, received(bytes);
  for (int i = 0; i < launches; ++i) {
    sent = pattern(bytes, static_cast<std::uint64_t>(i) + 1);
    stream->enqueue(ops::Upload{sent.data(), from.raw(bytes)});
    cuda::check(cudaGraphLaunch(exec, raw), "cudaGraphLaunch");
    stream->enqueue(ops::Download{to.raw(bytes), received.data()});
    stream->synchronize();
  }
  cudaGraphExecDestroy(exec);
  cudaGraphDestroy(graph);
  check_nccl(ncclCommFinalize(comm), "ncclCommFinalize");
  settle(comm);
  check_nccl(ncclCommDestroy(comm), "ncclCommDestroy");
  return sent == received;
}

// ---- several processes ---------------------------------------------------------------------------------
struct Stage {
  const char* name;
  Update update;
  int bits;
};
constexpr std::array<Stage, 3> kStages = {{{"gradient, 8 bits", Update::gradient, 8},
                                           {"exact, 8 bits", Update::exact, 8},
                                           {"exact, float32", Update::exact, 32}}};

// The state after some iterations, of the layers that the fleet has.
TrainingState trained_on(std::unique_ptr<Fleet> fleet, const Stage& stage, bool large) {
  test::Setup setup = test::setup_of(stage.update, 0.05, 0.05);
  const std::int64_t width = large ? 256 : 12;
  setup.widths = {width + 5, width, width, width, width, 7};
  setup.nodes = large ? 2000 : 40;
  setup.weight_scale = 1.0 / std::sqrt(static_cast<double>(width));
  setup.exchange.p.bits = setup.exchange.q.bits = stage.bits;
  test::Training training(setup, test::start_of(setup), std::move(fleet));
  training.forward();
  training.iterate(0, 12);
  return training.state();
}

// A process of which the others are not asked how they are.
class LoneGroup final : public ProcessGroup {
 public:
  LoneGroup(int rank, int size) : rank_(rank), size_(size) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int host(int) const override { return 0; }
  std::string describe(int rank) const override { return "rank " + std::to_string(rank); }
  void name_devices(const std::vector<std::string>&) override {}
  void set_timeouts(const GroupTimeouts&) override {}
  void send(int, std::span<const std::byte>) override { throw std::logic_error("no messages here"); }
  void receive(int, std::span<std::byte>) override { throw std::logic_error("no messages here"); }
  std::unique_ptr<Transport> create_transport() override { throw std::logic_error("no CPU devices here"); }
  void fail(ExitCode, const std::string& reason) noexcept override {
    const std::lock_guard lock(mutex_);
    if (reason_.empty()) reason_ = reason;
  }
  bool failed() const override {
    const std::lock_guard lock(mutex_);
    return !reason_.empty();
  }
  void throw_if_failed() const override {
    const std::lock_guard lock(mutex_);
    if (!reason_.empty()) throw GroupFailure(ExitCode::device, reason_);
  }
  void finish(int) override {}

 private:
  int rank_, size_;
  mutable std::mutex mutex_;
  std::string reason_;
};

void write_state(const TrainingState& state, const std::string& file) {
  std::ofstream out(file, std::ios::binary);
  for (const auto& [name, tensor] : state) {
    out << name << ' ' << tensor.data.size() << '\n';
    out.write(reinterpret_cast<const char*>(tensor.data.data()), static_cast<std::streamsize>(tensor.data.size()));
  }
}

void read_state(TrainingState& state, const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::string name;
  for (std::size_t size = 0; in >> name >> size;) {
    in.get();
    state[name].data.resize(size);
    in.read(reinterpret_cast<char*>(state[name].data.data()), static_cast<std::streamsize>(size));
  }
}

std::string hex(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) {
    std::array<char, 3> two{};
    std::snprintf(two.data(), two.size(), "%02x", static_cast<unsigned char>(c));
    text += two.data();
  }
  return text;
}

std::string from_hex(const std::string& text) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

struct Members {
  bool refused = false;   // all that failed say that NCCL does not let ranks share a GPU
  std::string said;       // by the first that failed
  std::string different;  // from one device: which tensor
};

// What NCCL says of ranks that share a GPU; the others of them then wait in vain.
bool says_shared(const std::string& text) {
  return text.find("Duplicate GPU") != std::string::npos || text.find("invalid usage") != std::string::npos;
}

std::string file_of(const std::string& folder, int rank) { return folder + "/" + std::to_string(rank); }

// This program `size` times, as ranks of a run; `environment`: what lets them share the GPU.
Members run_members(const Scope& scope, int size, int stage, const std::vector<std::string>& environment) {
  std::string folder = "/tmp/gamlp-nccl-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) throw std::runtime_error("no folder in /tmp");
  const std::string id = create_nccl_id();
  std::vector<pid_t> pids;
  for (int rank = 0; rank < size; ++rank) {
    std::vector<std::string> arguments = nccl_member_arguments(scope, rank, size, stage, folder, id);
    arguments.insert(arguments.begin(), {"gpu_check", "--nccl-member"});
    std::vector<std::string> variables = environment;
    for (std::string& variable : variables) {
      if (variable == "NCCL_HOSTID=") variable += "gamlp-" + std::to_string(rank);
    }
    for (char** variable = environ; *variable != nullptr; ++variable) variables.emplace_back(*variable);
    const auto pointers = [](std::vector<std::string>& texts) {
      std::vector<char*> all;
      for (std::string& text : texts) all.push_back(text.data());
      all.push_back(nullptr);
      return all;
    };
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 2, (file_of(folder, rank) + ".log").c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0644);
    pid_t pid = 0;
    const int error =
        posix_spawn(&pid, "/proc/self/exe", &actions, nullptr, pointers(arguments).data(), pointers(variables).data());
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) throw std::runtime_error(std::string("posix_spawn: ") + std::strerror(error));
    pids.push_back(pid);
  }
  Members members;
  bool connected = false, shared = false;
  const auto start = Clock::now();
  for (int rank = 0; rank < size; ++rank) {
    const std::string log_file = file_of(folder, rank) + ".log";
    int status = 0;
    while (::waitpid(pids[static_cast<std::size_t>(rank)], &status, WNOHANG) == 0) {
      if (seconds_since(start) > 4 * kStallTimeout) ::kill(pids[static_cast<std::size_t>(rank)], SIGKILL);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      connected = connected || !WIFEXITED(status) || WEXITSTATUS(status) != kNotConnected;
      std::ifstream log(log_file);
      const std::string text{std::istreambuf_iterator<char>(log), {}};
      shared = shared || says_shared(text);
      if (members.said.empty() || (says_shared(text) && !says_shared(members.said))) {
        members.said = text.empty() ? "nothing" : text.substr(0, text.find('\n'));
      }
    }
    ::unlink(log_file.c_str());
  }
  members.refused = shared && !connected;
  if (members.said.empty()) members.different = nccl_members_differ(scope, size, stage, folder);
  for (int rank = 0; rank < size; ++rank) ::unlink((file_of(folder, rank) + ".state").c_str());
  ::rmdir(folder.c_str());
  return members;
}

}  // namespace

std::vector<std::string> nccl_member_arguments(const Scope& scope, int rank, int size, int stage,
                                               const std::string& folder, const std::string& id) {
  return {std::to_string(rank),
          std::to_string(size),
          std::to_string(stage),
          std::to_string(scope.ordinal),
          scope.large ? "1" : "0",
          file_of(folder, rank),
          hex(id)};
}

std::string nccl_members_differ(const Scope& scope, int size, int stage, const std::string& folder) {
  TrainingState together;
  for (int rank = 0; rank < size; ++rank) read_state(together, file_of(folder, rank) + ".state");
  std::vector<ThreadFleet::Member> alone;
  auto device = std::make_unique<CudaDevice>(scope.ordinal, CudaOptions{});
  auto ends = connect_nccl({device.get()}, kStallTimeout);
  alone.push_back({std::move(device), std::move(ends.front())});
  const TrainingState one = trained_on(std::make_unique<ThreadFleet>(std::move(alone)),
                                       kStages[static_cast<std::size_t>(stage)], scope.large);
  if (one.size() != together.size()) {
    return std::to_string(together.size()) + " tensors instead of " + std::to_string(one.size());
  }
  return test::first_difference(one, together);
}

void check_self_exchange(const Scope& scope, Table& table) {
  CudaDevice device(scope.ordinal, {});
  const auto stream = device.create_stream("exchange", StreamKind::exchange);
  const auto copies = device.create_stream("compute", StreamKind::compute);
  const std::vector<std::unique_ptr<Transport>> ends = connect_nccl({&device}, kStallTimeout);
  Transport& transport = *ends.front();
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{4097}, std::size_t{1} << 20, std::size_t{64} << 20}) {
    if (!scope.large && bytes > 4097) continue;
    const Buffer from = device.allocate(bytes, "sent", MemoryKind::exchange);
    const Buffer to = device.allocate(bytes, "received", MemoryKind::exchange);
    const std::vector<std::byte> sent = pattern(bytes, bytes);
    std::vector<std::byte> received(bytes);
    copies->enqueue(ops::Upload{sent.data(), from.raw(bytes)});
    copies->synchronize();
    const Send send{0, from.raw(bytes), {"p", 1, 0}};
    const Receive receive{0, to.raw(bytes), {"p", 1, 0}};
    transport.exchange(*stream, {&send, 1}, {&receive, 1});
    stream->synchronize();
    constexpr int kTimes = 20;
    const double before = device.times().under_way;
    for (int i = 0; i < kTimes; ++i) transport.exchange(*stream, {&send, 1}, {&receive, 1});
    stream->synchronize();
    const double seconds = (device.times().under_way - before) / kTimes;
    copies->enqueue(ops::Download{to.raw(bytes), received.data()});
    copies->synchronize();
    const std::string name = "to itself, " + std::to_string(bytes) + " bytes";
    if (sent != received) table.failures.push_back(name + ": other bytes arrived");
    table.rows.push_back({name, sent == received ? "the bytes sent" : "other bytes", number(1e6 * seconds) + " us",
                          number(1e-9 * static_cast<double>(bytes) / seconds) + " GB/s"});
  }
}

Table check_nccl_exchange(const Scope& scope) {
  Table table{"nccl", "Exchange by NCCL " + nccl_version() + " on one GPU", {"what", "result", "time", "rate"}, {}, {}};
  check_self_exchange(scope, table);
  {
    CudaDevice device(scope.ordinal, {});
    const std::size_t bytes = scope.large ? std::size_t{1} << 20 : 4097;
    const std::string name = "to itself, " + std::to_string(bytes) + " bytes, a captured graph launched 5 times";
    std::string result = "the bytes sent";
    try {
      if (!captured_group_arrives(device, bytes, 5)) result = "other bytes";
    } catch (const DeviceError& error) {
      result = error.what();
    }
    if (result != "the bytes sent") table.failures.push_back(name + ": " + result);
    table.rows.push_back({name, result, "", ""});
  }
  if (!scope.processes) return table;
  const std::vector<std::pair<std::string, std::vector<std::string>>> ways = {
      {"a host each by NCCL_HOSTID, over loopback", {"NCCL_HOSTID=", "NCCL_SOCKET_IFNAME=lo", "NCCL_IB_DISABLE=1"}},
      {"NCCL_MULTI_RANK_GPU_ENABLE", {"NCCL_MULTI_RANK_GPU_ENABLE=1", "NCCL_SOCKET_IFNAME=lo"}}};
  for (const int size : {2, 4}) {
    for (const auto& [way, environment] : ways) {
      for (int stage = 0; stage < static_cast<int>(kStages.size()); ++stage) {
        const std::string name = std::to_string(size) + " processes on the GPU, " + way + ", " +
                                 kStages[static_cast<std::size_t>(stage)].name;
        const Members members = run_members(scope, size, stage, environment);
        if (!members.said.empty()) {
          if (!members.refused) table.failures.push_back(name + ": " + members.said);
          table.rows.push_back({name, (members.refused ? "refused: " : "failed: ") + members.said, "", ""});
          break;  // of this way
        }
        const std::string& differs = members.different;
        if (!differs.empty()) table.failures.push_back(name + ": " + differs + " differs");
        table.rows.push_back({name, differs.empty() ? "the bits of one device" : differs + " differs", "", ""});
      }
    }
  }
  return table;
}

int nccl_member(const std::vector<std::string>& arguments) {
  const int rank = std::stoi(arguments.at(0)), size = std::stoi(arguments.at(1));
  const Stage& stage = kStages.at(std::stoul(arguments.at(2)));
  LoneGroup group(rank, size);
  auto device = std::make_unique<CudaDevice>(std::stoi(arguments.at(3)), CudaOptions{});
  std::unique_ptr<Transport> end;
  try {
    end = connect_nccl(*device, from_hex(arguments.at(6)), group, kStallTimeout);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return kNotConnected;
  }
  std::vector<ThreadFleet::Member> own;
  own.push_back({std::move(device), std::move(end)});
  auto fleet = std::make_unique<ThreadFleet>(std::move(own), rank, size);
  write_state(trained_on(std::move(fleet), stage, arguments.at(4) == "1"), arguments.at(5) + ".state");
  return 0;
}

}  // namespace gamlp::gpu
