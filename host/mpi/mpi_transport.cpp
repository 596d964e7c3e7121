#include "host/mpi/mpi_transport.hpp"

#include <atomic>
#include <chrono>
#include <exception>

#include "host/core/clock.hpp"
#include "host/core/pause.hpp"
#include "host/cpu/cpu_device.hpp"
#include "host/device/transport_ends.hpp"
#include "host/mpi/mpi_group.hpp"

namespace gamlp::mpi {
namespace {

constexpr std::size_t kLarge = 32 << 10;  // messages above are sent in parts, or fetched by the receiver

std::span<const std::byte> span_of(MatView<const std::byte> message) {
  return {message.data, static_cast<std::size_t>(message.size())};
}

// A group of messages. Its own thread and the service thread carry it on.
class MpiExchange final : public ExchangeTask, Carried {
 public:
  MpiExchange(MpiGroup& group, std::span<const Send> sends, std::span<const Receive> receives,
              const std::shared_ptr<MessageCounters>& counters)
      : group_(group),
        sends_(sends.begin(), sends.end()),
        receives_(receives.begin(), receives.end()),
        counters_(counters) {
    for (const Send& send : sends_) large_ = large_ || static_cast<std::size_t>(send.message.size()) > kLarge;
    for (const Receive& receive : receives_)
      large_ = large_ || static_cast<std::size_t>(receive.message.size()) > kLarge;
  }

  ~MpiExchange() override {
    const std::lock_guard lock(group_.mutex());
    group_.remove(*this, large_);
    if (group_.failed()) return;  // nobody calls MPI any more
    for (Message& message : messages_) message.transfer.cancel();
  }

  bool progress() override {
    if (done_.load(std::memory_order_acquire)) return true;
    const std::lock_guard lock(group_.mutex());
    group_.throw_if_failed();
    if (!posted_) post();
    step();
    if (error_) std::rethrow_exception(error_);
    return done_;
  }

  bool only_sends() const override { return receives_.empty(); }

  void block() override {
    const auto start = Clock::now();
    for (int turn = 0; !progress(); ++turn) {
      if (seconds_since(start) > group_.stall_timeout()) stalled();
      pause(turn);
    }
  }

  double completed() const override { return completed_; }

 private:
  struct Message {
    Transfer transfer;
    MessageLabel label;
    bool done = false;
  };

  void post() {
    posted_ = true;
    for (const Receive& receive : receives_) {
      const std::span<std::byte> memory{receive.message.data, static_cast<std::size_t>(receive.message.size())};
      messages_.push_back({Transfer::receive(group_.receives_from(receive.peer), memory), receive.label});
    }
    for (const Send& send : sends_) {
      messages_.push_back({Transfer::send(group_.sends_to(send.peer), span_of(send.message)), send.label});
    }
    group_.add(*this, large_);
  }

  void carry_on() noexcept override {
    if (!done_ && !error_) step();
  }

  void step() noexcept {
    bool all = true;
    for (std::size_t i = 0; i < messages_.size() && !error_; ++i) {
      Message& message = messages_[i];
      if (message.done) continue;
      try {
        message.done = message.transfer.test();
      } catch (const std::exception& error) {
        error_ = std::make_exception_ptr(
            DeviceError(group_.describe(group_.rank()) + ", " + subject(message) + ": " + error.what()));
      }
      if (message.done && i < receives_.size()) counters_->received(receives_[i]);
      all = all && message.done;
    }
    if (!all || error_) return;
    completed_ = seconds_now();
    group_.remove(*this, large_);
    done_.store(true, std::memory_order_release);
  }

  std::string subject(const Message& message) const {
    return text_of(message.label) + (message.transfer.receives() ? " from " : " to ") +
           group_.describe(message.transfer.peer());
  }

  void stalled() {
    std::string waiting;
    {
      const std::lock_guard lock(group_.mutex());
      for (const Message& message : messages_) {
        if (!message.done) waiting += (waiting.empty() ? "" : " and ") + subject(message);
      }
    }
    group_.fail(ExitCode::device, group_.describe(group_.rank()) + " waited " + seconds_text(group_.stall_timeout()) +
                                      " for " + waiting +
                                      ": it, or one that it waits for, lives but does not go on "
                                      "(distributed.stall_timeout)");
    group_.throw_if_failed();
  }

  MpiGroup& group_;
  std::vector<Send> sends_;
  std::vector<Receive> receives_;
  std::shared_ptr<MessageCounters> counters_;  // the transport may be gone before it
  bool large_ = false;
  bool posted_ = false;
  std::vector<Message> messages_;  // receives, then sends
  std::exception_ptr error_;
  double completed_ = 0;
  std::atomic<bool> done_{false};
};

class MpiTransport final : public Transport {
 public:
  explicit MpiTransport(MpiGroup& group) : group_(group) {}
  int rank() const override { return group_.rank(); }
  int size() const override { return group_.size(); }

  void exchange(Stream& stream, std::span<const Send> sends, std::span<const Receive> receives) override {
    expect_peers(size(), sends, receives);
    counters_->sent(sends);
    auto& exchange_stream = dynamic_cast<CpuExchangeStream&>(stream);
    exchange_stream.add(std::make_unique<MpiExchange>(group_, sends, receives, counters_),
                        span_of_exchange(sends, receives));
  }

  TransportCounters counters() const override { return counters_->read(); }

  void abort(const std::string& reason) noexcept override { fail_here(group_, ExitCode::device, reason); }

 private:
  MpiGroup& group_;
  std::shared_ptr<MessageCounters> counters_ = std::make_shared<MessageCounters>();
};

}  // namespace

std::unique_ptr<Transport> create_mpi_transport(MpiGroup& group) { return std::make_unique<MpiTransport>(group); }

}  // namespace gamlp::mpi
