// The CPU device: memory and its accounts, streams and events on one thread.
#include "host/core/error.hpp"
#include "host/cpu/cpu_device.hpp"
#include "host/cpu/local_transport.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;

TEST_CASE("memory is zeroed, aligned, and accounted by kind") {
  CpuDevice device(3, 1);
  CHECK(device.name() == "cpu:3");
  {
    const Buffer a = device.allocate(1000, "a", MemoryKind::weights), b = device.allocate(24, "b", MemoryKind::data);
    CHECK(reinterpret_cast<std::uintptr_t>(a.raw(1).data) % 64 == 0);
    for (const float x : a.mat(25, 10).flat()) CHECK(x == 0.0f);
    const MemoryUse use = device.memory();
    CHECK(use.bytes[static_cast<std::size_t>(MemoryKind::weights)] == 1000);
    CHECK(use.bytes[static_cast<std::size_t>(MemoryKind::data)] == 24);
    CHECK(use.total == 1024);
  }
  CHECK(device.memory().total == 0);
  CHECK(device.memory().peak == 1024);
  const Buffer later = device.allocate(16, "later", MemoryKind::workspace);
  CHECK(device.memory().peak == 1024);  // less is allocated now than then
  const Buffer none = device.allocate(0, "nothing", MemoryKind::data);
  CHECK(none.bytes() == 0);
  CHECK(none.mat(0, 7).empty());
}

TEST_CASE("a view larger than its buffer is refused") {
  CpuDevice device(0, 1);
  const Buffer a = device.allocate(16, "a", MemoryKind::data);
  CHECK_NOTHROW(a.mat(2, 2));
  CHECK_THROWS_AS(a.mat(1, 5), std::logic_error);
  CHECK_THROWS_AS(Buffer().mat(1, 1), std::logic_error);
}

TEST_CASE("an allocation that cannot be met names the device and the purpose") {
  CpuDevice device(1, 1);
  try {
    device.allocate(std::size_t{1} << 62, "an absurd tensor", MemoryKind::data);
    FAIL("was allocated");
  } catch (const DeviceError& error) {
    const std::string what = error.what();
    CHECK(what.find("cpu:1") != std::string::npos);
    CHECK(what.find("an absurd tensor") != std::string::npos);
  }
  CHECK(device.memory().total == 0);
}

TEST_CASE("ops count as the phase that they name, and events of a compute stream have passed") {
  CpuDevice device(0, 1);
  const auto stream = device.create_stream("compute", StreamKind::compute);
  const auto event = device.create_event("event");
  stream->wait(*event, "nothing");  // never recorded: passes
  const Buffer a = device.allocate(4 << 20, "a", MemoryKind::data);
  for (int i = 0; i < 3; ++i) stream->enqueue(ops::Zero{a.raw(a.bytes())});
  stream->record(*event);
  event->synchronize();
  CHECK(device.times().phase[static_cast<std::size_t>(Phase::copy)] > 0.0);
  CHECK(device.times().phase[static_cast<std::size_t>(Phase::gemm)] == 0.0);
  const auto exchange = device.create_stream("exchange", StreamKind::exchange);
  CHECK_THROWS_AS(exchange->enqueue(ops::Zero{a.raw(4)}), std::logic_error);
}

TEST_CASE("two ends driven by one thread exchange without waiting when both have enqueued") {
  auto ends = create_local_transports(2);
  CpuDevice left(0, 1), right(1, 1);
  const auto a = left.create_stream("exchange", StreamKind::exchange),
             b = right.create_stream("exchange", StreamKind::exchange);
  float x = 1.5f, y = -2.0f, got_x = 0.0f, got_y = 0.0f;
  const auto bytes = [](float& value) { return Bytes{reinterpret_cast<std::byte*>(&value), 1, 4}; };
  const Send send_x{1, bytes(x)}, send_y{0, bytes(y)};
  const Receive receive_x{0, bytes(got_x)}, receive_y{1, bytes(got_y)};
  ends[0]->exchange(*a, {&send_x, 1}, {&receive_y, 1});
  ends[1]->exchange(*b, {&send_y, 1}, {&receive_x, 1});
  CHECK(got_x == 1.5f);
  a->synchronize();
  CHECK(got_y == -2.0f);
  b->synchronize();
  CHECK(ends[0]->counters().bytes_sent == 4);
  CHECK(ends[1]->counters().bytes_received == 4);
  CHECK(ends[0]->rank() == 0);
  CHECK(ends[1]->size() == 2);
  const Send nobody{5, bytes(x)};
  CHECK_THROWS_AS(ends[0]->exchange(*a, {&nobody, 1}, {}), std::logic_error);
}
