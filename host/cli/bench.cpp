// gamlp bench: the time of an iteration, by phase, beside the same products and factorisations alone.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "host/bench/iteration.hpp"
#include "host/cli/commands.hpp"
#include "host/cli/run_summary.hpp"
#include "host/config/enums.hpp"
#include "host/config/locate.hpp"
#include "host/core/clock.hpp"
#include "host/core/error.hpp"
#include "host/core/files.hpp"
#include "host/core/median.hpp"
#include "host/core/threads.hpp"
#include "host/core/version.hpp"
#include "host/cpu/blas.hpp"
#include "host/methods/load_config.hpp"
#include "host/methods/registry.hpp"
#include "host/plan/calibrate.hpp"
#include "host/problem/chosen_devices.hpp"
#include "host/train/processes.hpp"
#include "host/train/stage_runner.hpp"

namespace gamlp::cli {
namespace {

struct BenchArguments {
  std::string config, devices, machine, output;
  std::vector<std::string> overrides;
  int iterations = 10, rounds = 3, threads = 1;
  bool quick = false;
};

int measure(const BenchArguments& args) {
  expect_writable(args.machine);
  Machine machine = measure_machine(args.threads, args.quick,
                                    [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); });
  write_file_atomic(args.machine, machine_text(machine, {{"processor", processor_name()},
                                                         {"date", date_today()},
                                                         {"version", kVersion},
                                                         {"sources", {{"seconds", "gamlp bench --machine"}}}}));
  std::printf("%s: %zu kinds of op, copies at %.1f GB/s\n", args.machine.c_str(),
              machine.seconds.begin()->second.size(), machine.copy_bandwidth * 1e-9);
  return 0;
}

// "cpu:1,cpu:2/2@100", "cuda:0,cuda:0,0": a number after a comma is one more GPU.
std::vector<std::string> split_devices(const std::string& list) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t comma = std::min(list.find(',', at), list.size());
    const std::string part = list.substr(at, comma - at);
    const bool number = !part.empty() && part.find_first_not_of("0123456789/@") == std::string::npos;
    number && !parts.empty() ? parts.back() += "," + part : parts.emplace_back(part);
    at = comma + 1;
  }
  return parts;
}

std::vector<Compared> compared_devices(const BenchArguments& args, const Config& config, ProcessGroup& group) {
  std::vector<Compared> all;
  if (group.size() > 1) {
    const ChosenDevices devices = choose_devices(config, group);
    group.name_devices(devices.names());
    all.push_back({devices, &group, std::to_string(group.size()) + " processes"});
    // GPUs of several hosts cannot be one process's.
    if (devices.one_host() || devices.kind == DeviceKind::cpu) all.push_back({devices, &solo_group(), devices.text()});
    return all;
  }
  for (const std::string& text : split_devices(args.devices.empty() ? config.devices : args.devices)) {
    std::vector<std::string> overrides = args.overrides;
    const std::size_t end = text.find_first_of("/@");
    overrides.push_back("devices=" + text.substr(0, end));
    for (const auto& [mark, key] : {std::pair{'/', "partition.shards="}, {'@', "node_memory="}}) {
      const std::size_t at = text.find(mark);
      if (at == std::string::npos) continue;
      overrides.push_back(key + text.substr(at + 1, text.find_first_of("/@", at + 1) - at - 1));
    }
    const Config its = load_config(args.config, overrides);
    const ChosenDevices devices = choose_devices(its);
    all.push_back({devices, &group, devices.text() + (end == std::string::npos ? "" : text.substr(end)),
                   Compared::Placement{its.partition, its.node_memory}});
  }
  return all;
}

