#include "host/mpi/mpi_group.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <filesystem>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/core/clock.hpp"
#include "host/core/files.hpp"
#include "host/core/pause.hpp"
#include "host/dist/launch.hpp"
#include "host/mpi/mpi.hpp"
#include "host/mpi/mpi_transport.hpp"

namespace gamlp::mpi {
namespace {

// At 100 Mbit/s a sign of life waits a third of a second behind that.
constexpr std::size_t kPiece = std::size_t{2} << 20, kUnderWay = 2;
constexpr std::size_t kLongestReason = 4000;  // bytes: sent without the receiver's help
constexpr double kBeat = 0.2;                 // seconds between signs of life
constexpr double kTelling = 0.5;              // seconds to tell a failure
// A launcher that ends a job because a process died signals the others, and kills them a second later.
constexpr double kSilenceWhenEnding = 0.9;

void check(int status, const char* call) {
  if (status == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(status, text.data(), &length);
  throw DeviceError(std::string(call) + ": " + std::string(text.data(), static_cast<std::size_t>(length)));
}

// Tells processes that see each other's process numbers from others.
std::string process_namespace() {
  std::error_code error;
  std::string name = std::filesystem::read_symlink("/proc/self/ns/pid", error).string();
  try {
    name += read_file("/proc/sys/kernel/random/boot_id");
  } catch (const Error&) {
    name.clear();
  }
  return name;
}

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

// Open MPI shows a warning, e.g. of a connection that its peer hung up, by way of mpirun, and waits for the answer: for
// ever, where mpirun is ending the job because of that peer, so that this process could not say any more who it was.
// Open MPI 4 lets itself be given another way.
#if defined(OPEN_MPI) && OMPI_MAJOR_VERSION == 4
int show_warning(const char* file, const char* topic, bool /*header*/, ...) {  // NOLINT(cert-dcl50-cpp)
  std::fprintf(stderr, "gamlp: Open MPI warns: %s (%s)\n", topic, file);
  return 0;
}
void show_warnings_here() {
  using Show = int (*)(const char*, const char*, bool, ...);
  if (auto* show = static_cast<Show*>(::dlsym(RTLD_DEFAULT, "opal_show_help"))) *show = show_warning;
}
#else
void show_warnings_here() {}
#endif

// MPI waits without end for a process that did not come up. A launcher that ends the job, since one of them has died,
// asks the others to end, none of which can know of it yet.
class StartLimit {
 public:
  StartLimit() {
    std::snprintf(ended_text.data(), ended_text.size(),
                  "gamlp: rank %d: asked to end while MPI was starting: a process of the job may have ended\n",
                  launch().rank);
    before_ = std::signal(SIGTERM, [](int) {
      (void)!::write(STDERR_FILENO, ended_text.data(), std::strlen(ended_text.data()));
      ::_exit(static_cast<int>(ExitCode::device));
    });
    std::signal(SIGALRM, [](int) {
      constexpr char kText[] =
          "gamlp: MPI did not start: a process of the job did not come up in time (GAMLP_START_TIMEOUT seconds)\n";
      (void)!::write(STDERR_FILENO, kText, sizeof kText - 1);
      ::_exit(static_cast<int>(ExitCode::device));
    });
    ::alarm(static_cast<unsigned>(start_timeout()));
  }
  ~StartLimit() {
    ::alarm(0);
    std::signal(SIGALRM, SIG_DFL);
    std::signal(SIGTERM, before_);
  }
  StartLimit(const StartLimit&) = delete;
  StartLimit& operator=(const StartLimit&) = delete;

 private:
  static std::array<char, 128> ended_text;
  void (*before_)(int) = SIG_DFL;
};
std::array<char, 128> StartLimit::ended_text{};

// Every process's text; before the service thread begins.
std::vector<std::string> gather_at_start(const std::string& text, int size) {
  constexpr std::size_t kWidth = 512;
  std::array<char, kWidth> own{};
  std::copy_n(text.data(), std::min(text.size(), kWidth - 1), own.data());
  std::vector<char> all(kWidth * static_cast<std::size_t>(size));
  check(MPI_Allgather(own.data(), kWidth, MPI_CHAR, all.data(), kWidth, MPI_CHAR, MPI_COMM_WORLD), "MPI_Allgather");
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < all.size(); i += kWidth) texts.emplace_back(&all[i]);
  return texts;
}

}  // namespace

// ---- transfers -----------------------------------------------------------------------------------------

Transfer Transfer::send(Lane& lane, std::span<const std::byte> message) {
  Transfer t;
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast)
  t.begin(lane, const_cast<std::byte*>(message.data()), message.size());
  return t;
}

