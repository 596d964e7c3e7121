#include "host/plan/calibrate.hpp"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <unistd.h>

#include "host/config/enums.hpp"
#include "host/core/clock.hpp"
#include "host/core/error.hpp"
#include "host/core/median.hpp"
#include "host/core/parallel.hpp"
#include "host/core/threads.hpp"
#include "host/cpu/blas.hpp"
#include "host/cpu/cpu_fleet.hpp"
#include "host/cpu/host_file.hpp"
#include "host/device/forwarding_stream.hpp"
#include "host/math/random.hpp"
#include "host/methods/registry.hpp"
#include "host/plan/op_shape.hpp"
#include "host/train/stage_runner.hpp"

namespace gamlp {
namespace {

// Times of each op shape, in the order met.
using Samples = std::map<std::pair<std::string, std::array<double, 3>>, std::vector<double>>;

// Passes ops on to a CPU worker's compute stream, which runs them at once, and times each.
class TimingStream final : public ForwardingStream {
 public:
  using ForwardingStream::ForwardingStream;
  void enqueue(const Op& op) override {
    const auto start = Clock::now();
    ForwardingStream::enqueue(op);
    const double seconds = seconds_since(start);
    if (!recording) return;
    const OpShape shape = shape_of(op);
    samples[{shape.family, shape.dims}].push_back(seconds);
  }

  bool recording = false;
  Samples samples;
};

struct Setting {
  std::int64_t nodes, width;
  std::int64_t classes;
  MethodConfig method;
  ExchangeConfig exchange;
};

constexpr std::int64_t kInputs = 600;

// As deep as the paper's networks where that takes no time, so that caches hold what they hold in training.
constexpr std::int64_t kSmall = 200'000;
int layers_of(const Setting& setting) { return setting.nodes * setting.width <= kSmall ? 10 : 6; }

std::string describe(const Setting& setting) {
  std::string text(setting.method.name);
  for (const auto& [label, line] : make_method(setting.method, setting.exchange)->summary()) {
    text += label.empty() ? "" : ", " + line;
  }
  return text;
}

struct Messages {
  double copy_seconds = 0, bytes = 0;
};

Config config_of(const Setting& setting) {
  Config config;
  config.model.width = setting.width;
  config.stages = {{layers_of(setting), 100}};
  config.method = setting.method;
  config.exchange = setting.exchange;
  return config;
}

// Inputs and labels of random numbers.
Problem random_problem(const TrainingShape& shape) {
  Random random(7);
  const std::int64_t nodes = shape.problem.train_nodes, inputs = shape.problem.inputs, classes = shape.problem.classes;
  Matrix x(nodes, inputs);
  for (float& value : x.view().flat()) value = static_cast<float>(random.normal());
  Problem problem;
  problem.classes = static_cast<std::int32_t>(classes);
  problem.inputs = inputs;
  for (std::int64_t i = 0; i < nodes; ++i) {
    const auto label = random.below(static_cast<std::uint64_t>(classes));
    problem.parts[0].labels.push_back(static_cast<std::int32_t>(label));
  }
  problem.stage_kinds = {shape.kind};
  problem.layer_inputs.push_back({make_training_input(std::move(x), shape.kind), {}});
  return problem;
}

// Iterations of the only stage of a (resolved) config on `workers` workers, for about `budget` seconds; adds the median
// of every op's times. Returns the seconds of an iteration.
double measure(const Config& config, const Problem& problem, int workers, int threads, double budget, Samples& medians,
               Messages& messages) {
  std::vector<std::unique_ptr<TimingStream>> streams;  // outlive the programs that the runner holds
  StageRunner runner(config, problem, create_cpu_fleet(workers, threads));
  for (int rank = 0; rank < workers; ++rank) {
    streams.push_back(std::make_unique<TimingStream>(*runner.fleet().context(rank).compute));
  }
  runner.context = [&](int rank) {
    DeviceContext context = runner.fleet().context(rank);
    context.compute = streams[static_cast<std::size_t>(rank)].get();
    return context;
  };
  runner.build(1, runner.initial(1, 1));
  runner.start();
  std::int64_t epoch = 0;
  const auto iterate = [&](int count) {
    const auto start = Clock::now();
    runner.run_all([&](int rank) {
      for (int i = 0; i < count; ++i) runner.program(rank).enqueue_iteration(epoch + i, true);
    });
    epoch += count;
    return seconds_since(start) / count;
  };
  // One alone: with few layers the first gradients, which take ops of their own, come next.
  const double first = iterate(1);
  const int count = static_cast<int>(std::clamp(budget / std::max(first, 1e-6), 3.0, 100.0));
  const DeviceTimes before = runner.fleet().times();
  const TransportCounters sent_before = runner.fleet().traffic();
  for (auto& stream : streams) stream->recording = true;
  const double seconds_each = iterate(count);
  for (const std::int64_t change : runner.spec().method->message_changes(runner.spec().epochs)) {
    epoch = change;
    iterate(3);
  }
  for (int i = 0; i < 3; ++i) runner.start();
  runner.settle();
  messages.copy_seconds += runner.fleet().times().exchange - before.exchange;
  messages.bytes += static_cast<double>(runner.fleet().traffic().bytes_received - sent_before.bytes_received);

  Samples all;
  for (auto& stream : streams) {
    for (auto& [key, seconds] : stream->samples) {
      auto& into = all[key];
      into.insert(into.end(), seconds.begin(), seconds.end());
    }
  }
  for (auto& [key, seconds] : all) medians[key].push_back(median(seconds));
  return seconds_each;
}

// What is known of the machine without measuring.
Machine machine_of(int threads_per_device) {
  Machine machine;
  machine.devices = std::max(1, hardware_threads() / threads_per_device);
  machine.threads_per_device = threads_per_device;
  machine.library = blas_description();
  machine.memory_total = static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGESIZE));
  machine.name =
      std::to_string(machine.devices) + (machine.devices == 1 ? " CPU worker, " : " CPU workers, ") + processor_name();
  return machine;
}

