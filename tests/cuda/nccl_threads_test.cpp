// The NCCL transport alone, between threads: order, counters, failure, the end. An executable of its own, without
// kernels, so that it can run under ThreadSanitizer.
#include <atomic>
#include <cstring>
#include <thread>

#include "cuda/comm/nccl_transport.hpp"
#include "cuda/device/cuda_device.hpp"
#include "host/core/clock.hpp"
#include "host/math/random.hpp"
#include "tests/cuda/check_clean.hpp"
#include "tests/dist/thread_group.hpp"

namespace gamlp::test {
namespace {

constexpr std::int64_t kMost = 600;  // bytes of a message

struct End {
  CudaDevice& device;
  Transport& transport;
  std::unique_ptr<Stream> stream, copies;
  std::vector<Buffer> out, in;  // by peer
};

// body(end) on a thread per GPU, in one process or in one each; what each threw.
std::vector<std::string> on_gpus(int size, bool processes, double stall_timeout,
                                 const std::function<void(End&)>& body) {
  const auto run = [&](CudaDevice& device, Transport& transport) {
    End end{device,
            transport,
            device.create_stream("exchange", StreamKind::exchange),
            device.create_stream("copies", StreamKind::compute),
            {},
            {}};
    for (int peer = 0; peer < size; ++peer) {
      end.out.push_back(device.allocate(kMost, "sent", MemoryKind::exchange));
      end.in.push_back(device.allocate(kMost, "received", MemoryKind::exchange));
    }
    try {
      body(end);
    } catch (const std::exception& error) {
      transport.abort(error.what());  // as the thread of a fleet does, before memory is released
      throw;
    }
  };
  if (processes) {
    return together(size, [&](ProcessGroup& group) {
      CudaDevice device(group.rank(), {});
      const std::string id = broadcast_text(group, group.rank() == 0 ? create_nccl_id() : "");
      const auto end = connect_nccl(device, id, group, stall_timeout);
      run(device, *end);
      agree(group, [] {});  // the ends go together
    });
  }
  std::vector<std::unique_ptr<CudaDevice>> devices;
  std::vector<CudaDevice*> all;
  for (int i = 0; i < size; ++i)
    all.push_back(devices.emplace_back(std::make_unique<CudaDevice>(i, CudaOptions{})).get());
  const auto ends = connect_nccl(all, stall_timeout);
  std::vector<std::string> errors(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < ends.size(); ++i) {
    threads.emplace_back([&, i] {
      try {
        run(*devices[i], *ends[i]);
      } catch (const std::exception& error) {
        errors[i] = error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return errors;
}

// Of a message between two ranks in a round: both sides know it.
std::uint32_t drawn(int from, int to, int round) {
  return random_u32(static_cast<std::uint32_t>(from * 8 + to), static_cast<std::uint32_t>(round));
}
std::int64_t size_of(int from, int to, int round) { return 1 + drawn(from, to, round) % kMost; }

// Rounds of messages, several groups under way at a time; returns the bytes sent. Throws where other bytes arrive.
std::uint64_t exchange(End& end, int first, int rounds) {
  const int rank = end.transport.rank(), size = end.transport.size();
  std::uint64_t sent = 0;
  for (int round = first; round < first + rounds; ++round) {
    std::vector<Send> sends;
    std::vector<Receive> receives;
    for (int peer = 0; peer < size; ++peer) {
      if (peer == rank || (drawn(std::min(peer, rank), std::max(peer, rank), round) >> 16) % 3 == 0) continue;
      const auto p = static_cast<std::size_t>(peer);
      const std::vector<std::byte> message(static_cast<std::size_t>(size_of(rank, peer, round)),
                                           static_cast<std::byte>(drawn(rank, peer, round)));
      end.copies->enqueue(ops::Upload{message.data(), end.out[p].raw(message.size())});
      sends.push_back({peer, end.out[p].raw(message.size()), {"p", rank + 1, round}});
      receives.push_back(
          {peer, end.in[p].raw(static_cast<std::size_t>(size_of(peer, rank, round))), {"p", peer + 1, round}});
      sent += message.size();
    }
    const auto uploaded = end.device.create_event("uploaded"), exchanged = end.device.create_event("exchanged");
    end.copies->record(*uploaded);
    end.stream->wait(*uploaded, "messages");
    end.transport.exchange(*end.stream, sends, receives);
    end.stream->record(*exchanged);
    end.copies->wait(*exchanged, "messages");
    std::vector<std::vector<std::byte>> arrived;
    for (const Receive& receive : receives) {
      arrived.emplace_back(static_cast<std::size_t>(receive.message.size()));
      end.copies->enqueue(ops::Download{receive.message, arrived.back().data()});
    }
    if (round % 4 == 3 || !receives.empty()) end.copies->synchronize();
    for (std::size_t i = 0; i < receives.size(); ++i) {
      const auto wanted = static_cast<std::byte>(drawn(receives[i].peer, rank, round));
      for (const std::byte one : arrived[i]) {
        if (one != wanted) throw std::runtime_error("other bytes arrived");
      }
    }
  }
  return sent;
}

}  // namespace

TEST_CASE("messages between GPUs arrive in order, whole, and counted", "[threads]") {
  for (const bool processes : {false, true}) {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
      const int size = 2 + static_cast<int>(seed % 3);
      INFO(size << (processes ? " processes" : " GPUs") << ", seed " << seed);
      fake_cuda::reset({.seed = seed});
      std::atomic<std::uint64_t> sent{0}, counted{0}, received{0};
      CHECK(on_gpus(size, processes, 60, [&](End& end) {
              sent += exchange(end, 0, 40);
              counted += end.transport.counters().bytes_sent;
              received += end.transport.counters().bytes_received;
            }) == none(size));
      CHECK(sent == counted);
      CHECK(received == counted);
      CHECK(counted > 0);
      CHECK(fake_cuda::counts().nccl_aborts == 0);
      check_clean();
    }
  }
}

TEST_CASE("an abort at any moment ends every exchange, with its reason", "[threads]") {
  for (const bool processes : {false, true}) {
    for (int moment = 0; moment < 12; ++moment) {
      INFO((processes ? "processes" : "one process") << ", after " << moment << " rounds");
      fake_cuda::reset({.seed = static_cast<std::uint64_t>(moment) + 50});
      const auto errors = on_gpus(3, processes, 60, [&](End& end) {
        const bool harmed = end.transport.rank() == moment % 3;
        exchange(end, 0, harmed ? moment : 12);
        if (harmed) throw DeviceError("planted");
        exchange(end, 12, 8);  // the messages of the harmed one never come
      });
      for (const std::string& error : errors) {
        INFO(error);
        CHECK(error.find("planted") != std::string::npos);
      }
      CHECK(fake_cuda::counts().nccl_aborts == 3);
      check_clean();
    }
  }
}

TEST_CASE("a peer that does not send is waited for so long, and named", "[threads]") {
  for (const bool processes : {false, true}) {
    fake_cuda::reset({.seed = 9});
    const auto errors = on_gpus(2, processes, 0.3, [&](End& end) {
      if (end.transport.rank() == 1) {  // until it is told
        const auto start = Clock::now();
        while (seconds_since(start) < 20) end.stream->synchronize();
        return;
      }
      const Receive receive{1, end.in[1].raw(100), {"q", 4, 7}};
      end.transport.exchange(*end.stream, {}, {&receive, 1});
      end.stream->synchronize();
    });
    for (const std::string& error : errors) {
      INFO(error);
      const char* wanted = processes ? "waited 0.3 s for q of layer 4, epoch 8 of the stage from rank 1"
                                     : "waited 0.3 s for q of layer 4, epoch 8 of the stage from device 1 (cuda:1)";
      CHECK(error.find(wanted) != std::string::npos);
    }
    check_clean();
  }
}

}  // namespace gamlp::test
