// Staging: ops on tensors in the host's memory give the bits of ops on tensors on the device, in whatever order tiles
// come and go, and no order between the streams is missing.
#include "host/device/staging.hpp"

#include <cstdlib>
#include <set>
#include <sys/resource.h>

#include "host/cpu/cpu_fleet.hpp"
#include "tests/sim/faults.hpp"

using namespace gamlp;
using namespace gamlp::test;
using sim::FaultKind;

namespace {

constexpr std::int64_t kNodes = 48, kWidth = 8;
constexpr std::size_t kRowBytes = kWidth * sizeof(float);

// Tensors of nodes on a device, or staged.
struct Tensors {
  Tensors(const DeviceContext& context, std::size_t staging_bytes, std::size_t room = 0)
      : staging(staging_bytes > 0 ? std::make_unique<Staging>(*context.device, *context.compute, room, staging_bytes)
                                  : nullptr),
        stream(staging ? static_cast<Stream&>(*staging) : *context.compute) {
    for (std::size_t i = 0; i < memory.size(); ++i) {
      const std::string name = "tensor " + std::to_string(i);
      const std::size_t bytes = kNodes * kRowBytes;
      memory[i] = staging ? staging->allocate(bytes, name, MemoryKind::variables)
                          : context.device->allocate(bytes, name, MemoryKind::variables);
    }
    weights = context.device->allocate(kWidth * kRowBytes, "weights", MemoryKind::weights);
  }
  ~Tensors() {
    try {
      stream.synchronize();
    } catch (const DeviceError&) {  // told by the call that failed before
    }
  }
  Mat rows(std::size_t tensor, std::int64_t first, std::int64_t count) const {
    const Mat all = memory[tensor].mat(kNodes, kWidth);
    return {all.row(first), count, kWidth};
  }
  Mat w() const { return weights.mat(kWidth, kWidth); }

  std::unique_ptr<Staging> staging;
  Stream& stream;
  std::array<Buffer, 4> memory;
  Buffer weights;
};

std::vector<float> random_values(std::int64_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& x : values) x = static_cast<float>(random.normal());
  return values;
}

// Enqueues ops that `seed` chooses, on rows of any length: those of one op now with the same rows and now with others,
// so that tiles are used again, hold others, or are cut.
void enqueue_random(const Tensors& t, std::uint64_t seed, int count, const std::vector<float>& values) {
  Random random(seed);
  const auto draw = [&](std::int64_t below) {
    return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(below)));
  };
  const auto* host = reinterpret_cast<const std::byte*>(values.data());
  t.stream.enqueue(ops::Upload{host, as_bytes(t.w())});
  for (std::size_t i = 0; i < t.memory.size(); ++i) t.stream.enqueue(ops::Upload{host, as_bytes(t.rows(i, 0, kNodes))});
  for (int i = 0; i < count; ++i) {
    const auto a = static_cast<std::size_t>(draw(4)), b = (a + 1 + static_cast<std::size_t>(draw(3))) % 4;
    const std::int64_t rows = 4 * (1 + draw(3)), first = 4 * draw((kNodes - rows) / 4 + 1), other = 12 * draw(3);
    switch (draw(6)) {
      case 0:
        t.stream.enqueue(ops::Gemm{t.rows(a, first, rows), t.w(), t.rows(b, first, rows)});
        break;
      case 1:
        t.stream.enqueue(ops::Gemm{t.rows(a, other, rows), t.w(), t.rows(b, first, rows), false, true, .1f, .5f});
        break;
      case 2:
        t.stream.enqueue(ops::Accumulate{t.rows(a, other, rows), t.rows(b, first, rows)});
        break;
      case 3:
        t.stream.enqueue(ops::Copy{as_bytes(ConstMat(t.rows(a, 0, kNodes))), as_bytes(t.rows(b, 0, kNodes))});
        break;
      case 4:
        t.stream.enqueue(ops::Upload{host, as_bytes(t.rows(a, first, rows))});
        break;
      default:
        t.stream.enqueue(ops::Zero{as_bytes(t.rows(a, first, rows))});
    }
  }
}

