// Threads in the place of processes: what a run of several processes does, under sanitizers and without a launcher.
#pragma once

#include <condition_variable>
#include <deque>
#include <locale>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "host/cpu/local_transport.hpp"
#include "host/dist/process_group.hpp"
#include "tests/support/catch.hpp"

namespace gamlp::test {

class ThreadGroup final : public ProcessGroup {
 public:
  // What the members share.
  struct Hub {
    explicit Hub(int members) : size(members), ends(create_local_transports(members)) {}
    int size;
    std::mutex mutex;
    std::condition_variable changed;
    std::map<std::pair<int, int>, std::deque<std::vector<std::byte>>> mail;
    std::vector<std::unique_ptr<Transport>> ends;
    bool failed = false;
    ExitCode code = ExitCode::device;
    std::string reason;
    std::vector<std::string> devices;
    std::vector<int> hosts;  // as ProcessGroup::host() says; empty: all are one
  };

  ThreadGroup(std::shared_ptr<Hub> hub, int rank) : hub_(std::move(hub)), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return hub_->size; }
  int host(int rank) const override { return hub_->hosts.empty() ? 0 : hub_->hosts[static_cast<std::size_t>(rank)]; }
  std::string describe(int rank) const override {
    const std::lock_guard lock(hub_->mutex);
    const std::string device = hub_->devices.empty() ? "" : " (" + hub_->devices[static_cast<std::size_t>(rank)] + ")";
    return "rank " + std::to_string(rank) + device;
  }
  void name_devices(const std::vector<std::string>& devices) override {
    const std::lock_guard lock(hub_->mutex);
    hub_->devices = devices;
  }
  void set_timeouts(const GroupTimeouts&) override {}

  void send(int to, std::span<const std::byte> message) override {
    const std::lock_guard lock(hub_->mutex);
    throw_failure();
    hub_->mail[{rank_, to}].emplace_back(message.begin(), message.end());
    hub_->changed.notify_all();
  }
  void receive(int from, std::span<std::byte> message) override {
    std::unique_lock lock(hub_->mutex);
    auto& mail = hub_->mail[{from, rank_}];
    hub_->changed.wait(lock, [&] { return hub_->failed || !mail.empty(); });
    throw_failure();
    if (mail.front().size() != message.size()) throw std::logic_error("a message of another size");
    std::copy(mail.front().begin(), mail.front().end(), message.begin());
    mail.pop_front();
  }

  std::unique_ptr<Transport> create_transport() override { return std::make_unique<End>(*this); }

  void fail(ExitCode code, const std::string& reason) noexcept override {
    {
      const std::lock_guard lock(hub_->mutex);
      if (hub_->failed) return;
      hub_->failed = true;
      hub_->code = code;
      hub_->reason = reason;
    }
    hub_->ends.front()->abort(reason);
    hub_->changed.notify_all();
  }
  bool failed() const override {
    const std::lock_guard lock(hub_->mutex);
    return hub_->failed;
  }
  void throw_if_failed() const override {
    const std::lock_guard lock(hub_->mutex);
    throw_failure();
  }
  void finish(int) override {}

 private:
  class End final : public Transport {
   public:
    explicit End(ThreadGroup& group) : group_(group), hub_(group.hub_), rank_(group.rank_) {}
    int rank() const override { return rank_; }
    int size() const override { return hub_->size; }
    void exchange(Stream& stream, std::span<const Send> sends, std::span<const Receive> receives) override {
      end().exchange(stream, sends, receives);
    }
    TransportCounters counters() const override { return end().counters(); }
    void abort(const std::string& reason) noexcept override { fail_here(group_, ExitCode::device, reason); }

   private:
    Transport& end() const { return *hub_->ends[static_cast<std::size_t>(rank_)]; }
    ThreadGroup& group_;
    std::shared_ptr<Hub> hub_;
    int rank_;
  };

  void throw_failure() const {
    if (hub_->failed) throw GroupFailure(hub_->code, "stopped: " + hub_->reason);
  }

  std::shared_ptr<Hub> hub_;
  int rank_;
};

// Configs are parsed on several threads here, as they never are in the program, and libstdc++ fills a table of
// std::regex's when it is first read: ThreadSanitizer would see a race that processes do not have.
inline void fill_character_table() {
  const auto& table = std::use_facet<std::ctype<char>>(std::locale());
  for (int c = 1; c < 256; ++c) table.narrow(static_cast<char>(c), '\0');
}

// What each member ended with: "" or its error's message, after the kind of a group's errors.
inline std::vector<std::string> together(int size, const std::function<void(ProcessGroup&)>& body,
                                         const std::vector<int>& hosts = {}) {
  fill_character_table();
  auto hub = std::make_shared<ThreadGroup::Hub>(size);
  hub->hosts = hosts;
  std::vector<std::string> errors(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      ThreadGroup group(hub, rank);
      std::string& error = errors[static_cast<std::size_t>(rank)];
      try {
        body(group);
      } catch (const AgreedError& e) {
        error = std::string("agreed: ") + e.what();
      } catch (const GroupFailure& e) {
        error = std::string("group: ") + e.what();
      } catch (const std::exception& e) {
        error = e.what();
        group.fail(ExitCode::internal, "rank " + std::to_string(rank) + " failed: " + e.what());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return errors;
}

inline const std::vector<std::string>& none(int size) {
  static std::vector<std::string> empty;
  empty.assign(static_cast<std::size_t>(size), "");
  return empty;
}

}  // namespace gamlp::test