Transfer Transfer::receive(Lane& lane, std::span<std::byte> message) {
  Transfer t;
  t.receives_ = true;
  t.begin(lane, message.data(), message.size());
  return t;
}

void Transfer::begin(Lane& lane, std::byte* memory, std::size_t bytes) {
  lane_ = &lane;
  turn_ = lane.begun++;
  memory_ = memory;
  bytes_ = bytes;
  post();
}

void Transfer::post() {
  if (lane_->posted != turn_) return;
  while (pieces_.size() < kUnderWay && !all_posted_) {
    const std::size_t piece = std::min(kPiece, bytes_ - posted_);
    MPI_Request request = MPI_REQUEST_NULL;
    const int count = static_cast<int>(piece);
    if (receives_) {
      check(MPI_Irecv(memory_ + posted_, count, MPI_BYTE, lane_->peer, 0, lane_->comm, &request), "MPI_Irecv");
    } else {
      check(MPI_Isend(memory_ + posted_, count, MPI_BYTE, lane_->peer, 0, lane_->comm, &request), "MPI_Isend");
    }
    pieces_.push_back(request);
    posted_ += piece;
    all_posted_ = posted_ == bytes_;
  }
  if (all_posted_) ++lane_->posted;
}

bool Transfer::test() {
  post();
  while (!pieces_.empty()) {
    int done = 0;
    MPI_Status status;
    const int result = MPI_Test(&pieces_.front(), &done, &status);
    int kind = MPI_SUCCESS;
    if (result != MPI_SUCCESS) MPI_Error_class(result, &kind);
    if (kind == MPI_ERR_TRUNCATE) {
      throw DeviceError("a message is longer than the " + std::to_string(bytes_) + " bytes that were expected");
    }
    check(result, "MPI_Test");
    if (done == 0) return false;
    if (receives_) {
      int count = 0;
      check(MPI_Get_count(&status, MPI_BYTE, &count), "MPI_Get_count");
      received_ += static_cast<std::size_t>(count);
    }
    pieces_.erase(pieces_.begin());
    post();
  }
  if (!all_posted_) return false;  // it is not its turn
  if (receives_ && received_ != bytes_) {
    throw DeviceError("a message has " + std::to_string(received_) + " bytes, " + std::to_string(bytes_) +
                      " were expected");
  }
  return true;
}

void Transfer::cancel() {
  for (MPI_Request& request : pieces_) {
    if (request == MPI_REQUEST_NULL) continue;  // ended with an error
    if (receives_) MPI_Cancel(&request);
    MPI_Request_free(&request);
  }
  pieces_.clear();
}

// ---- start and end -------------------------------------------------------------------------------------

MpiGroup::MpiGroup(const std::atomic<bool>& ending)
    : asked_to_end_(ending), silence_(start_timeout(GroupTimeouts{}.silence)), stall_(GroupTimeouts{}.stall) {
  int provided = MPI_THREAD_SINGLE;
  const StartLimit limit;  // until the service thread watches
  // Open MPI announces messages of more than 64 KB over TCP, and sends them when the receiver has answered. On a slow
  // link the answer waits behind what the receiver itself is sending. Up to this size it sends them at once: there is a
  // receive for every message, or will be soon. A user's own value stays.
  setenv("OMPI_MCA_btl_tcp_eager_limit", "4194304", 0);
  const Launch launched = launch();  // Open MPI without a launcher of its own changes the environment
  check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided), "MPI_Init_thread");
  if (provided < MPI_THREAD_SERIALIZED) {
    throw DeviceError("this MPI library does not let several threads take turns (MPI_THREAD_SERIALIZED)");
  }
  MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  MPI_Comm_size(MPI_COMM_WORLD, &size_);
  expect_company(launched, size_, describe_launching());
  show_warnings_here();
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  for (MPI_Comm* comm : {&data_, &control_, &watch_}) {
    check(MPI_Comm_dup(MPI_COMM_WORLD, comm), "MPI_Comm_dup");
    MPI_Comm_set_errhandler(*comm, MPI_ERRORS_RETURN);
  }
  data_lanes_ = lanes_of(data_), control_lanes_ = lanes_of(control_);
  const std::vector<std::string> hosts = gather_at_start(host_name(), size_);
  const std::vector<std::string> processes = gather_at_start(std::to_string(::getpid()), size_);
  const std::vector<std::string> spaces = gather_at_start(process_namespace(), size_);
  for (int r = 0; r < size_; ++r) {
    const auto i = static_cast<std::size_t>(r);
    // Where a host cannot be told, it is the process's own.
    const int first =
        spaces[i].empty() ? r : static_cast<int>(std::find(spaces.begin(), spaces.end(), spaces[i]) - spaces.begin());
    Peer peer{hosts[i], first, std::atoi(processes[i].c_str()), "", -1};
    const bool same_host = !spaces[i].empty() && spaces[i] == spaces[static_cast<std::size_t>(rank_)];
#ifdef SYS_pidfd_open
    if (same_host && r != rank_) peer.pidfd = static_cast<int>(::syscall(SYS_pidfd_open, peer.process, 0));
#endif
    peers_.push_back(std::move(peer));
    if (r != rank_ && (rank_ == 0 || r == 0)) watched_.push_back(r);
  }
  beats_.assign(static_cast<std::size_t>(size_), MPI_REQUEST_NULL);
  signs_.emplace(watched_, seconds_now());
  service_ = std::thread([this] { serve(); });
}

