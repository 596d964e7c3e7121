#include "host/sim/sim_device.hpp"

#include <utility>

namespace gamlp::sim {
namespace {

class SimStorage final : public Buffer::Storage {
 public:
  SimStorage(std::shared_ptr<Simulator> simulator, std::shared_ptr<Allocation> allocation)
      : simulator_(std::move(simulator)), allocation_(std::move(allocation)) {}
  ~SimStorage() override { simulator_->release(*allocation_); }
  SimStorage(const SimStorage&) = delete;
  SimStorage& operator=(const SimStorage&) = delete;
  std::byte* data() const override { return reinterpret_cast<std::byte*>(allocation_->address); }
  std::size_t bytes() const override { return allocation_->bytes; }

 private:
  std::shared_ptr<Simulator> simulator_;
  std::shared_ptr<Allocation> allocation_;
};

}  // namespace

void SimEvent::synchronize() {
  if (last_) simulator_->synchronize_point(*last_);
}

void SimStream::record(Event& event) {
  auto& e = dynamic_cast<SimEvent&>(event);
  e.last_ = std::make_shared<Simulator::Point>();
  e.last_->event = e.name_;
  simulator_->record(index_, e.last_);
}

void SimStream::wait(Event& event, const char* protects) {
  simulator_->wait(index_, dynamic_cast<SimEvent&>(event).last_, protects);
}

Buffer SimDevice::allocate(std::size_t bytes, const std::string& what, MemoryKind kind) {
  return Buffer(std::make_unique<SimStorage>(simulator_, simulator_->allocate(index_, bytes, what, kind)));
}

std::unique_ptr<Stream> SimDevice::create_stream(const std::string& what, StreamKind kind) {
  return std::make_unique<SimStream>(simulator_, simulator_->add_stream(index_, what, kind));
}

std::unique_ptr<Event> SimDevice::create_event(const std::string& what) {
  return std::make_unique<SimEvent>(simulator_, what);
}

void SimTransport::exchange(Stream& stream, std::span<const Send> sends, std::span<const Receive> receives) {
  simulator_->exchange(rank_, dynamic_cast<SimStream&>(stream).index(), sends, receives);
}

}  // namespace gamlp::sim
