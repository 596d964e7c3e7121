#include "cuda/comm/copy_transport.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>

#include "cuda/core/handles.hpp"
#include "cuda/device/cuda_device.hpp"
#include "host/core/error.hpp"
#include "host/device/transport_ends.hpp"

namespace gamlp {
namespace {

using cuda::check;

// A message that its sender has put out: readable from `ready` on. The receiver enqueues its copy and sets `copied`,
// after which the sender may order itself behind `done`.
struct Offer {
  MatView<const std::byte> message;
  cuda::EventHandle ready, done;
  bool copied = false;
};

class CopyHub {
 public:
  explicit CopyHub(int size) : size_(size), queues_(static_cast<std::size_t>(size) * static_cast<std::size_t>(size)) {}

  int size() const { return size_; }

  void offer(int from, int to, std::shared_ptr<Offer> offer) {
    {
      const std::lock_guard lock(mutex_);
      queue(from, to).push_back(std::move(offer));
    }
    changed_.notify_all();
  }

  // Waits for the next message of the pair.
  std::shared_ptr<Offer> take(int from, int to) {
    std::unique_lock lock(mutex_);
    auto& waiting = queue(from, to);
    changed_.wait(lock, [&] { return aborted_ || !waiting.empty(); });
    expect_running(to);
    std::shared_ptr<Offer> offer = std::move(waiting.front());
    waiting.pop_front();
    return offer;
  }

  void set_copied(Offer& offer) {
    {
      const std::lock_guard lock(mutex_);
      offer.copied = true;
    }
    changed_.notify_all();
  }

  void wait_copied(const Offer& offer, int rank) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return aborted_ || offer.copied; });
    if (!offer.copied) expect_running(rank);
  }

  void abort(const std::string& reason) noexcept {
    {
      const std::lock_guard lock(mutex_);
      if (aborted_) return;
      aborted_ = true;
      reason_ = reason;
    }
    changed_.notify_all();
  }

 private:
  void expect_running(int rank) const {
    if (aborted_) throw DeviceError("device " + std::to_string(rank) + ": exchange stopped: " + reason_);
  }
  std::deque<std::shared_ptr<Offer>>& queue(int from, int to) {
    return queues_[static_cast<std::size_t>(from) * static_cast<std::size_t>(size_) + static_cast<std::size_t>(to)];
  }

  int size_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::deque<std::shared_ptr<Offer>>> queues_;
  bool aborted_ = false;
  std::string reason_;
};

class CopyTransport final : public Transport {
 public:
  CopyTransport(std::shared_ptr<CopyHub> hub, int rank)
      : hub_(std::move(hub)), rank_(rank), spare_(static_cast<std::size_t>(hub_->size())) {}

  int rank() const override { return rank_; }
  int size() const override { return hub_->size(); }

  void exchange(Stream& stream, std::span<const Send> sends, std::span<const Receive> receives) override {
    expect_peers(size(), sends, receives);
    counters_.sent(sends);
    auto& own = dynamic_cast<CudaStream&>(stream);
    const cudaStream_t raw = own.ready();
    const Span span = span_of_exchange(sends, receives);
    const cuda::ProfileRange range(std::string("exchange ") + span.detail);
    own.begin_exchange(span);
    std::vector<std::shared_ptr<Offer>> offers;
    for (const Send& send : sends) {
      auto offer = take_offer(send.peer);
      offer->message = send.message;
      check(cudaEventRecord(offer->ready.get(), raw), "cudaEventRecord");
      offers.push_back(offer);
      hub_->offer(rank_, send.peer, std::move(offer));
    }
    for (const Receive& receive : receives) copy(receive, *hub_->take(receive.peer, rank_), raw);
    for (std::size_t i = 0; i < offers.size(); ++i) {
      hub_->wait_copied(*offers[i], rank_);
      check(cudaStreamWaitEvent(raw, offers[i]->done.get(), 0), "cudaStreamWaitEvent");
      spare_[static_cast<std::size_t>(sends[i].peer)].push_back(std::move(offers[i]));
    }
    own.end_exchange();
  }

  TransportCounters counters() const override { return counters_.read(); }

  void abort(const std::string& reason) noexcept override { hub_->abort(reason); }

 private:
  // One whose message has been copied, or a new one.
  std::shared_ptr<Offer> take_offer(int peer) {
    auto& spare = spare_[static_cast<std::size_t>(peer)];
    if (spare.empty()) {
      auto offer = std::make_shared<Offer>();
      offer->ready = cuda::create_event();
      return offer;
    }
    std::shared_ptr<Offer> offer = std::move(spare.back());
    spare.pop_back();
    offer->copied = false;
    return offer;
  }

  void copy(const Receive& receive, Offer& offer, cudaStream_t stream) {
    if (receive.message.size() != offer.message.size()) {
      const std::string what = "device " + std::to_string(rank_) + " expects " +
                               std::to_string(receive.message.size()) + " bytes from device " +
                               std::to_string(receive.peer) + ", which sends " + std::to_string(offer.message.size());
      hub_->abort(what);
      throw DeviceError(what);
    }
    const auto bytes = static_cast<std::size_t>(receive.message.size());
    check(cudaStreamWaitEvent(stream, offer.ready.get(), 0), "cudaStreamWaitEvent");
    if (bytes > 0) {  // also between two GPUs: addresses are unique in a process
      check(cudaMemcpyAsync(receive.message.data, offer.message.data, bytes, cudaMemcpyDefault, stream),
            "cudaMemcpyAsync between devices");
    }
    if (!offer.done) offer.done = cuda::create_event();
    check(cudaEventRecord(offer.done.get(), stream), "cudaEventRecord");
    counters_.received(receive);
    hub_->set_copied(offer);
  }

  std::shared_ptr<CopyHub> hub_;
  int rank_;
  MessageCounters counters_;
  std::vector<std::vector<std::shared_ptr<Offer>>> spare_;  // by peer: `done` belongs to the receiver's device
};

}  // namespace

std::vector<std::unique_ptr<Transport>> create_copy_transports(int size) {
  return create_ends<CopyTransport, CopyHub>(size);
}

}  // namespace gamlp