MpiGroup::~MpiGroup() {
  {
    const std::lock_guard lock(state_);
    ending_ = true;
  }
  changed_.notify_all();
  if (service_.joinable()) service_.join();
  for (const Peer& peer : peers_) {
    if (peer.pidfd >= 0) ::close(peer.pidfd);
  }
}

void MpiGroup::finish(int status) {
  std::fflush(nullptr);
  try {
    agree(*this, [] {});  // nobody goes before all have come here
  } catch (const std::exception& error) {
    if (status == 0) {
      std::fprintf(stderr, "gamlp: %s: %s\n", describe(rank_).c_str(), error.what());
      const auto* known = dynamic_cast<const Error*>(&error);
      status = static_cast<int>(known == nullptr ? ExitCode::internal : known->code());
    }
  }
  {
    const std::lock_guard lock(state_);
    ending_ = true;
  }
  changed_.notify_all();
  service_.join();
  if (failed()) {
    // MPI_Finalize would wait for ever. The launcher ends what is left of the job, so what the others say of it needs a
    // moment to reach it.
    std::this_thread::sleep_for(std::chrono::duration<double>(kTelling));
    std::_Exit(status);
  }
  ::alarm(static_cast<unsigned>(silence_.load()) + 30);  // a process that dies just now
  part();
  for (MPI_Comm* comm : {&data_, &control_, &watch_}) MPI_Comm_free(comm);
  MPI_Finalize();
  ::alarm(0);
}

// What is under way on the watch is received, as MPI asks of all that is sent: MPICH over UCX warns of what is not. An
// empty message is a peer's last one; this process's service thread, which has ended, may have received it already.
void MpiGroup::part() {
  std::vector<MPI_Request> sent = beats_;
  for (const int peer : watched_) {
    MPI_Isend(nullptr, 0, MPI_BYTE, peer, 0, watch_, &sent.emplace_back(MPI_REQUEST_NULL));
  }
  std::vector<char> text(kLongestReason + 1);
  for (const int peer : watched_) {
    for (int count = 1; count != 0 && !parted_.contains(peer);) {
      MPI_Status status;
      MPI_Recv(text.data(), static_cast<int>(text.size()), MPI_BYTE, peer, 0, watch_, &status);
      MPI_Get_count(&status, MPI_BYTE, &count);
    }
  }
  MPI_Waitall(static_cast<int>(sent.size()), sent.data(), MPI_STATUSES_IGNORE);
}

// ---- who is who ----------------------------------------------------------------------------------------

std::string MpiGroup::describe(int rank) const {
  const std::lock_guard lock(state_);
  const Peer& peer = peers_.at(static_cast<std::size_t>(rank));
  return "rank " + std::to_string(rank) + " (" + (peer.device.empty() ? "" : peer.device + ", ") + "process " +
         std::to_string(peer.process) + " on " + peer.host + ")";
}

void MpiGroup::name_devices(const std::vector<std::string>& devices) {
  const std::lock_guard lock(state_);
  for (std::size_t i = 0; i < peers_.size(); ++i) peers_[i].device = devices.at(i);
}

void MpiGroup::set_timeouts(const GroupTimeouts& timeouts) { silence_ = timeouts.silence, stall_ = timeouts.stall; }

MpiGroup::Lanes MpiGroup::lanes_of(MPI_Comm comm) const {
  Lanes lanes;
  for (int peer = 0; peer < size_; ++peer) {
    lanes.sends.push_back({comm, peer});
    lanes.receives.push_back({comm, peer});
  }
  return lanes;
}