// One worker, and as many as there are: no more than layers.
std::vector<int> worker_counts(const Machine& machine, int layers) {
  const int all = std::min(machine.devices, layers);
  return all > 1 ? std::vector<int>{1, all} : std::vector<int>{1};
}

void measure_copy(Messages& messages) {
  Matrix from(1, 4 << 20), to(1, 4 << 20);
  for (int i = 0; i < 3; ++i) {
    const auto start = Clock::now();
    std::memcpy(to.data(), from.data(), static_cast<std::size_t>(from.size()) * sizeof(float));
    if (i == 0) continue;  // the first touches the pages
    messages.copy_seconds += seconds_since(start);
    messages.bytes += static_cast<double>(from.size()) * sizeof(float);
  }
}

// Bytes per second at which each of `workers` busy workers writes temporary files and reads them, in pieces as Staging
// does. Files are in the system's memory as long as that has room.
double file_bandwidth(int workers) {
  constexpr std::size_t kPiece = std::size_t{4} << 20, kPieces = 16;
  constexpr int kRounds = 5;
  std::vector<double> seconds(static_cast<std::size_t>(workers));
  const auto copy = [&](double& median_seconds) {
    const cpu::HostFile file(kPiece * kPieces);
    Matrix memory(1, kPiece / sizeof(float));
    auto* piece = reinterpret_cast<std::byte*>(memory.data());
    std::vector<double> rounds;
    for (int round = 0; round <= kRounds; ++round) {
      const auto start = Clock::now();
      for (std::size_t i = 0; i < kPieces; ++i) file.write(piece, file.data() + i * kPiece, kPiece);
      for (std::size_t i = 0; i < kPieces; ++i) file.read(file.data() + i * kPiece, piece, kPiece);
      if (round > 0) rounds.push_back(seconds_since(start));  // the first finds the pages
    }
    median_seconds = median(rounds);
  };
  parallel_slices(workers, workers, 1,
                  [&](std::int64_t worker, std::int64_t) { copy(seconds[static_cast<std::size_t>(worker)]); });
  return 2 * static_cast<double>(kPiece * kPieces) / median(seconds);
}

std::vector<Setting> settings(bool quick) {
  using Sizes = Calibration::Sizes;
  const std::vector<std::int64_t> nodes =
      quick ? std::vector<std::int64_t>{40, 120} : std::vector<std::int64_t>{140, 500, 1200, 2500, 5000};
  const std::vector<std::int64_t> widths =
      quick ? std::vector<std::int64_t>{8, 24} : std::vector<std::int64_t>{32, 64, 100, 200, 300, 500, 700, 1000};
  std::vector<Setting> all;
  for (const auto& method : all_methods()) {
    for (const Calibration& one : method->calibrations(quick)) {
      const auto add = [&](std::int64_t n, std::int64_t width, std::int64_t classes) {
        all.push_back({n, width, classes, one.method, one.exchange});
      };
      if (one.sizes == Sizes::one) {
        add(quick ? 40 : 1200, quick ? 8 : 300, 7);
      } else if (one.sizes == Sizes::large) {
        for (const std::int64_t width : {100, 300}) add(20000, width, 40);
      } else {
        for (const std::int64_t n : nodes) {
          for (const std::int64_t width : widths) add(n, width, 7);
        }
      }
    }
  }
  return all;
}

