#include "host/cpu/local_transport.hpp"

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>

#include "host/core/clock.hpp"
#include "host/core/error.hpp"
#include "host/cpu/cpu_device.hpp"
#include "host/device/transport_ends.hpp"

namespace gamlp {
namespace {

// A message that its sender has put out. The receiver copies it, then sets `taken`.
struct Offer {
  MatView<const std::byte> message;
  std::shared_ptr<std::atomic<bool>> taken;
};

// What the ends share.
class Hub {
 public:
  explicit Hub(int size) : size_(size), queues_(static_cast<std::size_t>(size) * static_cast<std::size_t>(size)) {}

  int size() const { return size_; }

  void offer(int from, int to, Offer offer) {
    {
      const std::lock_guard lock(mutex_);
      queue(from, to).push_back(std::move(offer));
    }
    changed();
  }

  // The next message of the pair, or an empty offer (taken == nullptr) when there is none yet.
  Offer take(int from, int to) {
    const std::lock_guard lock(mutex_);
    auto& waiting = queue(from, to);
    if (waiting.empty()) return {};
    Offer offer = std::move(waiting.front());
    waiting.pop_front();
    return offer;
  }

  // Takes an offer back. False when its receiver has it already, and is copying or has copied.
  bool withdraw(int from, int to, const std::shared_ptr<std::atomic<bool>>& taken) {
    const std::lock_guard lock(mutex_);
    return std::erase_if(queue(from, to), [&](const Offer& offer) { return offer.taken == taken; }) != 0;
  }

  void changed() {
    version_.fetch_add(1, std::memory_order_release);
    // Taking the lock orders this change before a sleeper's last look.
    { const std::lock_guard lock(mutex_); }
    condition_.notify_all();
  }

  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }

  // Returns when version() differs from `seen`: spins for some microseconds, then sleeps.
  void wait_beyond(std::uint64_t seen) {
    for (int i = 0; i < 200; ++i) {
      if (version() != seen) return;
      std::this_thread::yield();
    }
    std::unique_lock lock(mutex_);
    condition_.wait(lock, [&] { return version() != seen; });
  }

  void abort(const std::string& reason) noexcept {
    {
      const std::lock_guard lock(mutex_);
      if (aborted_.load()) return;
      reason_ = reason;
      aborted_.store(true);
    }
    changed();
  }

  void check(int rank) const {
    if (!aborted_.load()) return;
    const std::lock_guard lock(mutex_);
    throw DeviceError("cpu:" + std::to_string(rank) + ": exchange stopped: " + reason_);
  }

 private:
  std::deque<Offer>& queue(int from, int to) {
    return queues_[static_cast<std::size_t>(from) * static_cast<std::size_t>(size_) + static_cast<std::size_t>(to)];
  }

  int size_;
  mutable std::mutex mutex_;
  std::condition_variable condition_;
  std::atomic<std::uint64_t> version_{0};
  std::vector<std::deque<Offer>> queues_;
  std::atomic<bool> aborted_{false};
  std::string reason_;
};

class LocalGroup final : public ExchangeTask {
 public:
  LocalGroup(std::shared_ptr<Hub> hub, int rank, std::span<const Send> sends, std::span<const Receive> receives,
             MessageCounters& counters, CpuDevice& device)
      : hub_(std::move(hub)),
        rank_(rank),
        sends_(sends.begin(), sends.end()),
        receives_(receives.begin(), receives.end()),
        only_sends_(receives.empty()),
        counters_(counters),
        device_(device) {}

  ~LocalGroup() override { withdraw(); }

  bool progress() override {
    try {
      return step();
    } catch (...) {
      withdraw();  // who catches this may free the messages
      throw;
    }
  }

  bool only_sends() const override { return only_sends_; }
  void block() override { hub_->wait_beyond(seen_); }

 private:
  struct Pending {
    int peer;
    std::shared_ptr<std::atomic<bool>> taken;
  };

  bool step() {
    hub_->check(rank_);
    seen_ = hub_->version();
    if (!offered_) {
      offered_ = true;
      for (const Send& send : sends_) {
        auto taken = std::make_shared<std::atomic<bool>>(false);
        hub_->offer(rank_, send.peer, {send.message, taken});
        pending_.push_back({send.peer, std::move(taken)});
      }
    }
    // Receives of one peer match in order, so a later one must not overtake an earlier one.
    for (std::size_t i = 0; i < receives_.size();) {
      bool earlier = false;
      for (std::size_t k = 0; k < i; ++k) earlier = earlier || receives_[k].peer == receives_[i].peer;
      const Offer offer = earlier ? Offer{} : hub_->take(receives_[i].peer, rank_);
      if (!offer.taken) {
        ++i;
        continue;
      }
      copy(receives_[i], offer);
      receives_.erase(receives_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    std::erase_if(pending_, [](const Pending& p) { return p.taken->load(std::memory_order_acquire); });
    hub_->check(rank_);  // a message that was refused counts as taken
    return receives_.empty() && pending_.empty();
  }

  // Afterwards no peer reads this group's messages.
  void withdraw() noexcept {
    for (const Pending& pending : pending_) {
      if (hub_->withdraw(rank_, pending.peer, pending.taken)) continue;
      while (!pending.taken->load(std::memory_order_acquire)) std::this_thread::yield();
    }
    pending_.clear();
  }

  void copy(const Receive& receive, const Offer& offer) {
    if (receive.message.size() != offer.message.size()) {
      const std::string what = "cpu:" + std::to_string(rank_) + " expects " + std::to_string(receive.message.size()) +
                               " bytes from cpu:" + std::to_string(receive.peer) + ", which sends " +
                               std::to_string(offer.message.size());
      hub_->abort(what);
      offer.taken->store(true, std::memory_order_release);
      throw DeviceError(what);
    }
    const auto start = Clock::now();
    if (!receive.message.empty()) {  // an empty message may have no memory
      std::memcpy(receive.message.data, offer.message.data, static_cast<std::size_t>(receive.message.size()));
    }
    counters_.received(receive);
    offer.taken->store(true, std::memory_order_release);
    hub_->changed();
    device_.clock().exchange += seconds_since(start);
  }

  std::shared_ptr<Hub> hub_;  // an end may be gone before a stream that still holds its group
  int rank_;
  std::vector<Send> sends_;
  std::vector<Receive> receives_;  // not yet there
  const bool only_sends_;
  MessageCounters& counters_;
  CpuDevice& device_;
  bool offered_ = false;
  std::uint64_t seen_ = 0;
  std::vector<Pending> pending_;
};

class LocalTransport final : public Transport {
 public:
  LocalTransport(std::shared_ptr<Hub> hub, int rank) : hub_(std::move(hub)), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return hub_->size(); }

  void exchange(Stream& stream, std::span<const Send> sends, std::span<const Receive> receives) override {
    expect_peers(size(), sends, receives);
    counters_.sent(sends);
    auto& exchange_stream = dynamic_cast<CpuExchangeStream&>(stream);
    exchange_stream.add(std::make_unique<LocalGroup>(hub_, rank_, sends, receives, counters_, exchange_stream.device()),
                        span_of_exchange(sends, receives));
  }

  TransportCounters counters() const override { return counters_.read(); }

  void abort(const std::string& reason) noexcept override { hub_->abort(reason); }

 private:
  std::shared_ptr<Hub> hub_;
  int rank_;
  MessageCounters counters_;
};

}  // namespace

std::vector<std::unique_ptr<Transport>> create_local_transports(int size) {
  return create_ends<LocalTransport, Hub>(size);
}

}  // namespace gamlp
