#include "host/train/trainer.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <deque>
#include <memory>
#include <utility>

#include "host/config/locate.hpp"
#include "host/config/parse.hpp"
#include "host/core/clock.hpp"
#include "host/core/error.hpp"
#include "host/core/threads.hpp"
#include "host/cpu/blas.hpp"
#include "host/device/accelerator.hpp"
#include "host/train/devices.hpp"
#include "host/train/evaluator.hpp"
#include "host/train/result.hpp"
#include "host/train/stage_runner.hpp"

namespace gamlp {
namespace {

std::unique_ptr<Fleet> fleet_for(const Config& config, const TrainOptions& options) {
  if (options.create_fleet) return options.create_fleet(device_count(config));
  return create_fleet(choose_devices(config), config);
}

// Beside a fleet that is not the config's, a CPU worker evaluates.
std::unique_ptr<Device> evaluation_device_for(const Config& config, const TrainOptions& options) {
  ChosenDevices devices;
  if (!options.create_fleet) devices = choose_devices(config);
  return create_evaluation_device(devices, config);
}

// An epoch that has been enqueued: what it downloads, and the ticket of the tasks that complete it.
struct Slot {
  EpochRecord record;
  std::vector<double> scalars;
  std::vector<std::uint64_t> bytes;  // per device
  std::shared_ptr<Network> network;  // when the epoch is evaluated
};

class Trainer {
 public:
  Trainer(Config config, Problem problem, const RunFolder& folder, Reporter& reporter, const TrainOptions& options,
          bool resident)
      : config_(std::move(config)),
        problem_(std::move(problem)),
        folder_(folder),
        reporter_(reporter),
        options_(options),
        activation_(activation_rule(config_.model)),
        runner_(config_, problem_, fleet_for(config_, options)),
        evaluator_(problem_, activation_, evaluation_device_for(config_, options),
                   evaluation_shape(config_, problem_.shape(), problem_.part_nodes(), resident)) {
    for (const StageConfig& stage : config_.stages) total_epochs_ += stage.epochs;
    for (int rank = 0; options_.trace != nullptr && rank < runner_.fleet().size(); ++rank) {
      runner_.fleet().context(rank).device->trace(&options_.trace->sink(rank));
    }
  }
  ~Trainer() { runner_.settle(); }  // after an error workers may still be writing into in_flight_
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  TrainResult run(const Checkpoint* from);

 private:
  // True when the stage ended, false when a signal asked to stop.
  bool run_stage(int stage, std::int64_t done);
  void enqueue_epoch(int stage, std::int64_t epoch);
  void complete_epoch();
  void take_evaluations(bool all);
  void publish();
  bool converged() const;
  void profile(int rank, std::int64_t epoch);
  void evaluate_last_epoch();
  void checkpoint(int stage, std::int64_t stage_epoch, bool complete);
  bool stop_requested() const { return options_.stop && options_.stop->load(); }

  Config config_;
  Problem problem_;
  std::vector<double> input_probe_;  // as the run began; empty before its first checkpoint
  const RunFolder& folder_;
  Reporter& reporter_;
  TrainOptions options_;
  ActivationRule activation_;
  std::int64_t total_epochs_ = 0;

  Network network_;  // at the start of the stage, in the problem's coordinates
  StageRunner runner_;