// Figures of the ops, by workers, and of messages.
void summarise(Machine& machine, std::map<int, Samples>& medians, Messages& messages) {
  for (auto& [workers, ops] : medians) {
    for (auto& [key, seconds] : ops) {
      machine.seconds[workers][key.first].push_back({key.second, std::max(median(seconds), 1e-9)});
    }
  }
  // One worker exchanges with nobody: a plain copy stands in.
  if (medians.size() == 1) measure_copy(messages);
  machine.copy_bandwidth = messages.bytes / messages.copy_seconds;
  machine.host_bandwidth = file_bandwidth(medians.rbegin()->first);
}

}  // namespace

std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("model name", 0) == 0) return line.substr(std::min(line.find(':') + 2, line.size()));
  }
  return "unknown processor";
}

Machine measure_machine(int threads_per_device, bool quick, const std::function<void(const std::string&)>& progress) {
  Machine machine = machine_of(threads_per_device);
  const std::vector<Setting> list = settings(quick);
  Messages messages;
  std::map<int, Samples> medians;                             // by workers
  const std::vector<int> counts = worker_counts(machine, 6);  // the fewest layers
  // A shared machine is faster and slower by turns: in passes that are minutes apart, each in fresh memory. The largest
  // sizes, which take most of the time, differ least.
  const int passes = quick ? 1 : 4;
  constexpr double kOnce = 0.4, kBudget = 0.8;  // seconds per iteration; seconds per setting and number of workers
  std::vector<double> iteration(list.size(), 0.0);
  for (int pass = 0; pass < passes; ++pass) {
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (iteration[i] > kOnce) continue;
      progress("pass " + std::to_string(pass + 1) + " of " + std::to_string(passes) + ", " + std::to_string(i + 1) +
               "/" + std::to_string(list.size()) + ": " + std::to_string(list[i].nodes) + " nodes × " +
               std::to_string(list[i].width) + ", " + describe(list[i]));
      Config config = config_of(list[i]);
      TrainingShape shape{{list[i].nodes, kInputs, list[i].classes}, InputKind::plain};
      shape.kind = resolve_problem(config, shape.problem).front();
      const Problem problem = random_problem(shape);
      for (const int workers : counts) {
        iteration[i] = measure(config, problem, workers, threads_per_device, quick ? 0 : kBudget / passes,
                               medians[workers], messages);
      }
    }
  }
  summarise(machine, medians, messages);
  return machine;
}

Machine measure_machine(const PlanSubject& subject) {
  const int threads = static_cast<int>(subject.config.threads_per_device);
  Machine machine = machine_of(threads);
  machine.origin = "measured now";
  PlanSubject alone = subject;
  alone.config.partition = {};  // belongs to more devices
  if (!fits(alone, machine, 1)) {
    throw ConfigError(
        "the config's sizes do not fit this machine's memory, so its ops cannot be measured here; give "
        "another machine");
  }
  // The deepest stage of each method, in each kind of coordinates.
  std::vector<std::pair<Config, Problem>> settings;
  for (int stage = 1; stage <= subject.last(); ++stage) {
    const bool deeper = stage < subject.last() && share_method(subject.config, stage, stage + 1) &&
                        subject.shape(stage).kind == subject.shape(stage + 1).kind;
    if (deeper) continue;
    Config config = subject.config;
    config.stages = {subject.config.stages[static_cast<std::size_t>(stage) - 1]};
    config.partition = {};  // belongs to one number of devices
    settings.emplace_back(std::move(config), random_problem(subject.shape(stage)));
  }
  Messages messages;
  std::map<int, Samples> medians;
  constexpr int kPasses = 3;
  constexpr double kBudget = 1.0;  // seconds per pass and number of workers
  for (int pass = 0; pass < kPasses; ++pass) {
    for (const auto& [config, problem] : settings) {
      for (const int workers : worker_counts(machine, static_cast<int>(config.stages.back().layers))) {
        measure(config, problem, workers, threads, kBudget, medians[workers], messages);
      }
    }
  }
  summarise(machine, medians, messages);
  return machine;
}

}  // namespace gamlp
