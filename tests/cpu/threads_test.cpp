// The in-process transport between threads: order, counters, failure.
#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "host/core/error.hpp"
#include "host/cpu/cpu_device.hpp"
#include "host/cpu/local_transport.hpp"
#include "host/math/random.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;

namespace {

struct End {
  CpuDevice device;
  std::unique_ptr<Stream> stream;
  Transport* transport;
};

// body(end) on one thread per rank; what each threw, or "".
std::vector<std::string> on_threads(int ranks, const std::function<void(End&)>& body) {
  auto transports = create_local_transports(ranks);
  std::vector<std::string> errors(static_cast<std::size_t>(ranks));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      End end{CpuDevice(rank, 1), nullptr, transports[static_cast<std::size_t>(rank)].get()};
      end.stream = end.device.create_stream("exchange", StreamKind::exchange);
      try {
        body(end);
      } catch (const DeviceError& error) {
        errors[static_cast<std::size_t>(rank)] = error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return errors;
}

template <class T>
MatView<std::byte> bytes_of(std::vector<T>& x) {
  return {reinterpret_cast<std::byte*>(x.data()), 1, static_cast<std::int64_t>(x.size() * sizeof(T))};
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("thousands of messages between four threads arrive in order, whole, and counted") {
  constexpr int kRanks = 4, kRounds = 2000;
  std::atomic<int> wrong{0};
  std::atomic<std::uint64_t> sent{0}, received{0}, messages{0}, bytes{0};
  const auto errors = on_threads(kRanks, [&](End& end) {
    const int rank = end.transport->rank();
    std::vector<std::vector<std::uint32_t>> out(kRanks), in(kRanks);
    for (int round = 0; round < kRounds; ++round) {
      std::vector<Send> sends;
      std::vector<Receive> receives;
      for (int peer = 0; peer < kRanks; ++peer) {
        if (peer == rank) continue;
        // Sizes that both sides can name; some messages are empty.
        const auto size = [&](int from, int to) {
          return static_cast<std::size_t>(
              random_u32(static_cast<std::uint32_t>(from * 8 + to), static_cast<std::uint32_t>(round)) % 70);
        };
        const auto p = static_cast<std::size_t>(peer);
        out[p].assign(size(rank, peer), static_cast<std::uint32_t>(rank * 100000 + round));
        in[p].assign(size(peer, rank), 0u);
        sends.push_back({peer, bytes_of(out[p])});
        receives.push_back({peer, bytes_of(in[p])});
        bytes += out[p].size() * 4;
      }
      end.transport->exchange(*end.stream, sends, receives);
      end.stream->synchronize();
      for (int peer = 0; peer < kRanks; ++peer) {
        for (const std::uint32_t x : in[static_cast<std::size_t>(peer)])
          wrong += x != static_cast<std::uint32_t>(peer * 100000 + round);
      }
    }
    sent += end.transport->counters().bytes_sent;
    received += end.transport->counters().bytes_received;
    messages += end.transport->counters().messages_sent;
  });
  for (const std::string& error : errors) CHECK(error == "");
  CHECK(wrong == 0);
  CHECK(sent == bytes);
  CHECK(received == bytes);
  CHECK(messages == std::uint64_t{kRanks} * (kRanks - 1) * kRounds);
}

TEST_CASE("groups enqueued ahead of the peer complete in order") {
  constexpr int kGroups = 300;
  std::atomic<int> wrong{0};
  const auto errors = on_threads(2, [&](End& end) {
    const int peer = 1 - end.transport->rank();
    std::vector<std::vector<std::uint32_t>> out(kGroups), in(kGroups);
    for (std::uint32_t g = 0; g < kGroups; ++g) {
      out[g].assign(5, g), in[g].assign(5, ~0u);
      const Send send{peer, bytes_of(out[g])};
      const Receive receive{peer, bytes_of(in[g])};
      if (peer == 0) {  // in one group
        end.transport->exchange(*end.stream, {&send, 1}, {&receive, 1});
      } else {  // in two
        end.transport->exchange(*end.stream, {}, {&receive, 1});
        end.transport->exchange(*end.stream, {&send, 1}, {});
      }
      if (peer == 1 && g % 50 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    end.stream->synchronize();
    for (std::uint32_t g = 0; g < kGroups; ++g) {
      for (const std::uint32_t x : in[g]) wrong += x != g;
    }
  });
  CHECK(errors == std::vector<std::string>{"", ""});
  CHECK(wrong == 0);
}

TEST_CASE("several messages of one pair in one group match in order") {
  std::atomic<int> wrong{0};
  const auto errors = on_threads(2, [&](End& end) {
    const int peer = 1 - end.transport->rank();
    for (std::uint32_t round = 0; round < 200; ++round) {
      std::vector<std::uint32_t> a(3, round), b(7, round + 1), c(3), d(7);
      const Send sends[] = {{peer, bytes_of(a)}, {peer, bytes_of(b)}};
      const Receive receives[] = {{peer, bytes_of(c)}, {peer, bytes_of(d)}};
      end.transport->exchange(*end.stream, sends, receives);
      end.stream->synchronize();
      wrong += (c != a) + (d != b);
    }
  });
  CHECK(errors == std::vector<std::string>{"", ""});
  CHECK(wrong == 0);
}

TEST_CASE("an event of the exchange stream waits for its group and not for later ones") {
  const auto errors = on_threads(2, [&](End& end) {
    const int peer = 1 - end.transport->rank();
    std::vector<float> x(4, 3.0f), y(4);
    const Send send{peer, bytes_of(x)};
    const Receive receive{peer, bytes_of(y)};
    const auto event = end.device.create_event("first");
    end.transport->exchange(*end.stream, {&send, 1}, {&receive, 1});
    end.stream->record(*event);
    std::vector<float> later(4);
    const Receive second{peer, bytes_of(later)};
    if (peer == 1) end.transport->exchange(*end.stream, {}, {&second, 1});  // the peer sends it much later
    event->synchronize();
    if (y[3] != 3.0f) throw DeviceError("the event passed too early");
    const Send late{peer, bytes_of(x)};
    if (peer == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      end.transport->exchange(*end.stream, {&late, 1}, {});
    }
    end.stream->synchronize();
  });
  CHECK(errors == std::vector<std::string>{"", ""});
}

TEST_CASE("sizes that disagree fail on both sides, naming both, and leave the messages alone") {
  // Repeated for ThreadSanitizer: each side frees its messages on failure, which its peer must not be reading.
  const int repeat = GENERATE(range(0, 50));
  CAPTURE(repeat);
  const auto errors = on_threads(2, [&](End& end) {
    const int peer = 1 - end.transport->rank();
    std::vector<float> x(static_cast<std::size_t>(peer == 1 ? 10 : 4)), y(4);
    const Send send{peer, bytes_of(x)};
    const Receive receive{peer, bytes_of(y)};
    end.transport->exchange(*end.stream, {&send, 1}, {&receive, 1});
    end.stream->synchronize();
  });
  for (const std::string& error : errors) {
    INFO(error);
    CHECK(contains(error, "cpu:1 expects 16 bytes from cpu:0, which sends 40"));
  }
}

TEST_CASE("abort wakes a blocked peer with the first reason, and stops later calls") {
  const auto errors = on_threads(3, [&](End& end) {
    if (end.transport->rank() == 2) {
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
      end.transport->abort("worker cpu:2 lost its way");
      end.transport->abort("a second reason");
      std::vector<float> x(1);
      const Send send{0, bytes_of(x)};
      end.transport->exchange(*end.stream, {&send, 1}, {});
      end.stream->synchronize();
      return;
    }
    std::vector<float> y(4);
    const Receive receive{2, bytes_of(y)};  // never sent
    end.transport->exchange(*end.stream, {}, {&receive, 1});
    end.stream->synchronize();
  });
  for (std::size_t rank = 0; rank < 3; ++rank) {
    INFO(errors[rank]);
    CHECK(contains(errors[rank], "worker cpu:2 lost its way"));
    CHECK(contains(errors[rank], "cpu:" + std::to_string(rank)));
  }
}