// ---- messages between the drivers ----------------------------------------------------------------------

void MpiGroup::send(int to, std::span<const std::byte> message) {
  Transfer transfer;
  {
    const std::lock_guard lock(mpi_);
    throw_if_failed();
    transfer = Transfer::send(control_lanes_.sends.at(static_cast<std::size_t>(to)), message);
  }
  wait(std::move(transfer));
}

void MpiGroup::receive(int from, std::span<std::byte> message) {
  Transfer transfer;
  {
    const std::lock_guard lock(mpi_);
    throw_if_failed();
    transfer = Transfer::receive(control_lanes_.receives.at(static_cast<std::size_t>(from)), message);
  }
  wait(std::move(transfer));
}

// A driver waits for what a peer computes, so for as long as the devices' messages may take, twice: the devices know
// better who it is that does not go on.
void MpiGroup::wait(Transfer transfer) {
  const auto start = Clock::now();
  for (int turn = 0;; ++turn) {
    {
      const std::lock_guard lock(mpi_);
      throw_if_failed();
      if (transfer.test()) return;
    }
    if (seconds_since(start) > 2 * stall_.load()) {
      const std::string reason = describe(rank_) + " waited " + seconds_text(2 * stall_.load()) + " for " +
                                 describe(transfer.peer()) +
                                 ", which lives but does not answer (twice distributed.stall_timeout)";
      fail(ExitCode::device, reason);
      throw_if_failed();
    }
    pause(turn);
  }
}

void MpiGroup::add(Carried& carried, bool large) {
  carried_.push_back(&carried);
  if (large && ++large_ == 1) changed_.notify_all();
}

void MpiGroup::remove(Carried& carried, bool large) {
  if (std::erase(carried_, &carried) != 0 && large) --large_;
}

std::unique_ptr<Transport> MpiGroup::create_transport() { return create_mpi_transport(*this); }

// ---- failure -------------------------------------------------------------------------------------------

void MpiGroup::throw_if_failed() const {
  if (!failed_.load()) return;
  const std::lock_guard lock(state_);
  throw GroupFailure(code_, "stopped: " + reason_);
}

void MpiGroup::set_failed(ExitCode code, const std::string& reason) {
  {
    const std::lock_guard lock(state_);
    if (failed_) return;
    if (!telling_) code_ = code, reason_ = reason;
    failed_ = true;
  }
  changed_.notify_all();
}

void MpiGroup::fail(ExitCode code, const std::string& reason) noexcept {
  try {
    std::unique_lock lock(state_);
    if (!failed_ && !telling_) {
      telling_ = true;
      code_ = code;
      reason_ = reason.substr(0, kLongestReason);
      changed_.notify_all();
    }
    changed_.wait_for(lock, std::chrono::duration<double>(4 * kTelling), [&] { return failed_.load(); });
    failed_ = true;
  } catch (...) {
    failed_ = true;
  }
}

// ---- the service thread --------------------------------------------------------------------------------

void MpiGroup::serve() {
  double failed_since = 0;
  for (;;) {
    bool tell = false;
    {
      // Often while messages are under way that MPI sends in parts; else as often as signs of life need.
      const auto pause = std::chrono::milliseconds(large_.load() > 0 ? 1 : 20);
      std::unique_lock lock(state_);
      changed_.wait_for(lock, pause, [&] {
        return ending_ || (telling_ && !failed_) || (pause == std::chrono::milliseconds(20) && large_.load() > 0);
      });
      if (ending_) return;
      tell = telling_ && !failed_;
    }
    const double time = seconds_now();
    if (failed_) {
      if (failed_since == 0) failed_since = time;
      if (time - failed_since < std::max(2.0, silence_.load())) continue;
      // A thread of this process is stuck in something that does not end.
      std::string reason;
      {
        const std::lock_guard lock(state_);
        reason = reason_;
      }
      std::fprintf(stderr, "gamlp: %s: stopped: %s; what it was doing did not end in time\n", describe(rank_).c_str(),
                   reason.c_str());
      std::_Exit(static_cast<int>(code_));
    }
    try {
      if (tell) {
        tell_failure(rank_);
        set_failed(code_, reason_);
      } else {
        serve_messages(time);
        watch(time);
      }
    } catch (const std::exception& error) {
      try {
        lost(describe(rank_) + " failed: " + error.what(), rank_);
      } catch (...) {
        set_failed(ExitCode::device, "a process failed");
      }
    }
  }
}

