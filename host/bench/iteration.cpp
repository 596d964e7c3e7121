#include "host/bench/iteration.hpp"

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>

#include "host/core/clock.hpp"
#include "host/core/error.hpp"
#include "host/cpu/blas.hpp"
#include "host/device/forwarding_stream.hpp"
#include "host/methods/registry.hpp"
#include "host/plan/op_shape.hpp"
#include "host/train/processes.hpp"
#include "host/train/stage_runner.hpp"

namespace gamlp {
namespace {

double median(std::vector<double> values) {
  expects(!values.empty(), "a median has values");
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

// Passes everything on; keeps the products and factorisations of the iteration that it is told to record.
class RecordingStream final : public ForwardingStream {
 public:
  using ForwardingStream::ForwardingStream;
  void enqueue(const Op& op) override {
    if (recording) {
      const Phase phase = phase_of(op);
      if (phase == Phase::gemm || phase == Phase::factor) recorded.push_back(op);
    }
    ForwardingStream::enqueue(op);
  }

  bool recording = false;
  std::vector<Op> recorded;
};

// One set-up whose iterations can be timed in turns with those of another. In a group of processes every call is
// collective, and what it returns means something on rank 0.
class Subject {
 public:
  Subject(const Config& config, const Problem& problem, const ChosenDevices& devices, ProcessGroup& group)
      : config_(config),
        devices_(devices),
        group_(group),
        runner_(config, problem, create_fleet(devices, config, group), group) {
    for (int rank = 0; rank < devices.count; ++rank) {
      const bool local = runner_.fleet().local(rank);
      streams_.push_back(local ? std::make_unique<RecordingStream>(*runner_.fleet().context(rank).compute) : nullptr);
    }
    runner_.context = [this](int rank) {
      DeviceContext context = runner_.fleet().context(rank);
      context.compute = streams_[static_cast<std::size_t>(rank)].get();
      return context;
    };
    const int last = stage_count(config);
    const auto layers = static_cast<int>(config.stages.back().layers);
    tell_failure(group, [&] {
      runner_.build(last, runner_.initial(last, config.train.seed));
      scalars_.resize(runner_.spec().scalar_count());
      runner_.start();
      // What the last epochs are like, as forecasts are of.
      for (const std::int64_t change : runner_.spec().method->message_changes(runner_.spec().epochs)) {
        if (change < runner_.spec().epochs) epoch_ = change;
      }
      run(layers + 3);  // past the first gradients, which take an extra product each
      record(true);
      run(1);
      record(false);
    });
  }

  // Iterations one after the other on every device; returns the seconds of each as the last device saw them. On GPUs,
  // which are behind what is enqueued: the mean.
  std::vector<double> run(int iterations) {
    agree(group_, [] {});  // all begin together
    std::vector<Clock::time_point> ends(static_cast<std::size_t>(iterations) + 1);
    runner_.run_all([&](int rank) {
      const bool clock = rank + 1 == runner_.active();
      if (clock) ends[0] = Clock::now();
      for (int i = 0; i < iterations; ++i) {
        runner_.program(rank).enqueue_iteration(epoch_ + i, true);
        // As in training: what ends an epoch also ends the list of ops that a GPU is given as a graph.
        if (on_gpu()) runner_.program(rank).enqueue_scalars(scalars_.data());
        if (clock) ends[static_cast<std::size_t>(i) + 1] = Clock::now();
      }
      if (on_gpu()) runner_.fleet().context(rank).compute->synchronize();
    });
    epoch_ += iterations;
    if (on_gpu()) return of_rank(runner_.active() - 1, {seconds_since(ends[0]) / iterations});
    std::vector<double> seconds;
    for (std::size_t i = 1; i < ends.size(); ++i) seconds.push_back(seconds_between(ends[i - 1], ends[i]));
    return of_rank(runner_.active() - 1, std::move(seconds));
  }

  // The recorded ops alone, on the same threads; seconds of the slowest device.
  double floor() {
    agree(group_, [] {});
    std::vector<double> seconds(static_cast<std::size_t>(runner_.active()));
    runner_.run_all([&](int rank) {
      const auto start = Clock::now();
      for (const Op& op : streams_[static_cast<std::size_t>(rank)]->recorded) {
        runner_.fleet().context(rank).compute->enqueue(op);
      }
      runner_.fleet().context(rank).compute->synchronize();
      seconds[static_cast<std::size_t>(rank)] = seconds_since(start);
    });
    double slowest = 0;
    for (int rank = 0; rank < runner_.active(); ++rank) {
      slowest = std::max(slowest, of_rank(rank, {seconds[static_cast<std::size_t>(rank)]}).front());
    }
    return slowest;
  }

  Measurement measure(int iterations) {
    Measurement m;
    m.devices = runner_.active();
    const DeviceTimes before = times();
    const std::uint64_t bytes = gather_bytes_sent(group_, runner_.fleet());
    m.iteration = median(run(iterations));
    const DeviceTimes after = times();
    const double n = iterations;
    for (std::size_t i = 0; i < m.phase.size(); ++i) m.phase[i] = (after.phase[i] - before.phase[i]) / n;
    m.wait = (after.wait - before.wait) / n;
    m.exchange = (after.exchange - before.exchange) / n;
    m.bytes = static_cast<double>(gather_bytes_sent(group_, runner_.fleet()) - bytes) / n;
    for (int rank = 0; rank < runner_.active(); ++rank) {
      double gflop = 0;
      if (const auto& stream = streams_[static_cast<std::size_t>(rank)]) {
        for (const Op& op : stream->recorded) {
          if (phase_of(op) == Phase::gemm) gflop += shape_of(op).flops * 1e-9;
        }
      }
      m.gflop += of_rank(rank, {gflop}).front();
    }
    for (const MemoryUse& use : gather_memory(group_, runner_.fleet()))
      m.peak_memory = std::max(m.peak_memory, use.peak);
    return m;
  }

 private:
  bool on_gpu() const { return devices_.kind == DeviceKind::cuda; }

  void record(bool on) {
    for (auto& stream : streams_) {
      if (stream) stream->recording = on;
    }
  }

  // What the process of this device has; rank 0 receives it.
  std::vector<double> of_rank(int rank, std::vector<double> values) {
    if (runner_.fleet().local(0) && !runner_.fleet().local(rank)) {
      group_.receive(rank, std::as_writable_bytes(std::span(values)));
    } else if (!runner_.fleet().local(0) && runner_.fleet().local(rank)) {
      group_.send(0, std::as_bytes(std::span(values)));
    }
    return values;
  }

  DeviceTimes times() {
    DeviceTimes sum;
    for (const DeviceTimes& one : gather_times(group_, runner_.fleet())) sum += one;
    return sum;
  }

  Config config_;
  ChosenDevices devices_;
  ProcessGroup& group_;
  std::vector<std::unique_ptr<RecordingStream>> streams_;
  std::vector<double> scalars_;
  StageRunner runner_;
  std::int64_t epoch_ = 0;
};

}  // namespace

double reference_gflops() {
  const std::int64_t n = 2048;
  Matrix a(n, n), b(n, n), c(n, n);
  for (std::int64_t i = 0; i < a.size(); ++i) a.data()[i] = b.data()[i] = static_cast<float>(i % 7) * 0.25f;
  std::vector<double> times;
  for (int i = 0; i < 4; ++i) {
    const auto start = Clock::now();
    gemm(a.view(), false, b.view(), false, c.view());
    times.push_back(seconds_since(start));
  }
  return 2.0 * static_cast<double>(n * n * n) / median({times.begin() + 1, times.end()}) * 1e-9;
}

nlohmann::ordered_json to_json(const Measurement& m) {
  const auto phase = [&](Phase p) { return m.phase[static_cast<std::size_t>(p)]; };
  return {{"devices", m.devices},
          {"iteration_seconds", m.iteration},
          {"floor_seconds", m.floor},
          {"ratio_to_floor", m.iteration / m.floor},
          {"gflop", m.gflop},
          {"gflops", m.gflop / m.iteration},
          {"worker_seconds",
           {{"products", phase(Phase::gemm)},
            {"factorisations", phase(Phase::factor)},
            {"elementwise", phase(Phase::elementwise)},
            {"codec", phase(Phase::codec)},
            {"copy", phase(Phase::copy)},
            {"exchange", m.exchange},
            {"wait", m.wait}}},
          {"bytes_per_iteration", m.bytes},
          {"peak_device_memory", m.peak_memory}};
}

std::vector<std::vector<Measurement>> measure_in_turns(const Config& config, const Problem& problem,
                                                       const std::vector<Compared>& compared, int iterations,
                                                       int rounds, ProcessGroup& group) {
  const bool first = group.rank() == 0;
  const auto takes_part = [&](const Compared& one) { return first || one.group == &group; };
  std::vector<std::unique_ptr<Subject>> subjects;
  std::vector<std::vector<Measurement>> measured(compared.size());
  tell_failure(group, [&] {
    for (const Compared& one : compared) {
      Config its = config;
      if (one.placement) its.partition = one.placement->partition, its.node_memory = one.placement->node_memory;
      subjects.push_back(takes_part(one) ? std::make_unique<Subject>(its, problem, one.devices, *one.group) : nullptr);
    }
    // In turns, so that a slow minute of the machine falls on all of them.
    for (int round = 0; round < rounds; ++round) {
      for (std::size_t i = 0; i < subjects.size(); ++i) {
        agree(group, [] {});  // who takes no part waits
        if (!subjects[i]) continue;
        Measurement m = subjects[i]->measure(iterations);
        std::vector<double> floors;
        for (int k = 0; k < std::max(3, iterations / 2); ++k) floors.push_back(subjects[i]->floor());
        m.floor = median(floors);
        measured[i].push_back(m);
      }
    }
    agree(group, [] {});
  });
  return measured;
}

}  // namespace gamlp