  std::deque<Slot> in_flight_;
  std::deque<EpochRecord> unpublished_;  // complete, waiting for their evaluation
  std::int64_t epochs_done_ = 0;
  std::vector<double> recent_objectives_;
  double last_relative_residual_ = 0;
  BestWeights best_;
  std::vector<StageBest> best_of_stages_;  // of the stages before this one
  Clock::time_point start_;
  double seconds_before_ = 0, evaluation_before_ = 0;  // of the run that this one continues
  std::uint64_t bytes_before_ = 0;
  Evaluator evaluator_;  // last: its thread reads problem_
};

void Trainer::enqueue_epoch(int stage, std::int64_t epoch) {
  const StageConfig& stage_config = config_.stages[static_cast<std::size_t>(stage) - 1];
  Slot slot;
  slot.record.epoch = epochs_done_ + static_cast<std::int64_t>(in_flight_.size()) + 1;
  slot.record.stage = stage;
  slot.record.stage_epoch = epoch + 1;
  slot.record.layers = runner_.spec().layers();
  const std::int64_t scheduled = scheduled_bits(config_.exchange, epoch);
  slot.record.bits_p = wire_format(config_.exchange.p, scheduled).bits;
  slot.record.bits_q = wire_format(config_.exchange.q, scheduled).bits;
  slot.scalars.resize(static_cast<std::size_t>(runner_.spec().layers()) * kLayerScalars);
  slot.bytes.resize(static_cast<std::size_t>(runner_.active()));
  const bool last = epoch + 1 == stage_config.epochs;
  if (last || (epoch + 1) % config_.train.evaluate_every == 0) {
    slot.network = std::make_shared<Network>(runner_.empty_network());
  }
  in_flight_.push_back(std::move(slot));
  Slot& target = in_flight_.back();  // a deque keeps its elements in place
  const std::int64_t run_epoch = target.record.epoch;
  runner_.fleet().post_all(runner_.active(), [this, &target, epoch, run_epoch](int rank) {
    if (options_.before_iteration) options_.before_iteration(rank, run_epoch);
    profile(rank, run_epoch);
    StageProgram& program = runner_.program(rank);
    program.enqueue_iteration(epoch, true);
    program.enqueue_scalars(target.scalars.data());
    if (target.network) program.enqueue_weights(*target.network);
    program.mark_downloads(epoch);
    target.bytes[static_cast<std::size_t>(rank)] = runner_.fleet().context(rank).transport->counters().bytes_sent;
  });
}

// Begins and ends the window that a profiler records.
void Trainer::profile(int rank, std::int64_t epoch) {
  if (options_.profile_count == 0 || rank != 0) return;
  if (epoch == options_.profile_first) accelerator()->profile(true);
  if (epoch != options_.profile_first + options_.profile_count) return;
  runner_.fleet().context(rank).compute->synchronize();  // what belongs to the window has run
  accelerator()->profile(false);
}

void Trainer::complete_epoch() {
  Slot& slot = in_flight_.front();
  const std::int64_t epoch = slot.record.stage_epoch - 1;
  const std::uint64_t ticket = runner_.fleet().post_all(
      runner_.active(), [this, epoch](int rank) { runner_.program(rank).finish_downloads(epoch); });
  runner_.fleet().wait(ticket);
  EpochRecord record = slot.record;
  record.seconds = seconds_before_ + seconds_since(start_);
  record.bytes_sent = bytes_before_;
  for (const std::uint64_t bytes : slot.bytes) record.bytes_sent += bytes;
  // Devices that this stage does not use keep what they sent before.
  for (int rank = static_cast<int>(slot.bytes.size()); rank < runner_.fleet().size(); ++rank) {
    record.bytes_sent += runner_.fleet().context(rank).transport->counters().bytes_sent;
  }
  read_scalars(slot.scalars, config_.method, record);
  recent_objectives_.push_back(record.objective);
  last_relative_residual_ = record.relative_residual;
  const auto window = static_cast<std::size_t>(config_.train.stop.window) + 1;
  if (recent_objectives_.size() > window) recent_objectives_.erase(recent_objectives_.begin());
  record.awaits_evaluation = slot.network != nullptr;
  unpublished_.push_back(record);
  if (slot.network) evaluator_.submit(record.epoch, std::move(slot.network));
  in_flight_.pop_front();
  ++epochs_done_;
}

// Records are published in order; those that are evaluated wait for their result.
void Trainer::take_evaluations(bool all) {
  for (;;) {
    while (!unpublished_.empty() && !unpublished_.front().awaits_evaluation) publish();
    if (unpublished_.empty()) return;
    auto result = evaluator_.next(all);
    if (!result) return;
    for (EpochRecord& record : unpublished_) {
      if (record.epoch != result->epoch) continue;
      record.accuracy = result->accuracies;
      record.awaits_evaluation = false;
    }
    // The model is that of the last stage: each stage starts its own search for the best weights.
    // Without validation nodes the latest weights count as the best.
    const double score = result->accuracies.validation;
    if (best_.epoch == 0 || !std::isfinite(score) || score > best_.accuracies.validation) {
      best_ = {result->epoch, result->accuracies, std::move(*result->network)};
    }
  }
}

void Trainer::publish() {
  folder_.append(unpublished_.front());
  reporter_.epoch_done(unpublished_.front(), total_epochs_);
  unpublished_.pop_front();
}

bool Trainer::converged() const {
  const StopConfig& stop = config_.train.stop;
  if (stop.residual && last_relative_residual_ < *stop.residual) return true;
  if (stop.objective && recent_objectives_.size() == static_cast<std::size_t>(stop.window) + 1) {
    const double change = std::fabs(recent_objectives_.back() - recent_objectives_.front());
    return change < *stop.objective * std::fabs(recent_objectives_.back());
  }
  return false;
}

// The last epoch of a stage is always evaluated, also one that turns out to be the last only when it is over.
void Trainer::evaluate_last_epoch() {
  EpochRecord& last = unpublished_.back();
  if (last.awaits_evaluation) return;
  last.awaits_evaluation = true;
  const auto network = std::make_shared<Network>(runner_.empty_network());
  runner_.run_all([&](int rank) { runner_.program(rank).enqueue_weights(*network); });
  evaluator_.submit(last.epoch, network);
}

bool Trainer::run_stage(int stage, std::int64_t done) {
  const StageConfig& stage_config = config_.stages[static_cast<std::size_t>(stage) - 1];
  const StopConfig& stop = config_.train.stop;
  const std::int64_t every = config_.train.checkpoint_every;
  // Epochs enqueued ahead of the one waited for. None when an epoch's metrics decide whether another follows.
  const std::size_t ahead = stop.residual || stop.objective ? 0 : 1;
  bool ended = done >= stage_config.epochs;
  std::int64_t epoch = done;
  while (!ended) {
    enqueue_epoch(stage, epoch++);
    const bool save = every > 0 && (epochs_done_ + static_cast<std::int64_t>(in_flight_.size())) % every == 0;
    const bool interrupted = stop_requested();
    ended = epoch == stage_config.epochs;
    while (in_flight_.size() > (ended || save || interrupted ? 0 : ahead)) {
      complete_epoch();
      if (!ended && in_flight_.empty() && converged()) {
        reporter_.message("stage " + std::to_string(stage) + " converged after " + std::to_string(epoch) + " epochs");
        ended = true;
        evaluate_last_epoch();
      }
      take_evaluations(false);
    }
    if (save || interrupted) checkpoint(stage, epoch, ended);
    if (interrupted) return false;
  }
  take_evaluations(true);
  return true;
}

void Trainer::checkpoint(int stage, std::int64_t stage_epoch, bool complete) {
  take_evaluations(true);
  Checkpoint c;
  c.stage = stage;
  c.stage_epoch = stage_epoch;
  c.stage_complete = complete;
  c.epoch = epochs_done_;
  c.seconds = seconds_before_ + seconds_since(start_);
  c.evaluation_seconds = evaluation_before_ + evaluator_.seconds();
  c.bytes_sent = bytes_before_ + runner_.fleet().traffic().bytes_sent;
  c.recent_objectives = recent_objectives_;
  c.config = to_json(config_).dump();
  if (input_probe_.empty()) input_probe_ = problem_.input.probe();
  c.input_probe = input_probe_;
  c.best = best_;
  c.best_of_stages = best_of_stages_;
  c.state = runner_.save();
  save_checkpoint(checkpoint_path(folder_.checkpoints(), c.epoch), c);
  remove_old_checkpoints(folder_.checkpoints(), 2);
}

void check_best_fits(const Checkpoint& from, const Network& stage) {
  const Network& best = from.best.network;
  bool fits = best.empty() ? !from.stage_complete : best.size() == stage.size();
  for (std::size_t l = 0; fits && l < best.size(); ++l) {
    fits = best[l].w.rows() == stage[l].w.rows() && best[l].w.cols() == stage[l].w.cols();
  }
  if (!fits)
    throw DataError("checkpoint: the best weights are not of the shape of stage " + std::to_string(from.stage));
}

TrainResult Trainer::run(const Checkpoint* from) {
  start_ = Clock::now();
  const MethodConfig& method = config_.method;
  const std::uint64_t seed = config_.train.seed;
  int first_stage = 1;
  std::int64_t done = 0;
  if (from) {
    input_probe_ = from->input_probe;
    first_stage = from->stage;
    done = from->stage_complete ? config_.stages[static_cast<std::size_t>(from->stage) - 1].epochs : from->stage_epoch;
    epochs_done_ = from->epoch;
    seconds_before_ = from->seconds;
    evaluation_before_ = from->evaluation_seconds;
    bytes_before_ = from->bytes_sent;
    recent_objectives_ = from->recent_objectives;
    best_ = from->best;
    best_of_stages_ = from->best_of_stages;
  }
  // A resumed stage restores its weights over these.
  const int first_layers = static_cast<int>(config_.stages[static_cast<std::size_t>(first_stage) - 1].layers);
  network_ = initial_network(runner_.spec_of(first_layers).widths, method.init_scale_first, method.identity_init, seed);
  for (int stage = first_stage; stage <= static_cast<int>(config_.stages.size()); ++stage) {
    const int layers = static_cast<int>(config_.stages[static_cast<std::size_t>(stage) - 1].layers);
    if (stage > first_stage) {
      network_ = grown(network_, layers, method.growth_head == GrowthHead::restart, method.identity_init, seed);
    }
    runner_.build(layers, network_);
    reporter_.stage_begins(stage, layers, runner_.spec().ranges);
    const bool restored = from && stage == first_stage;
    if (restored) {
      check_best_fits(*from, runner_.empty_network());
      runner_.restore(from->state);
    } else {
      runner_.forward();
    }
    if (!restored) {
      recent_objectives_.clear();
      best_ = {};
    }
    if (!run_stage(stage, restored ? done : 0)) {
      TrainResult result;
      result.interrupted = true;
      result.epoch = epochs_done_;
      return result;
    }
    best_of_stages_.push_back({layers, best_.epoch, best_.accuracies});
    network_ = runner_.fetch();
  }
  check_finite(network_);
  profile(0, options_.profile_first + options_.profile_count);  // where the window reaches over the end

  // The last stage's exchange of q is still under way on the lazy streams: let it end, so that times are whole.
  runner_.run_all([this](int rank) { runner_.fleet().context(rank).exchange->synchronize(); });
  const double seconds = seconds_before_ + seconds_since(start_);
  Network best = best_.network;
  best.front() = problem_.input.expanded(best.front());
  folder_.write_best(best, config_, best_.epoch);

  RunFigures figures;
  figures.epochs = epochs_done_;
  figures.seconds = seconds;
  figures.evaluation_seconds = evaluation_before_ + evaluator_.seconds();
  figures.bytes_sent = bytes_before_ + runner_.fleet().traffic().bytes_sent;
  figures.devices = runner_.fleet().size();
  figures.times = runner_.fleet().times();
  figures.memory = runner_.fleet().memory();
  figures.evaluation_memory = evaluator_.memory().peak;
  figures.last_ranges = runner_.spec().ranges;
  figures.best_of_stages = best_of_stages_;
  TrainResult result;
  result.epoch = epochs_done_;
  result.json = make_result(config_, problem_, best_, figures);
  folder_.write_result(result.json);
  return result;
}

Problem prepare(Config& config) { return make_problem(config, hardware_threads()); }

// Other inputs than those that the run began with: a dataset that has changed, or, with QR, coordinates that another
// device or library chose; what was trained means nothing there. What may be rounding is told only.
void check_inputs(const RunFolder& folder, const std::vector<double>& begun, const TrainingInput& input,
                  Reporter& reporter) {
  constexpr double kRounding = 1e-3;
  if (begun.empty()) return;
  const std::vector<double> now = input.probe();
  if (begun == now) return;
  double largest = 0.0, apart = begun.size() == now.size() ? 0.0 : HUGE_VAL;
  for (std::size_t i = 0; i < std::min(begun.size(), now.size()); ++i) {
    largest = std::max(largest, std::fabs(begun[i]));
    apart = std::max(apart, std::fabs(begun[i] - now[i]));
  }
  const std::string where = folder.path().string() + ": the inputs of layer 1 ";
  if (!(apart <= kRounding * largest)) {
    throw DataError(
        where +
        "are not those that the run began with: the dataset has changed, or, where training nodes are fewer "
        "than inputs, this machine's devices and libraries choose other coordinates for them; resume with "
        "the dataset, machine and devices that the run began with");
  }
  char share[32];
  std::snprintf(share, sizeof share, "%.1e", apart / largest);
  reporter.warning(where + "differ by " + share +
                   " of their size from those that the run began with, as other devices, libraries or their memory "
                   "make them: the result will differ a little from that of an uninterrupted run");
}

}  // namespace

TrainResult train(Config config, const std::filesystem::path& config_folder, const RunFolder& folder,
                  Reporter& reporter, const TrainOptions& options) {
  // config.json repeats the run wherever it lies, with the same number of workers.
  const ChosenDevices devices = choose_devices(config);
  if (!devices.note.empty()) reporter.message(devices.note);
  config.devices = devices.text();
  locate_dataset(config.dataset, config_folder);
  Problem problem = prepare(config);
  folder.write_config(config);
  reporter.prepared(problem, config, devices.count);
  const bool resident = options.check && options.check(config, problem);
  Trainer trainer(std::move(config), std::move(problem), folder, reporter, options, resident);
  return trainer.run(nullptr);
}

TrainResult resume(const RunFolder& folder, Reporter& reporter, const TrainOptions& options) {
  Config config = load_config(folder.config_path());
  std::vector<std::string> warnings;
  const Checkpoint from = load_latest_checkpoint(folder.checkpoints(), warnings);
  for (const std::string& warning : warnings) reporter.warning(warning);
  const Config saved = parse_config_text(from.config, folder.checkpoints().string());
  Config comparable = config;
  comparable.devices = saved.devices;  // layers may move to other workers
  comparable.partition = saved.partition;
  if (to_json(comparable) != to_json(saved)) {
    throw ConfigError(
        folder.config_path().string() +
        ": differs from the config that its checkpoint was made with; only devices and partition may change");
  }
  if (from.stage < 1 || from.stage > static_cast<int>(config.stages.size())) {
    throw DataError(folder.checkpoints().string() + ": stage " + std::to_string(from.stage) + " is not in the config");
  }
  const std::int64_t stage_epochs = config.stages[static_cast<std::size_t>(from.stage) - 1].epochs;
  if (from.stage_epoch < 0 || from.stage_epoch > stage_epochs || from.epoch < from.stage_epoch) {
    throw DataError(folder.checkpoints().string() + ": stage_epoch " + std::to_string(from.stage_epoch) +
                    " is not in stage " + std::to_string(from.stage) + " of " + std::to_string(stage_epochs) +
                    " epochs");
  }
  locate_dataset(config.dataset, folder.path());
  const int devices = choose_devices(config).count;
  Problem problem = prepare(config);
  check_inputs(folder, from.input_probe, problem.input, reporter);
  folder.truncate_metrics(from.epoch);
  reporter.prepared(problem, config, devices);
  const bool resident = options.check && options.check(config, problem);
  reporter.message("resuming after epoch " + std::to_string(from.epoch));
  Trainer trainer(std::move(config), std::move(problem), folder, reporter, options, resident);
  return trainer.run(&from);
}

}  // namespace gamlp