std::vector<float> all_values(const Tensors& t) {
  std::vector<float> out(t.memory.size() * kNodes * kWidth);
  for (std::size_t i = 0; i < t.memory.size(); ++i) {
    t.stream.enqueue(ops::Download{as_bytes(ConstMat(t.rows(i, 0, kNodes))),
                                   reinterpret_cast<std::byte*>(out.data() + i * kNodes * kWidth)});
  }
  t.stream.synchronize();
  return out;
}

// The largest op has two views of 12 rows. A tile takes a multiple of 256 bytes.
constexpr std::size_t kLargest = 2 * 512;

std::vector<float> expected(std::uint64_t program, const std::vector<float>& values) {
  const auto fleet = create_cpu_fleet(1, 1);
  const Tensors t(fleet->context(0), 0);
  enqueue_random(t, program, 60, values);
  return all_values(t);
}

const std::vector<float>& some_values() {
  static const std::vector<float> values = random_values(kNodes * kWidth, 3);
  return values;
}

// The fault, if any, of a program on a simulated device with planted faults.
std::optional<sim::SimulationFault> fault_of_staging(FaultyContexts contexts, std::uint64_t program,
                                                     std::size_t bytes) {
  sim::SimulatorOptions options;
  options.seed = program;
  SimFleet fleet(1, options);
  return fault_of([&] {
    const Tensors t(contexts(fleet.context(0)), bytes);
    enqueue_random(t, program, 60, some_values());
    all_values(t);
    fleet.simulator().finish();
  });
}

}  // namespace

TEST_CASE("staged tensors have the bits of tensors on the device, whatever room there is") {
  for (std::uint64_t program = 1; program <= 40; ++program) {
    const std::vector<float> bits = expected(program, some_values());
    for (const std::size_t bytes : {kLargest, kLargest + 256, 2 * kLargest, 5 * kLargest, 100 * kLargest}) {
      INFO("program " << program << ", " << bytes << " bytes");
      sim::SimulatorOptions options;
      options.seed = program;
      SimFleet simulated(1, options);
      {
        const Tensors t(simulated.context(0), bytes);
        enqueue_random(t, program, 60, some_values());
        CHECK(all_values(t) == bits);
        if (bytes <= 5 * kLargest) CHECK(t.staging->largest() <= kLargest);
        CHECK(simulated.context(0).device->memory().peak == t.staging->bytes() + kWidth * kRowBytes);
        if (bytes > 50 * kLargest) CHECK(t.staging->copied_out() == 0);
      }
      simulated.simulator().finish();
      for (const std::size_t room : {std::size_t{0}, 2 * kNodes * kRowBytes}) {
        const auto fleet = create_cpu_fleet(1, 1);
        const Tensors t(fleet->context(0), bytes, room);
        enqueue_random(t, program, 60, some_values());
        CHECK(all_values(t) == bits);
      }
    }
  }
}

TEST_CASE("every wait of staging that is removed is found as a race") {
  std::set<std::string> waits;
  for (std::uint64_t program = 1; program <= 5; ++program) {
    REQUIRE_FALSE(fault_of_staging(listening(waits), program, 2 * kLargest).has_value());
  }
  CHECK(waits.size() == 4);
  for (const std::string& removed : waits) {
    INFO("removed: " << removed);
    std::optional<sim::SimulationFault> fault;
    for (std::uint64_t program = 1; program <= 20 && !fault; ++program) {
      fault = fault_of_staging(without_wait(removed), program, 2 * kLargest);
    }
    REQUIRE(fault.has_value());
    CHECK(fault->kind == FaultKind::race);
  }
}

TEST_CASE("what is copied back is waited for, also where a part of it is overwritten before") {
  SimFleet fleet(1, {});
  {
    const Tensors t(fleet.context(0), 3 * 8 * kRowBytes);
    const auto overwrite = [&](std::size_t tensor, std::int64_t first) {
      t.stream.enqueue(ops::Gemm{t.w(), t.w(), t.rows(tensor, first, 8)});
    };
    const auto read = [&](std::size_t tensor, std::int64_t rows) {
      t.stream.enqueue(ops::Accumulate{t.rows(tensor, 0, rows), {t.w().data, rows, kWidth}});
    };
    overwrite(0, 0);
    read(1, 8);  // its place needs no copy back
    overwrite(2, 0);
    overwrite(0, 4);  // copies rows 0 … 7 back
    overwrite(0, 8);  // copies rows 4 … 11 back
    read(0, 4);
    CHECK(t.staging->copied_out() == 2 * 8 * kRowBytes);
    t.stream.synchronize();
  }
  fleet.simulator().finish();
}

