// A device whose compute stream runs the CUDA kernels' sources on the executor, at once; the rest is the CPU device's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cuda/kernels/ops.hpp"
#include "host/cpu/cpu_device.hpp"
#include "host/device/forwarding_stream.hpp"

namespace gamlp::test {

class SimtStream final : public ForwardingStream {
 public:
  explicit SimtStream(std::unique_ptr<Stream> inner) : ForwardingStream(*inner), owned_(std::move(inner)) {
    scratch_.resize(cuda::Queue::scratch_bytes());
    queue_.use_scratch(scratch_.data(), nullptr);
  }
  void enqueue(const Op& op) override {
    std::visit(
        [&]<class T>(const T& o) {
          if constexpr (T::phase == Phase::copy) {
            ForwardingStream::enqueue(op);
          } else {
            cuda::run(o, queue_);
          }
        },
        op.variant());
  }

 private:
  std::unique_ptr<Stream> owned_;
  AlignedVector<std::byte> scratch_;
  cuda::Queue queue_;
};

class SimtDevice final : public Device {
 public:
  explicit SimtDevice(int index) : cpu_(index, 1) {}
  std::string name() const override { return cpu_.name(); }
  Buffer allocate(std::size_t bytes, const std::string& what, MemoryKind kind) override {
    return cpu_.allocate(bytes, what, kind);
  }
  Buffer allocate_host(std::size_t bytes, const std::string& what) override { return cpu_.allocate_host(bytes, what); }
  std::unique_ptr<Stream> create_stream(const std::string& what, StreamKind kind) override {
    auto stream = cpu_.create_stream(what, kind);
    if (kind != StreamKind::compute) return stream;
    return std::make_unique<SimtStream>(std::move(stream));
  }
  std::unique_ptr<Event> create_event(const std::string& what) override { return cpu_.create_event(what); }
  MemoryUse memory() const override { return cpu_.memory(); }
  DeviceTimes times() const override { return cpu_.times(); }
  void trace(TraceSink* sink) override { cpu_.trace(sink); }

 private:
  CpuDevice cpu_;
};

}  // namespace gamlp::test
