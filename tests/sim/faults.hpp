// Contexts with a planted fault: they pass everything on to a simulated device but for what the fault takes away.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "host/device/forwarding_stream.hpp"
#include "host/sim/sim_fleet.hpp"
#include "tests/support/catch.hpp"

namespace gamlp::test {

class FaultyStream final : public ForwardingStream {
 public:
  using ForwardingStream::ForwardingStream;
  void record(Event& event) override {
    if (drop_record && drop_record(records_++)) return;
    ForwardingStream::record(event);
  }
  void wait(Event& event, const char* protects) override {
    if (drop_wait && drop_wait(protects)) return;
    ForwardingStream::wait(event, protects);
  }

  std::function<bool(const std::string& protects)> drop_wait;
  std::function<bool(int number)> drop_record;

 private:
  int records_ = 0;
};

// A device whose copy streams are faulty.
class FaultyDevice final : public Device {
 public:
  explicit FaultyDevice(Device& device) : device_(device) {}
  std::string name() const override { return device_.name(); }
  Buffer allocate(std::size_t bytes, const std::string& what, MemoryKind kind) override {
    return device_.allocate(bytes, what, kind);
  }
  Buffer allocate_host(std::size_t bytes, const std::string& what) override {
    return device_.allocate_host(bytes, what);
  }
  std::unique_ptr<Stream> create_stream(const std::string& what, StreamKind kind) override {
    inner_.push_back(device_.create_stream(what, kind));
    auto stream = std::make_unique<FaultyStream>(*inner_.back());
    stream->drop_wait = [this](const std::string& protects) { return drop_wait && drop_wait(protects); };
    return stream;
  }
  std::unique_ptr<Event> create_event(const std::string& what) override { return device_.create_event(what); }
  int parallel_ops() const override { return device_.parallel_ops(); }
  MemoryUse memory() const override { return device_.memory(); }
  DeviceTimes times() const override { return device_.times(); }
  void trace(TraceSink* sink) override { device_.trace(sink); }

  std::function<bool(const std::string& protects)> drop_wait;

 private:
  Device& device_;
  std::vector<std::unique_ptr<Stream>> inner_;
};

class FaultyTransport final : public Transport {
 public:
  using Sends = std::vector<Send>;
  using Receives = std::vector<Receive>;
  explicit FaultyTransport(Transport& transport) : transport_(transport) {}
  int rank() const override { return transport_.rank(); }
  int size() const override { return transport_.size(); }
  void exchange(Stream& stream, std::span<const Send> sends, std::span<const Receive> receives) override {
    Stream& inner = dynamic_cast<FaultyStream&>(stream).inner();
    Sends out(sends.begin(), sends.end());
    Receives in(receives.begin(), receives.end());
    const int number = groups_++;
    if (change) change(number, out, in);
    if (hold == number) {  // comes after the next group
      held_.emplace(std::move(out), std::move(in));
      return;
    }
    transport_.exchange(inner, out, in);
    if (held_) transport_.exchange(inner, held_->first, held_->second);
    held_.reset();
  }
  TransportCounters counters() const override { return transport_.counters(); }
  void abort(const std::string& reason) noexcept override { transport_.abort(reason); }

  std::function<void(int number, Sends&, Receives&)> change;
  int hold = -1;

 private:
  Transport& transport_;
  int groups_ = 0;
  std::optional<std::pair<Sends, Receives>> held_;
};

// Wraps the contexts of a fleet; owns the wrappers.
class FaultyContexts {
 public:
  struct Device {
    FaultyDevice device;
    FaultyStream compute, exchange;
    FaultyTransport transport;
    explicit Device(const DeviceContext& c)
        : device(*c.device), compute(*c.compute), exchange(*c.exchange), transport(*c.transport) {}
    void drop_waits(const std::function<bool(const std::string& protects)>& drop) {
      device.drop_wait = compute.drop_wait = exchange.drop_wait = drop;
    }
  };

  // Called for every device when it is wrapped.
  std::function<void(int rank, Device&)> plant;

  DeviceContext operator()(DeviceContext context) {
    auto& device = devices_->emplace_back(std::make_shared<Device>(context));
    if (plant) plant(context.transport->rank(), *device);
    return {&device->device, &device->compute, &device->exchange, &device->transport};
  }

 private:
  // Shared by copies: a training copies this, and the wrappers live as long as any copy does.
  std::shared_ptr<std::vector<std::shared_ptr<Device>>> devices_ =
      std::make_shared<std::vector<std::shared_ptr<Device>>>();
};

// What the waits of a program protect. Without a fault.
inline FaultyContexts listening(std::set<std::string>& waits) {
  FaultyContexts contexts;
  contexts.plant = [&waits](int, FaultyContexts::Device& device) {
    device.drop_waits([&waits](const std::string& protects) {
      waits.insert(protects);
      return false;
    });
  };
  return contexts;
}

// Without the waits that protect one thing.
inline FaultyContexts without_wait(const std::string& removed) {
  FaultyContexts contexts;
  contexts.plant = [removed](int, FaultyContexts::Device& device) {
    device.drop_waits([removed](const std::string& protects) { return protects == removed; });
  };
  return contexts;
}

// The fault that `action` ends with.
inline std::optional<sim::SimulationFault> fault_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const sim::SimulationFault& fault) {
    return fault;
  }
  return std::nullopt;
}

inline void check_fault(const std::optional<sim::SimulationFault>& fault, sim::FaultKind kind,
                        const std::vector<std::string>& parts) {
  REQUIRE(fault.has_value());
  INFO(fault->what());
  CHECK(fault->kind == kind);
  for (const std::string& part : parts) {
    INFO("expected part: " << part);
    CHECK(std::string(fault->what()).find(part) != std::string::npos);
  }
}

}  // namespace gamlp::test