TEST_CASE("a tile is copied once for ops that follow each other, and back when its place is needed") {
  const auto fleet = create_cpu_fleet(1, 1);
  const Tensors t(fleet->context(0), 2 * kLargest);
  const Mat a = t.rows(0, 0, 12), b = t.rows(1, 0, 12);
  for (int i = 0; i < 3; ++i) t.stream.enqueue(ops::Accumulate{a, b});
  CHECK(t.staging->copied_in() == 2 * 12 * kRowBytes);
  CHECK(t.staging->copied_out() == 0);
  t.stream.enqueue(ops::Accumulate{t.rows(2, 0, 4), t.rows(3, 0, 4)});
  CHECK(t.staging->copied_out() == 0);  // there is still room
  t.stream.enqueue(ops::Accumulate{t.rows(0, 24, 12), t.rows(1, 24, 12)});
  CHECK(t.staging->copied_out() == 12 * kRowBytes);  // b: nothing was written into a
  t.stream.enqueue(ops::Zero{as_bytes(t.rows(2, 12, 4))});
  CHECK(t.staging->copied_in() == 2 * (12 + 4 + 12) * kRowBytes);  // what an op overwrites is not brought in
}

TEST_CASE("tensors that the device has room for are on it, and others not, whatever is released between") {
  const auto fleet = create_cpu_fleet(1, 1);
  const Device& device = *fleet->context(0).device;
  const auto bytes = [&](MemoryKind kind) { return device.memory().bytes[static_cast<std::size_t>(kind)]; };
  Staging staging(*fleet->context(0).device, *fleet->context(0).compute, 1000, 4096);
  const Buffer a = staging.allocate(600, "a", MemoryKind::variables);
  CHECK(bytes(MemoryKind::variables) == 600);
  CHECK(staging.bytes() == 0);
  Buffer b = staging.allocate(500, "b", MemoryKind::variables);
  CHECK(bytes(MemoryKind::host) == 500);
  CHECK(bytes(MemoryKind::workspace) == 4096);
  CHECK(device.memory().total == 600 + 4096);
  Buffer c = staging.allocate(400, "c", MemoryKind::data);
  CHECK(bytes(MemoryKind::data) == 400);
  b = Buffer();
  c = Buffer();
  CHECK(bytes(MemoryKind::host) == 0);
  const Buffer d = staging.allocate(400, "d", MemoryKind::data);
  CHECK(bytes(MemoryKind::data) == 400);
  const Buffer e = staging.allocate(1, "e", MemoryKind::data);
  CHECK(bytes(MemoryKind::host) == 1);
}

TEST_CASE("an op that the staging memory has no room for is refused") {
  const auto fleet = create_cpu_fleet(1, 1);
  const Tensors t(fleet->context(0), 256);
  REQUIRE_THROWS_WITH(t.stream.enqueue(ops::Accumulate{t.rows(0, 0, 12), t.rows(1, 0, 12)}),
                      "cpu:0: an op needs 1024 bytes of staging memory, there are 256");
}

TEST_CASE("a worker has more files than a process may open at first, and says which folder has none") {
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit few = before;
  few.rlim_cur = 60;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
  {
    const auto fleet = create_cpu_fleet(1, 1);
    std::vector<Buffer> tensors;
    for (int i = 0; i < 80; ++i) tensors.push_back(fleet->context(0).device->allocate_host(8, "many"));
    CHECK(fleet->context(0).device->memory().bytes[static_cast<std::size_t>(MemoryKind::host)] == 80 * 8);
  }
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  const char* folder = std::getenv("TMPDIR");
  const std::string before_folder = folder != nullptr ? folder : "";
  ::setenv("TMPDIR", "/nowhere", 1);
  const auto fleet = create_cpu_fleet(1, 1);
  CHECK_THROWS_WITH(fleet->context(0).device->allocate_host(8, "a"),
                    "TMPDIR: found \"/nowhere\", expected a folder for temporary files");
  folder != nullptr ? ::setenv("TMPDIR", before_folder.c_str(), 1) : ::unsetenv("TMPDIR");
}

