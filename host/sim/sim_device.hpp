// Devices, streams, events and transports (host/device) that a Simulator runs.
#pragma once

#include <memory>
#include <string>

#include "host/sim/simulator.hpp"

namespace gamlp::sim {

class SimEvent final : public Event {
 public:
  SimEvent(std::shared_ptr<Simulator> simulator, std::string name)
      : simulator_(std::move(simulator)), name_(std::move(name)) {}
  void synchronize() override;

 private:
  friend class SimStream;
  std::shared_ptr<Simulator> simulator_;
  std::string name_;
  std::shared_ptr<Simulator::Point> last_;  // null: never recorded
};

class SimStream final : public Stream {
 public:
  SimStream(std::shared_ptr<Simulator> simulator, std::size_t index)
      : simulator_(std::move(simulator)), index_(index) {}
  void enqueue(const Op& op) override { simulator_->enqueue(index_, op); }
  void record(Event& event) override;
  void wait(Event& event, const char* protects) override;
  void label(const StepLabel& label) override { simulator_->label(index_, label); }
  void synchronize() override { simulator_->synchronize_stream(index_); }
  std::size_t index() const { return index_; }

 private:
  std::shared_ptr<Simulator> simulator_;
  std::size_t index_;
};

class SimDevice final : public Device {
 public:
  SimDevice(std::shared_ptr<Simulator> simulator, int index) : simulator_(std::move(simulator)), index_(index) {}
  int parallel_ops() const override { return simulator_->parallel_ops(); }
  std::string name() const override { return "sim:" + std::to_string(index_); }
  Buffer allocate(std::size_t bytes, const std::string& what, MemoryKind kind) override;
  Buffer allocate_host(std::size_t bytes, const std::string& what) override {
    return allocate(bytes, what, MemoryKind::host);
  }
  std::unique_ptr<Stream> create_stream(const std::string& what, StreamKind kind) override;
  std::unique_ptr<Event> create_event(const std::string& what) override;
  MemoryUse memory() const override { return simulator_->memory(index_); }
  DeviceTimes times() const override { return simulator_->clock(index_).times; }
  void trace(TraceSink* sink) override { simulator_->trace(index_, sink); }

 private:
  std::shared_ptr<Simulator> simulator_;
  int index_;
};

class SimTransport final : public Transport {
 public:
  SimTransport(std::shared_ptr<Simulator> simulator, int rank) : simulator_(std::move(simulator)), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return simulator_->devices(); }
  void exchange(Stream& stream, std::span<const Send> sends, std::span<const Receive> receives) override;
  TransportCounters counters() const override { return simulator_->counters(rank_); }
  void abort(const std::string& reason) noexcept override { simulator_->abort(reason); }

 private:
  std::shared_ptr<Simulator> simulator_;
  int rank_;
};

}  // namespace gamlp::sim
