// gamlp plan: the forecast of a config on N devices of a machine.
#include "host/plan/plan.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>

#include "host/cli/commands.hpp"
#include "host/cli/run_summary.hpp"
#include "host/cli/table.hpp"
#include "host/config/device_grid.hpp"
#include "host/config/enums.hpp"
#include "host/config/locate.hpp"
#include "host/core/error.hpp"
#include "host/core/files.hpp"
#include "host/core/number_text.hpp"
#include "host/methods/load_config.hpp"
#include "host/methods/registry.hpp"
#include "host/plan/calibrate.hpp"
#include "host/plan/choose_grid.hpp"
#include "host/problem/chosen_devices.hpp"

namespace gamlp::cli {
namespace fs = std::filesystem;
namespace {

constexpr const char* kDefaultMachine = "cpu";

struct PlanArguments {
  std::string config, machine = kDefaultMachine, sweep, trace, output, problem;
  int devices = 0, hosts = 1, iterations = 8;
  bool as_if = false;
  std::vector<std::string> overrides;
};

// "first..last" of --sweep devices=first..last.
std::pair<int, int> sweep_range(const std::string& text) {
  int first = 0, last = 0;
  constexpr std::string_view prefix = "devices=";
  const std::size_t dots = text.find("..");
  bool valid = text.starts_with(prefix) && dots != std::string::npos;
  const auto number = [&](std::string_view digits, int& value) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    valid = valid && error == std::errc() && end == digits.data() + digits.size();
  };
  if (valid) {
    number(std::string_view(text).substr(prefix.size(), dots - prefix.size()), first);
    number(std::string_view(text).substr(dots + 2), last);
  }
  if (!valid || first < 1 || last < first) {
    throw ConfigError("--sweep " + text + ": expected devices=FIRST..LAST, e.g. devices=1..16");
  }
  return {first, last};
}

// "V,N0,C" of --problem.
ProblemCounts counts_of(const std::string& text) {
  ProblemCounts counts;
  std::int64_t* const values[] = {&counts.shape.train_nodes, &counts.shape.inputs, &counts.shape.classes};
  const char* at = text.data();
  const char* const end = at + text.size();
  for (std::size_t i = 0; i < 3; ++i) {
    const auto [next, error] = std::from_chars(at, end, *values[i]);
    const bool more = i < 2;
    if (error != std::errc() || *values[i] < 1 || *values[i] > 1'000'000'000 ||
        (more ? next == end || *next != ',' : next != end)) {
      throw ConfigError("--problem " + text +
                        ": expected training nodes, inputs (hops × features) and classes, e.g. 44625,2000,7");
    }
    at = next + 1;
  }
  counts.parts[0] = counts.nodes = counts.shape.train_nodes;
  return counts;
}

std::string milliseconds(double seconds) { return short_number(1e3 * seconds); }
std::string megabytes(double bytes) { return short_number(bytes * 1e-6); }
std::string bytes_text(double bytes) {
  return bytes < 1e9 ? megabytes(bytes) + " MB" : short_number(bytes * 1e-9) + " GB";
}

std::string duration(double seconds) {
  if (seconds < 120) return short_number(seconds) + " s";
  return seconds < 7200 ? short_number(seconds / 60) + " min" : short_number(seconds / 3600) + " h";
}

std::string partition_text(const std::vector<LayerRange>& ranges) {
  std::string text = "[";
  for (const LayerRange& range : ranges) text += (text.size() > 1 ? ", " : "") + std::to_string(range.count());
  return text + "]";
}

std::string placement_text(const Placement& placement) {
  const std::string layers = partition_text(placement.ranges) + " layers";
  const std::string replicas =
      placement.replicas > 1 ? " × " + std::to_string(placement.replicas) + " replicas" : std::string();
  if (placement.shards == 1) return layers + replicas;
  return layers + " × " + std::to_string(placement.shards) + " shards" + replicas +
         (placement.order == RankOrder::layers ? ", by layers" : "");
}

std::string head(const PlanSubject& subject, const Machine& machine) {
  const Config& c = subject.config;
  const ProblemShape& p = subject.counts.shape;
  std::string out = "forecast for " + machine.name + "  (" + machine.origin + ")\n";
  out += std::to_string(c.stages.back().layers) + " layers × " + grouped(c.model.width) + ", " + grouped(p.inputs) +
         " inputs (" + input_kind_name(subject.kinds.back()) + "), " + grouped(p.train_nodes) + " training nodes, " +
         std::to_string(p.classes) + " classes, " + methods_text(c) + "\n\n";
  return out;
}

std::string memory_line(const Plan& plan, const Machine& machine) {
  std::string text = bytes_text(plan.memory_needed) + " of " + bytes_text(plan.memory_available);
  if (machine.gpu) return text + " on the fullest device";
  return text + ", of which " + bytes_text(plan.host_memory) + " are the program, its inputs and copies of the weights";
}

// What compression of the workers' exchange brings.
std::string compression_text(const Plan& plan) {
  constexpr double kWorthwhile = 1.03;
  const double gain = plan.uncompressed_seconds / plan.run_seconds;
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", gain);
  const std::string verdict = gain >= kWorthwhile ? "" : gain >= 1.0 ? ": it gains less than 3 %" : ": it costs time";
  return std::string("the run takes ") + duration(plan.uncompressed_seconds) + " without it, " + text + " × as long" +
         verdict;
}

// "16 × 1 309.1 ms, 8 × 2 309.2 ms, 4 × 4 287.2 ms; fastest: partition.shards=4".
std::string grids_text(const std::vector<GridPlan>& grids) {
  std::string text;
  for (const GridPlan& grid : grids) {
    text += (text.empty() ? "" : ", ") + grid_text(grid.ranges, grid.shards, grid.order) + " " +
            milliseconds(grid.step) + " ms" +
            (!grid.fits    ? " (does not fit)"
             : grid.staged ? " (staged)"
                           : "");
  }
  const GridPlan* best = fastest(grids);
  if (best == nullptr) return text;
  return text + "; fastest: partition.shards=" + std::to_string(best->shards) +
         (best->order ? " partition.order=" + std::string(name_of(*best->order)) : "");
}

std::string details(const Plan& plan, const std::vector<GridPlan>& grids, const Machine& machine) {
  const Forecast& f = plan.forecast;
  std::string out;
  out += summary_line("step", milliseconds(f.step) + " ms" +
                                  (f.devices > 1 ? ", " + short_number(plan.speedup()) + " × one device (" +
                                                       milliseconds(plan.one_device) + " ms)"
                                                 : ""));
  const std::size_t ranges = f.placement.ranges.size();
  std::string exchange;
  if (ranges > 1) {
    exchange = megabytes(static_cast<double>(f.boundary.down)) + " MB down and " +
               megabytes(static_cast<double>(f.boundary.up)) + " MB up per boundary and epoch, " +
               std::to_string(ranges - 1) + (ranges == 2 ? " boundary" : " boundaries");
  }
  if (f.placement.shards > 1 || f.placement.replicas > 1) {
    const std::string replicas = std::to_string(f.placement.replicas) + " replicas",
                      shards = std::to_string(f.placement.shards) + " shards";
    exchange += (ranges > 1 ? "; " : "") + megabytes(static_cast<double>(f.shard_bytes())) + " MB between the " +
                (f.placement.replicas == 1 ? shards
                 : f.placement.shards == 1 ? replicas
                                           : replicas + ", and between their " + shards) +
                " per epoch";
  }
  if (f.network_bytes > 0) {
    exchange += "; a host sends or receives " + megabytes(static_cast<double>(f.network_bytes)) + " MB";
  }
  if (f.devices > 1) out += summary_line("exchange", exchange);
  out += summary_line("memory", memory_line(plan, machine));
  if (!f.in_flight.empty()) out += summary_line("in flight", f.in_flight);
  const DeviceForecast& busiest = f.busiest();
  if (busiest.staged_bytes > 0) {
    double host = 0;
    for (const DeviceForecast& d : f.per_device) {
      host += static_cast<double>(d.memory.bytes[static_cast<std::size_t>(MemoryKind::host)]);
    }
    out += summary_line("nodes", bytes_text(host) + (machine.gpu ? " in the host's memory" : " in temporary files") +
                                     " (node_memory=" + std::to_string(*plan.node_memory) + "); " +
                                     bytes_text(static_cast<double>(busiest.staged_bytes)) +
                                     " per iteration to the busiest device and back");
  }
  std::string partition = placement_text(f.placement);
  if (plan.best_step < f.step) {
    partition +=
        "; better: partition.layers=" + partition_text(plan.best) + ", " + milliseconds(plan.best_step) + " ms";
  }
  out += summary_line("partition", partition);
  if (grids.size() > 1) out += summary_line("grids", grids_text(grids));
  std::string run;
  const bool same = std::all_of(plan.stages.begin(), plan.stages.end(),
                                [&](const StagePlan& one) { return one.method == plan.stages.front().method; });
  for (const StagePlan& stage : plan.stages) {
    run += (run.empty() ? "" : ", ") + std::to_string(stage.layers) + " layers × " + grouped(stage.epochs) +
           " epochs " + (same ? "" : "of " + stage.method + " ") + "at " + milliseconds(stage.step) + " ms";
  }
  out += summary_line("run", duration(plan.run_seconds) + ": " + run);
  if (plan.compresses && f.placement.shards > 1) out += summary_line("compression", compression_text(plan));
  out += summary_line("limit", plan.limit()) + "\n";

  Table times({"device", "layers", "products", "factors", "elementw.", "codec", "copy", "messages", "exposed", "idle"});
  for (std::size_t i = 0; i < f.per_device.size(); ++i) {
    const DeviceForecast& d = f.per_device[i];
    const auto of = [&](Phase p) { return milliseconds(d.phase[static_cast<std::size_t>(p)]); };
    times.row({std::to_string(i), std::to_string(d.layers.first) + "-" + std::to_string(d.layers.last), of(Phase::gemm),
               of(Phase::factor), of(Phase::elementwise), of(Phase::codec), of(Phase::copy),
               milliseconds(d.exchange + d.copying), milliseconds(d.exposed + d.copying),
               percent_text(f.step > 0 ? d.waiting / f.step : 0.0)});
  }
  out += "ms per iteration\n" + times.text() + "\n";
  std::vector<std::string> kinds = {"device"};
  kinds.insert(kinds.end(), kMemoryKindNames.begin(), kMemoryKindNames.end());
  kinds.push_back("total");
  Table memory(kinds);
  const auto add_memory = [&](std::string name, const MemoryUse& use) {
    std::vector<std::string> row = {std::move(name)};
    for (const std::size_t bytes : use.bytes) row.push_back(megabytes(static_cast<double>(bytes)));
    row.push_back(megabytes(static_cast<double>(use.peak)));
    memory.row(std::move(row));
  };
  for (std::size_t i = 0; i < f.per_device.size(); ++i) add_memory(std::to_string(i), f.per_device[i].memory);
  if (machine.gpu) add_memory("evaluation, on " + std::to_string(f.devices - 1), plan.evaluation);
  return out + "MB\n" + memory.text();
}

std::string sweep_table(const std::vector<Plan>& plans) {
  Table table({"devices", "step ms", "speedup", "efficiency", "balance", "exposed", "idle", "best ms", "fullest device",
               "fits", "partition"});
  for (const Plan& plan : plans) {
    const Forecast& f = plan.forecast;
    double idle = 0, fullest = 0;
    for (const DeviceForecast& d : f.per_device) {
      idle += d.waiting / f.step / f.devices;
      const bool last = &d == &f.per_device.back();
      fullest = std::max(fullest, static_cast<double>(d.memory.peak + (last ? plan.evaluation.peak : 0)));
    }
    table.row({std::to_string(f.devices), milliseconds(f.step), short_number(plan.speedup()),
               percent_text(plan.speedup() / f.devices), percent_text(f.balance()), percent_text(f.exposed_share()),
               percent_text(idle), milliseconds(plan.best_step), bytes_text(fullest), plan.fits() ? "yes" : "no",
               placement_text(f.placement)});
  }
  return table.text();
}

[[noreturn]] void refuse(const PlanSubject& subject, const Machine& machine, const Plan& plan) {
  std::string text = "does not fit " + machine.name + " on " + std::to_string(plan.forecast.devices) + " device" +
                     (plan.forecast.devices == 1 ? "" : "s") + ": needs " + memory_line(plan, machine);
  const std::vector<std::string> ways = what_would_fit(subject, machine, plan.forecast.devices);
  for (const std::string& way : ways) text += (&way == &ways.front() ? "; would fit: " : ", or ") + way;
  if (ways.empty()) text += "; more devices, a smaller width or another update would not make it fit";
  throw ConfigError(text);
}

int plan(const PlanArguments& args, const Shared& shared) {
  const fs::path path = args.config;
  for (const std::string* file : {&args.trace, &args.output}) {
    if (!file->empty()) expect_writable(*file);
  }
  Config config = load_config(path, args.overrides);
  const bool here = args.machine == kThisMachine;
  Machine machine;
  if (!here) machine = load_machine(args.machine, path);
  if (!here && !machine.gpu && config.threads_per_device != machine.threads_per_device) {
    throw ConfigError("threads_per_device is " + std::to_string(config.threads_per_device) + ", but " + machine.origin +
                      " was measured with " + std::to_string(machine.threads_per_device) +
                      "; measure again: gamlp bench --machine FILE --threads " +
                      std::to_string(config.threads_per_device));
  }
  std::optional<ProblemCounts> counts;
  if (!args.problem.empty()) counts = counts_of(args.problem);
  PlanSubject subject;
  try {
    if (!counts) locate_dataset(config.dataset, path.parent_path());
    subject = plan_subject(std::move(config), counts);
  } catch (const DataError& error) {
    throw DataError(std::string(error.what()) +
                    "\nA forecast needs its sizes only: give them with --problem TRAINING_NODES,INPUTS,CLASSES");
  }
  if (here) machine = measure_machine(subject);
  if (args.hosts > 1) {
    if (!subject.config.distributed.network) {
      throw ConfigError("--hosts " + std::to_string(args.hosts) +
                        " needs the speed of the network between them: --set distributed.network=MBIT (per second)");
    }
    machine = on_hosts(std::move(machine), args.hosts, *subject.config.distributed.network);
  }

  std::vector<Plan> plans;
  std::vector<GridPlan> grids;
  const auto expect_devices = [&](int most) {
    if (!args.as_if || most <= machine.devices) return;
    machine.name += ", as if it had " + std::to_string(most);
    machine.devices = most;
  };
  if (!args.sweep.empty()) {
    const auto [first, last] = sweep_range(args.sweep);
    expect_devices(last);
    subject.config.partition.layers.reset();  // belongs to one number of devices
    for (int n = first; n <= last; ++n) plans.push_back(make_plan(subject, machine, n, args.iterations));
  } else {
    const Config& c = subject.config;
    const bool all = !named_devices(c.devices).count;
    const int wanted = args.devices > 0 ? args.devices
                       : all            ? static_cast<int>(fitting_devices(c, machine.devices))
                                        : device_count(c);
    expect_devices(wanted);
    plans.push_back(make_plan(subject, machine, wanted, args.iterations));
    grids = plan_grids(subject, machine, plans.front(), args.iterations);
    const GridPlan* best = fastest(grids);
    const Placement& placed = plans.front().forecast.placement;
    if (best != nullptr && (best->shards != placed.shards || (best->order && *best->order != placed.order))) {
      Config chosen = subject.given;  // by training, too
      chosen.partition.shards = best->shards;
      if (best->order) chosen.partition.order = best->order;
      subject = plan_subject(std::move(chosen), subject.counts);
      plans.front() = make_plan(subject, machine, wanted, args.iterations);
    }
    if (!plans.front().fits()) refuse(subject, machine, plans.front());
  }
  nlohmann::ordered_json json = {{"machine", machine.name}, {"machine_file", machine.origin}, {"config", args.config}};
  json["problem"] = {{"training_nodes", subject.counts.shape.train_nodes},
                     {"inputs", subject.counts.shape.inputs},
                     {"classes", subject.counts.shape.classes}};
  json["width"] = subject.config.model.width;
  json["method"] = method_of(subject.config, subject.last()).name;
  json.update(make_method(subject.config)->report());
  for (const Plan& one : plans) json["plans"].push_back(to_json(one));
  if (grids.size() > 1) json["grids"] = to_json(grids);
  if (!args.output.empty()) write_file_atomic(args.output, json.dump(2) + "\n");
  if (!args.trace.empty()) {
    TraceLog log;
    trace_plan(subject, machine, plans.back().forecast.devices, args.iterations, log);
    log.write(args.trace, "gamlp plan");
    if (log.dropped() > 0) {
      std::fprintf(stderr, "gamlp: %s: lacks %llu of its spans; trace fewer iterations\n", args.trace.c_str(),
                   static_cast<unsigned long long>(log.dropped()));
    }
  }
  if (shared.json) {
    write_stdout(json.dump() + "\n");
    return 0;
  }
  std::string out = head(subject, machine);
  if (counts && !machine.gpu) {
    out += "memory without the graph and the nodes that do not train: --problem says nothing of them\n\n";
  }
  out += args.sweep.empty() ? details(plans.front(), grids, machine) : sweep_table(plans);
  write_stdout(out);
  return 0;
}

}  // namespace