TEST_CASE("messages go by the place of a tile on the device") {
  SimFleet fleet(2, {});
  const Tensors from(fleet.context(0), kLargest), to(fleet.context(1), kLargest);
  from.stream.enqueue(
      ops::Upload{reinterpret_cast<const std::byte*>(some_values().data()), as_bytes(from.rows(0, 0, kNodes))});
  const auto exchange = [](const DeviceContext& context, const std::vector<Send>& sends,
                           const std::vector<Receive>& receives) {
    const auto ready = context.device->create_event("ready"), done = context.device->create_event("done");
    context.compute->record(*ready);
    context.exchange->wait(*ready, "what is sent, and received");
    context.transport->exchange(*context.exchange, sends, receives);
    context.exchange->record(*done);
    context.compute->wait(*done, "what is received");
  };
  for (std::int64_t first = 0; first < kNodes; first += 12) {
    const ConstMat sent = from.rows(0, first, 12);
    exchange(fleet.context(0), {{1, as_bytes(from.staging->on_device(sent))}}, {});
    exchange(fleet.context(1), {}, {{0, as_bytes(to.staging->on_device(to.rows(0, first, 12)))}});
  }
  const std::vector<float> received = all_values(to);
  CHECK(std::vector<float>(received.begin(), received.begin() + kNodes * kWidth) == some_values());
  fleet.simulator().finish();
}

TEST_CASE("only copy streams reach the host's memory, and they carry nothing else") {
  SimFleet simulated(1, {});
  const auto fleet = create_cpu_fleet(1, 1);
  for (const DeviceContext* context : {&simulated.context(0), &fleet->context(0)}) {
    const Buffer host = context->device->allocate_host(64, "on the host");
    const auto copies = context->device->create_stream("copies", StreamKind::copy);
    REQUIRE_THROWS_WITH(copies->enqueue(ops::Zero{host.raw(64)}), "a copy stream carries copies only");
  }
  const Buffer host = simulated.context(0).device->allocate_host(64, "on the host");
  check_fault(fault_of([&] { simulated.context(0).compute->enqueue(ops::Zero{host.raw(64)}); }), FaultKind::memory,
              {"\"on the host\" lies in the host's memory"});
}

TEST_CASE("a copy to the host takes time beside the ops of a GPU, and of a CPU worker's own") {
  struct Costs final : sim::CostModel {
    double op_seconds(const Op&) const override { return 5; }
    double host_copy_seconds(std::size_t bytes) const override { return static_cast<double>(bytes); }
    MessageCost message(int, int, std::size_t) const override { return {}; }
    bool copies_on_worker() const override { return on_worker; }
    bool on_worker = false;
  };
  for (const bool on_worker : {false, true}) {
    Costs costs;
    costs.on_worker = on_worker;
    sim::SimulatorOptions options;
    options.costs = &costs;
    SimFleet fleet(1, options);
    const DeviceContext& context = fleet.context(0);
    const Buffer host = context.device->allocate_host(64, "on the host");
    const Buffer a = context.device->allocate(64, "a", MemoryKind::workspace);
    const Buffer b = context.device->allocate(64, "b", MemoryKind::workspace);
    const auto copies = context.device->create_stream("copies", StreamKind::copy);
    const auto there = context.device->create_event("there");
    context.compute->enqueue(ops::Zero{b.raw(64)});
    copies->enqueue(ops::Copy{host.raw(8), a.raw(8)});
    copies->record(*there);
    context.compute->wait(*there, "a");
    context.compute->enqueue(ops::Zero{a.raw(64)});
    fleet.simulator().finish();
    const sim::DeviceClock& clock = fleet.simulator().clock(0);
    INFO((on_worker ? "CPU worker" : "GPU"));
    CHECK(fleet.simulator().time() == (on_worker ? 18.0 : 13.0));
    CHECK(clock.staging == (on_worker ? 0.0 : 8.0));
    CHECK(clock.staging_exposed == (on_worker ? 0.0 : 3.0));
    CHECK(clock.times.phase[static_cast<std::size_t>(Phase::copy)] == (on_worker ? 18.0 : 10.0));
  }
}