int bench(const BenchArguments& args, bool json, ProcessGroup& group) {
  TrainingStart start;
  Config& config = start.config;
  const bool first = group.rank() == 0;
  agree(group, [&] {
    if (first && !args.output.empty()) expect_writable(args.output);
  });
  std::vector<std::string> named = args.overrides;
  if (group.size() > 1 && !args.devices.empty()) named.push_back("devices=" + args.devices);
  agree(group, [&] { config = load_config(args.config, named); });
  expect_same_program(group, config, build_text());
  group.set_timeouts({config.distributed.timeout, config.distributed.stall_timeout});
  const std::vector<Compared> compared = compared_devices(args, config, group);
  // What depends on shards is chosen for the most of them, and then the same for all.
  const auto shards = [](const Compared& one) {
    return one.placement ? one.placement->partition.shards.value_or(1) : 1;
  };
  const Compared& most = *std::max_element(compared.begin(), compared.end(),
                                           [&](const Compared& a, const Compared& b) { return shards(a) < shards(b); });
  config.devices = most.devices.text();
  if (most.placement) config.partition = most.placement->partition;
  agree(group, [&] {
    if (!first) return;
    locate_dataset(config.dataset, std::filesystem::path(args.config).parent_path());
    static_cast<PreparedProblem&>(start) = prepare_problem(config, hardware_threads(), most.devices);
  });
  broadcast_start(group, start);
  const Problem& problem = start.problem;
  set_blas_threads(1);
  const double reference = first ? reference_gflops() : 0.0;
  std::vector<std::vector<Measurement>> rounds =
      measure_in_turns(config, problem, compared, args.iterations, args.rounds, group);
  if (!first) return 0;
  nlohmann::ordered_json report;
  report["config"] = args.config;
  const int last = stage_count(config);
  const TrainingInput& input = problem.input(last);
  report["method"] = method_of(config, last).name;
  const auto method = make_method(config);
  report.update(method->report());
  report["input"] = input_kind_name(input.kind);
  report["inputs"] = input.inputs();
  report["nodes"] = problem.train_labels().size();
  report["width"] = config.model.width;
  report["layers"] = config.stages.back().layers;
  report["threads_per_device"] = config.threads_per_device;
  report["library"] = blas_description();
  report["reference_gflops_2048_one_thread"] = reference;
  report["iterations"] = args.iterations;
  report["rounds"] = args.rounds;
  std::vector<double> speedups;  // of each device but the first: the median over the rounds, in which they took turns
  for (std::size_t i = 1; i < rounds.size(); ++i) {
    std::vector<double> ratios;
    for (std::size_t round = 0; round < rounds[i].size(); ++round) {
      ratios.push_back(rounds.front()[round].iteration / rounds[i][round].iteration);
    }
    speedups.push_back(median(ratios));
  }
  for (auto& measured : rounds) {
    // The round with the median ratio stands for all; the spread beside it.
    std::sort(measured.begin(), measured.end(),
              [](const Measurement& a, const Measurement& b) { return a.iteration / a.floor < b.iteration / b.floor; });
    const Measurement& middle = measured[measured.size() / 2];
    nlohmann::ordered_json entry = to_json(middle);
    entry["named"] = compared[static_cast<std::size_t>(&measured - rounds.data())].name;
    entry["ratio_to_floor_range"] = {measured.front().iteration / measured.front().floor,
                                     measured.back().iteration / measured.back().floor};
    report["devices"].push_back(entry);
  }
  for (std::size_t i = 0; i < speedups.size(); ++i) report["devices"][i + 1]["speedup"] = speedups[i];
  if (!args.output.empty()) write_file_atomic(args.output, report.dump(2) + "\n");
  if (json) {
    std::printf("%s\n", report.dump(2).c_str());
    return 0;
  }
  std::printf("%lld layers × %lld, %lld inputs (%s), %zu training nodes, %s\n",
              static_cast<long long>(config.stages.back().layers), static_cast<long long>(config.model.width),
              static_cast<long long>(input.inputs()), input_kind_name(input.kind), problem.train_labels().size(),
              method->text().c_str());
  std::printf("CPU: %s; 2048³ product on one thread: %.0f GFLOP/s\n\n", blas_description().c_str(), reference);
  std::printf("%12s %12s %12s %7s %9s | per iteration, summed over devices, ms\n", "devices", "iteration", "floor",
              "ratio", "GFLOP/s");
  std::printf("%12s %12s %12s %7s %9s | %9s %9s %9s %7s %9s %7s\n", "", "ms", "ms", "", "", "products", "factors",
              "elementw.", "codec", "exchange", "wait");
  const bool of_cuda = compared.front().devices.kind == DeviceKind::cuda;
  for (const auto& d : report["devices"]) {
    const auto& w = d["worker_seconds"];
    const auto ms = [&](const char* key) { return 1e3 * w[key].get<double>(); };
    const std::string label = d["named"].get<std::string>();
    std::printf("%12s %12.3f %12.3f %7.3f %9.1f |", label.c_str(), 1e3 * d["iteration_seconds"].get<double>(),
                1e3 * d["floor_seconds"].get<double>(), d["ratio_to_floor"].get<double>(), d["gflops"].get<double>());
    if (of_cuda) {  // not timed by kind of op
      std::printf(" %9s %9s %9s %7s %9s %7s", "-", "-", "-", "-", "-", "-");
    } else {
      std::printf(" %9.3f %9.3f %9.3f %7.3f %9.3f %7.3f", ms("products"), ms("factorisations"), ms("elementwise"),
                  ms("codec"), ms("exchange"), ms("wait"));
    }
    if (d.contains("speedup")) std::printf("   %.2f× the first", d["speedup"].get<double>());
    std::printf("\n");
  }
  std::printf("\nfloor: the same products and factorisations alone, on the same devices, in the same run\n");
  return 0;
}

}  // namespace