void add_plan(CLI::App& app, Shared& shared) {
  auto args = std::make_shared<PlanArguments>();
  CLI::App* command = app.add_subcommand(
      "plan", "Forecast step time, memory and exchange of a config on N devices of a machine, without training");
  command->add_option("config", args->config, "Config file")->required();
  CLI::Option* devices =
      command->add_option("--devices", args->devices, "Number of devices (default: the config's, or all)")
          ->check(CLI::Range(1, 999));
  command->add_option(
      "--machine", args->machine,
      "Name of a machine built in (configs/machines) or of a file in machines/ beside the config, or the path "
      "of a file (default: cpu; gamlp bench --machine measures yours); or \"here\": this machine's CPU "
      "workers, measured now at the sizes of the config");
  command
      ->add_option("--hosts", args->hosts,
                   "So many of the machine, with a network of distributed.network between them. The devices are spread "
                   "over them as evenly as can be")
      ->check(CLI::Range(1, 999));
  command->add_option("--sweep", args->sweep, "A table over numbers of devices: devices=1..16")->excludes(devices);
  command->add_flag("--as-if", args->as_if,
                    "Forecast more devices than the machine has, as if it had them at the same rates");
  command->add_option("--problem", args->problem,
                      "Training nodes, inputs and classes, instead of reading the dataset: V,N0,C");
  command->add_option("--iterations", args->iterations, "Simulated iterations (8)")->check(CLI::Range(1, 100000));
  command->add_option("--trace", args->trace, "Write the forecast timeline to this file, for ui.perfetto.dev");
  command->add_option("--output", args->output, "Write the forecast as JSON to this file");
  command->add_option("--set", args->overrides, "Override one value, e.g. --set model.width=4000")
      ->allow_extra_args(false);
  command->add_flag("--json", shared.json, "Print the forecast as JSON");
  command->footer(
      "Examples:  gamlp plan configs/quickstart.json --devices 2\n"
      "           gamlp plan configs/flickr_500.json --set dataset.generate.shape=flickr --machine dgx_h100 --sweep "
      "devices=1..8");
  command->callback([args, &shared] { shared.run = [args, &shared] { return plan(*args, shared); }; });
}

}  // namespace gamlp::cli