void MpiGroup::serve_messages(double time) {
  const std::lock_guard lock(mpi_);
  carrying_ = carried_;  // what is complete leaves the list
  for (Carried* carried : carrying_) carried->carry_on();
  for (;;) {
    int there = 0;
    MPI_Status status;
    check(MPI_Iprobe(MPI_ANY_SOURCE, 0, watch_, &there, &status), "MPI_Iprobe");
    if (there == 0) break;
    int count = 0;
    MPI_Get_count(&status, MPI_BYTE, &count);
    std::string text(static_cast<std::size_t>(count), '\0');
    check(MPI_Recv(text.data(), count, MPI_BYTE, status.MPI_SOURCE, 0, watch_, MPI_STATUS_IGNORE), "MPI_Recv");
    signs_->heard(status.MPI_SOURCE, time);
    if (text.empty()) parted_.insert(status.MPI_SOURCE);  // it came out of the last agreement first: see part()
    if (text.size() > 1) return set_failed(static_cast<ExitCode>(text[0] - '0'), text.substr(1));
  }
  if (time < next_beat_) return;
  next_beat_ = time + kBeat;
  static const char kSign = '.';
  for (const int to : watched_) {
    MPI_Request& beat = beats_[static_cast<std::size_t>(to)];
    int gone = 1;
    if (beat != MPI_REQUEST_NULL) check(MPI_Test(&beat, &gone, MPI_STATUS_IGNORE), "MPI_Test");
    if (gone != 0) check(MPI_Isend(&kSign, 1, MPI_BYTE, to, 0, watch_, &beat), "MPI_Isend");
  }
}

void MpiGroup::watch(double time) {
  if (failed_) return;
  signs_->look(time);
  for (int r = 0; r < size_; ++r) {
    pollfd ended{peers_[static_cast<std::size_t>(r)].pidfd, POLLIN, 0};
    if (ended.fd < 0 || ::poll(&ended, 1, 0) != 1) continue;
    // What it said last may still be on the way.
    for (int i = 0; i < 20 && !failed_; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      serve_messages(seconds_now());
    }
    return lost(describe(r) + " ended without a word: it crashed or was killed", r);
  }
  const bool ending = asked_to_end_.load();
  const auto silent = signs_->silent(time, ending ? std::min(silence_.load(), kSilenceWhenEnding) : silence_.load());
  if (!silent) return;
  std::array<char, 32> seconds{};
  std::snprintf(seconds.data(), seconds.size(), "%.1f", silent->seconds);
  lost("no sign of life of " + describe(silent->rank) + " for " + seconds.data() +
           " s: it is dead, stopped or cut off" + (ending ? "; a signal asked to end" : ""),
       silent->rank);
}

// `rank`: who it is that is not told.
void MpiGroup::lost(const std::string& reason, int rank) {
  {
    const std::lock_guard lock(state_);
    if (failed_ || telling_) return;
    telling_ = true;
    code_ = ExitCode::device;
    reason_ = reason.substr(0, kLongestReason);
  }
  tell_failure(rank);
  set_failed(ExitCode::device, reason);
}

void MpiGroup::tell_failure(int except) {
  std::string text;
  {
    const std::lock_guard lock(state_);
    text = static_cast<char>('0' + static_cast<int>(code_)) + reason_;
  }
  // Stays where it is: after a failure nobody asks whether it has gone.
  const auto* message = new std::string(text);
  std::vector<MPI_Request> requests;
  const std::lock_guard lock(mpi_);
  if (failed_) return;  // who waited for this has given up
  for (int to = 0; to < size_; ++to) {
    if (to == rank_ || to == except) continue;
    MPI_Isend(message->data(), static_cast<int>(message->size()), MPI_BYTE, to, 0, watch_,
              &requests.emplace_back(MPI_REQUEST_NULL));
  }
  const auto start = Clock::now();
  for (int all = 0; all == 0 && seconds_since(start) < kTelling;) {
    MPI_Testall(static_cast<int>(requests.size()), requests.data(), &all, MPI_STATUSES_IGNORE);
    if (all == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

}  // namespace gamlp::mpi

namespace gamlp {

namespace {

std::string describe_mpi() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  MPI_Get_library_version(text.data(), &length);
  return mpi_name({text.data(), static_cast<std::size_t>(length)});
}

}  // namespace

void use_mpi() {
  set_start_group(
      [](const std::atomic<bool>& stop) -> std::unique_ptr<ProcessGroup> {
        return std::make_unique<mpi::MpiGroup>(stop);
      },
      describe_mpi);
}

}  // namespace gamlp