void add_bench(CLI::App& app, Shared& shared) {
  auto args = std::make_shared<BenchArguments>();
  CLI::App* command =
      app.add_subcommand("bench", "Time an iteration of a config's last stage, beside its matrix products alone");
  command->add_option("config", args->config, "Config file");
  CLI::Option* machine = command->add_option(
      "--machine", args->machine,
      "Instead: measure the ops of this machine's CPU workers, and write them to this file for gamlp plan");
  command->add_option("--threads", args->threads, "With --machine: threads per worker")->check(CLI::Range(1, 1024));
  command->add_flag("--quick", args->quick, "With --machine: few and small sizes, to try it out");
  command->add_option("--set", args->overrides, "Override one value, e.g. --set model.width=500")
      ->allow_extra_args(false);
  command->add_option(
      "--devices", args->devices,
      "Devices, several to compare them in turns: cpu:1,cpu:2 or cuda:0,cuda:0,0; cpu:4/2: in 2 shards; cpu:1@100: "
      "with node_memory 100");
  command->add_option("--iterations", args->iterations, "Iterations per round")->check(CLI::Range(1, 100000));
  command->add_option("--rounds", args->rounds, "Rounds; the one with the median ratio is reported")
      ->check(CLI::Range(1, 1000));
  command->add_option("--output", args->output, "Write the report as JSON to this file");
  command->add_flag("--json", shared.json, "Print the report as JSON");
  for (const char* other : {"--set", "--devices", "--iterations", "--rounds", "--output", "--json"}) {
    machine->excludes(command->get_option(other));
  }
  command->footer(
      "Examples:  gamlp bench configs/cora_100.json --devices cpu:1,cpu:2\n"
      "           gamlp bench configs/flickr_500.json --devices cpu:1,cpu:2,cpu:2/2\n"
      "           gamlp bench --machine configs/machines/local.json");
  command->callback([args, &shared] {
    if (args->config.empty() == args->machine.empty()) {
      throw CLI::ValidationError("bench", "expected a config file or --machine FILE");
    }
    shared.together = args->machine.empty();
    shared.run = [args, &shared] {
      return args->machine.empty() ? bench(*args, shared.json, *shared.group) : measure(*args);
    };
  });
}

}  // namespace gamlp::cli
