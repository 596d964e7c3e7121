#include "host/train/trainer.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <deque>
#include <memory>
#include <utility>

#include "host/config/locate.hpp"
#include "host/config/parse.hpp"
#include "host/core/error.hpp"
#include "host/core/threads.hpp"
#include "host/cpu/blas.hpp"
#include "host/device/accelerator.hpp"
#include "host/problem/chosen_devices.hpp"
#include "host/store/run_state.hpp"
#include "host/store/saved_config.hpp"
#include "host/train/bookkeeper.hpp"
#include "host/train/continuation.hpp"
#include "host/train/convergence.hpp"
#include "host/train/processes.hpp"
#include "host/train/stage_runner.hpp"

namespace gamlp {
namespace {

// An epoch that has been enqueued but is not complete, and the memory that its downloads go to.
struct Slot {
  EpochRecord record;
  std::vector<double> scalars;
  std::vector<std::uint64_t> bytes;   // per device
  std::vector<std::uint64_t> hashes;  // of weights, likewise; empty: not asked for
  std::vector<Network> networks;      // of each replica, when the epoch is evaluated; else empty
};

// Drives the devices of this process through the run. In a run of several processes each has a Trainer, and all do the
// same steps. What they decide by, they share before (processes.hpp). `books` and `reporter` are null but on rank 0.
class Trainer {
 public:
  Trainer(const Config& config, const Problem& problem, std::unique_ptr<Fleet> fleet, Bookkeeper* books,
          Reporter* reporter, const TrainOptions& options)
      : config_(config),
        problem_(problem),
        books_(books),
        reporter_(reporter),
        options_(options),
        group_(*options.group),
        runner_(config_, problem, std::move(fleet), group_) {
    for (int rank = 0; options_.trace != nullptr && rank < runner_.fleet().size(); ++rank) {
      if (runner_.fleet().local(rank)) runner_.fleet().context(rank).device->trace(&options_.trace->sink(rank));
    }
  }
  ~Trainer() { runner_.settle(); }  // after an error workers may still be writing into in_flight_
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  // Goes on from the checkpoint `from`, or starts with the weights of `warm`, which rank 0 has where train.from is set.
  TrainResult run(const Checkpoint* from, const WarmStart* warm);

 private:
  // Trains a stage after its first `done` epochs. Returns true when it ended, false when a signal asked to stop.
  bool run_stage(int stage, std::int64_t done);
  // Posts an epoch (0-based within the stage) to the devices of this process, and does not wait for it.
  void enqueue_epoch(int stage, std::int64_t epoch);
  // Waits for the oldest epoch in flight, shares its figures with the other processes, and hands it to the bookkeeper.
  void complete_epoch();
  void take_evaluations(bool all);
  void profile(int rank, std::int64_t epoch);
  void evaluate_last_epoch();
  void checkpoint(int stage, std::int64_t stage_epoch, bool complete);
  // The weights that stage `stage` starts from, in its coordinates, and the epoch that they are of. network_ has the
  // last ones of the stage before.
  Network next_start(int stage, std::int64_t& epoch);
  bool stop_requested() const { return options_.stop && options_.stop->load(); }

  const Config& config_;
  const Problem& problem_;
  Bookkeeper* books_;
  Reporter* reporter_;
  TrainOptions options_;
  ProcessGroup& group_;

  Network network_;  // at the start of the stage, in its coordinates
  StageRunner runner_;

  // Whether epochs have hashes of the weights. A build for debugging compares them wherever several devices hold the
  // same.
  bool hashes() const {
#ifdef NDEBUG
    return config_.train.weights_hash;
#else
    return config_.train.weights_hash || runner_.spec().placement.shards > 1;
#endif
  }

  std::deque<Slot> in_flight_;
  std::int64_t epochs_done_ = 0, stage_epoch_ = 0, saved_epoch_ = 0;  // saved: of the newest checkpoint
  RecentEpochs recent_;
  bool last_evaluated_ = false;
  bool exhausted_ = false;  // the stage is to end, by patience
  bool stopping_ = false;   // a signal asked to stop, here or in another process
};

void Trainer::enqueue_epoch(int stage, std::int64_t epoch) {
  const StageConfig& stage_config = config_.stages[static_cast<std::size_t>(stage) - 1];
  Slot slot;
  slot.record.epoch = epochs_done_ + static_cast<std::int64_t>(in_flight_.size()) + 1;
  slot.record.stage = stage;
  slot.record.stage_epoch = epoch + 1;
  slot.record.layers = runner_.spec().layers();
  const StageSpec& spec = runner_.spec();
  const std::int64_t steps = spec.method->steps_per_epoch(spec);
  if (steps > 1) slot.record.stage_steps = steps * slot.record.stage_epoch;
  for (const BoundaryMessage& message : spec.method->messages(spec.nodes, config_.model.width, epoch)) {
    slot.record.bits.emplace_back(message.name, message.bits);
  }
  slot.scalars.resize(spec.scalar_count());
  slot.bytes.resize(static_cast<std::size_t>(runner_.active()));
  if (hashes()) slot.hashes.resize(slot.bytes.size());
  const bool last = epoch + 1 == stage_config.epochs;
  if (last || (epoch + 1) % config_.train.evaluate_every == 0) {
    slot.networks = runner_.download_buffers();
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
    if (!target.hashes.empty()) program.enqueue_hash(&target.hashes[static_cast<std::size_t>(rank)]);
    if (!target.networks.empty()) program.enqueue_weights(target.networks[runner_.replica_of(rank)]);
    program.mark_downloads(epoch);
    target.bytes[static_cast<std::size_t>(rank)] = runner_.fleet().context(rank).transport->counters().bytes_sent;
  });
}

// Begins and ends the window of epochs that a profiler records. Only the device of rank 0 does it.
void Trainer::profile(int rank, std::int64_t epoch) {
  if (options_.profile_count == 0 || rank != 0 || !runner_.fleet().local(rank)) return;
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
  EpochShare share;
  if (books_ != nullptr && config_.train.stop.patience) {
    books_->take_evaluations(true);
    share.ended = exhausted(slot.record.stage_epoch, books_->best_stage_epoch(), config_.train.evaluate_every,
                            config_.train.stop);
  }
  runner_.fleet().wait(ticket);
  for (int rank = 0; rank < runner_.fleet().size(); ++rank) {
    if (!runner_.fleet().local(rank)) continue;
    // Devices that this stage does not use keep what they sent before.
    share.bytes_sent += rank < runner_.active() ? slot.bytes[static_cast<std::size_t>(rank)]
                                                : runner_.fleet().context(rank).transport->counters().bytes_sent;
  }
  share.stop = stopping_ || stop_requested();
  share.hashes = slot.hashes;
  share_epoch(group_, runner_.spec().placement, slot.scalars, share);
  stopping_ = share.stop;
  exhausted_ = share.ended;
  static_cast<TrainingFigures&>(slot.record) =
      runner_.spec().method->figures(runner_.spec(), slot.scalars, slot.record.epoch);
  if (runner_.spec().method->observes()) {
    runner_.fleet().post_all(runner_.active(), [this, epoch, scalars = slot.scalars](int rank) {
      runner_.program(rank).observe(epoch, scalars);
    });
  }
  const std::uint64_t hash = hash_of_replicas(runner_.spec().placement, share.hashes, slot.record.epoch);
  if (config_.train.weights_hash) slot.record.weights_hash = hash;
  add_epoch(recent_, slot.record, config_.train.stop);
  last_evaluated_ = !slot.networks.empty();
  if (last_evaluated_) gather_weights(group_, runner_.spec().placement, slot.networks);
  if (books_ != nullptr) books_->epoch_done(slot.record, share.bytes_sent, std::move(slot.networks));
  stage_epoch_ = slot.record.stage_epoch;
  in_flight_.pop_front();
  ++epochs_done_;
}

void Trainer::take_evaluations(bool all) {
  if (books_ != nullptr) books_->take_evaluations(all);
}

// Evaluates the last epoch of a stage, unless it has been evaluated. An epoch may turn out to be the last only when it
// is over.
void Trainer::evaluate_last_epoch() {
  if (last_evaluated_) return;
  std::vector<Network> networks = runner_.download_weights();
  if (books_ != nullptr) books_->evaluate_last(std::move(networks));
}

bool Trainer::run_stage(int stage, std::int64_t done) {
  const StageConfig& stage_config = config_.stages[static_cast<std::size_t>(stage) - 1];
  const StopConfig& stop = config_.train.stop;
  const std::int64_t every = config_.train.checkpoint_every;
  // Epochs enqueued ahead of the one waited for. None when an epoch's metrics decide whether another follows.
  const std::size_t ahead = stop.residual || stop.objective || stop.patience ? 0 : 1;
  bool ended = done >= stage_config.epochs;
  std::int64_t epoch = done;
  while (!ended) {
    enqueue_epoch(stage, epoch++);
    const bool save = every > 0 && (epochs_done_ + static_cast<std::int64_t>(in_flight_.size())) % every == 0;
    ended = epoch == stage_config.epochs;
    if (group_.size() == 1) stopping_ = stop_requested();  // otherwise known to all when the epoch is complete
    while (in_flight_.size() > (ended || save || stopping_ ? 0 : ahead)) {
      complete_epoch();
      if (!ended && in_flight_.empty() && (exhausted_ || converged(recent_, stop))) {
        if (reporter_ != nullptr) {
          const std::string name = "stage " + std::to_string(stage),
                            after = " after " + std::to_string(epoch) + " epochs";
          reporter_->message(exhausted_ ? name + " ended" + after + ", the last " + std::to_string(*stop.patience) +
                                              " evaluated without a better validation accuracy"
                                        : name + " converged" + after);
        }
        ended = true;
        evaluate_last_epoch();
      }
      take_evaluations(false);
    }
    if (save || stopping_) checkpoint(stage, epoch, ended);
    if (stopping_) return false;
  }
  take_evaluations(true);
  return true;
}

void Trainer::checkpoint(int stage, std::int64_t stage_epoch, bool complete) {
  Checkpoint c;
  c.stage = stage;
  c.stage_epoch = stage_epoch;
  c.stage_complete = complete;
  c.epoch = epochs_done_;
  saved_epoch_ = epochs_done_;
  c.recent = recent_;
  c.state = runner_.save();
  const std::uint64_t bytes = gather_bytes_sent(group_, runner_.fleet());
  if (books_ != nullptr) books_->checkpoint(std::move(c), bytes);
}

Network Trainer::next_start(int stage, std::int64_t& epoch) {
  const StageConfig& config = config_.stages[static_cast<std::size_t>(stage) - 1];
  if (config.start == StageStart::best) {
    if (books_ != nullptr) network_ = books_->best_of_last_stage().network, epoch = books_->best_of_last_stage().epoch;
    broadcast_weights(group_, network_);
  }
  if (problem_.kind(stage) != problem_.kind(stage - 1)) {  // rank 0 has the inputs
    LayerWeights& first = network_.front();
    const BlasThreads one(1);  // the bits of products may depend on the number
    first = books_ != nullptr ? problem_.input(stage).reduced(problem_.input(stage - 1).expanded(first))
                              : LayerWeights{Matrix(first.w.rows(), problem_.shape(stage).input_width()), first.b};
    broadcast_weights(group_, network_);  // every shard has layer 1
  }
  return grown(network_, static_cast<int>(config.layers), method_of(config_, stage), config_.train.seed);
}

TrainResult Trainer::run(const Checkpoint* from, const WarmStart* warm) {
  const std::uint64_t seed = config_.train.seed;
  int first_stage = 1;
  std::int64_t done = 0;
  if (from) {
    first_stage = from->stage;
    done = from->stage_complete ? config_.stages[static_cast<std::size_t>(from->stage) - 1].epochs : from->stage_epoch;
    epochs_done_ = saved_epoch_ = from->epoch;
    recent_ = from->recent;
  }
  // A resumed stage restores its weights over these.
  network_ = runner_.initial(first_stage, seed);
  if (!from && config_.train.from) {
    const BlasThreads one(1);
    if (warm != nullptr) network_ = warm_network(*warm, config_, problem_, network_);
    broadcast_weights(group_, network_);
  }
  for (int stage = first_stage; stage <= stage_count(config_); ++stage) {
    std::int64_t origin = epochs_done_;
    if (stage > first_stage) network_ = next_start(stage, origin);
    runner_.build(stage, network_);
    if (books_ != nullptr) books_->stage_is_built(stage);
    if (reporter_ != nullptr) reporter_->stage_begins(stage, runner_.spec().layers(), runner_.spec().placement);
    const bool restored = from && stage == first_stage;
    if (restored) {
      if (books_ != nullptr) books_->check_best_fits(*from, runner_.empty_network());
      const std::optional<FittedState> fitted = runner_.spec().method->fitted_state(from->state, runner_.spec());
      if (fitted && !fitted->note.empty() && reporter_ != nullptr) reporter_->message(fitted->note);
      runner_.restore(fitted ? fitted->state : from->state);
    } else {
      runner_.start();
      recent_ = {};
      if (books_ != nullptr) books_->stage_starts(stage, origin, network_);
    }
    if (stage == first_stage && options_.set_up_done) options_.set_up_done();
    if (!run_stage(stage, restored ? done : 0)) {
      TrainResult result;
      result.interrupted = true;
      result.epoch = epochs_done_;
      return result;
    }
    // From here the finished run can go on with further epochs or stages.
    const bool last = stage == stage_count(config_);
    if (last && books_ != nullptr) books_->training_ends();
    if (last && config_.train.checkpoint_every > 0 && saved_epoch_ < epochs_done_)
      checkpoint(stage, stage_epoch_, true);
    if (books_ != nullptr) books_->stage_ends();
    network_ = runner_.fetch();
  }
  check_finite(network_);
  profile(0, options_.profile_first + options_.profile_count);  // where the window reaches over the end

  // The last stage's last messages may still be under way on the lazy streams: let it end, so that times are whole.
  runner_.run_all([this](int rank) { runner_.fleet().context(rank).exchange->synchronize(); });
  RunFigures figures;
  figures.epochs = epochs_done_;
  figures.devices = runner_.fleet().size();
  figures.times = gather_times(group_, runner_.fleet());
  figures.memory = gather_memory(group_, runner_.fleet());
  figures.placement = runner_.spec().placement;
  const std::uint64_t bytes = gather_bytes_sent(group_, runner_.fleet());
  TrainResult result;
  result.epoch = epochs_done_;
  if (books_ != nullptr) result = books_->finish(std::move(figures), bytes);
  // No process ends before the result is written. Connections end before: one that fails later would end those with an
  // error that have not heard yet that all is well.
  for (int rank = 0; rank < runner_.fleet().size(); ++rank) {
    if (runner_.fleet().local(rank)) runner_.fleet().context(rank).transport->close();
  }
  agree(group_, [] {});
  return result;
}

// Compares the inputs with those that the run began with. They differ where the dataset has changed, or, with QR, where
// another device or library chose other coordinates. What was trained means nothing there, so it throws DataError. For
// a difference that may be rounding it only warns.
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

void tell_start(const WarmStart& start, Reporter& reporter) {
  for (const std::string& note : start.model.notes) reporter.message(note);
  for (const std::string& warning : start.warnings) reporter.warning(warning);
  reporter.message("starting from the " + std::to_string(start.model.network.size()) + " layers of " +
                   start.file.string());
}

// What only rank 0 brings into a run.
struct Book {
  const RunFolder& folder;
  Reporter& reporter;
};

// Trains on every process of the group. `begin` returns the config, whose paths are absolute, and what to resume from.
// Once it is known what devices there are, `prepare` makes the problem. Both may throw. Only rank 0 has them and the
// book. Elsewhere they are empty.
TrainResult train_together(const std::function<TrainingStart()>& begin,
                           const std::function<void(TrainingStart&, ChosenDevices&)>& prepare, const Book* book,
                           const TrainOptions& options) {
  ProcessGroup& group = *options.group;
  TrainingStart start;
  agree(group, [&] {
    if (book != nullptr) start = begin();
  });
  broadcast_config(group, start.config);
  group.set_timeouts({start.config.distributed.timeout, start.config.distributed.stall_timeout});
  ChosenDevices devices;
  if (!options.create_fleet) {
    devices = choose_devices(start.config, group);
    group.name_devices(devices.names());
    // config.json repeats the run wherever it lies, with the same number of workers.
    start.config.devices = devices.text();
  }
  agree(group, [&] {
    if (book == nullptr) return;
    ChosenDevices configs;  // where the fleet is another one
    if (options.create_fleet) configs = choose_devices(start.config);
    prepare(start, options.create_fleet ? configs : devices);
  });
  const Preparation trained = broadcast_start(group, start);
  if (group.size() > 1 && start.config.distributed.dataset == DatasetReading::each_process) {
    agree(group, [&] {
      if (book != nullptr) return;
      const std::vector<InputKind> kinds = start.problem.stage_kinds;  // rank 0's
      start.problem = prepare_problem(start.config, hardware_threads(), devices, trained, kinds).problem;
    });
    expect_same_problem(group, start.problem);
  }
  DeviceRoom room;
  if (options.check) {
    const std::vector<std::size_t> free = free_memory(devices, group);
    agree(group, [&] {
      if (book != nullptr) room = options.check(start.config, start.problem, devices, free);
    });
    broadcast(group, std::as_writable_bytes(std::span(&room, 1)));
    if (book != nullptr && room.node_memory && !start.config.node_memory) {
      book->reporter.message("tensors of nodes take " + std::to_string(*room.node_memory) +
                             " MB of each device (node_memory); the others pass through it from the host's memory, "
                             "since the devices have no room for all");
    }
    start.config.node_memory = room.node_memory;
  }
  const Checkpoint* from = start.from ? &*start.from : nullptr;
  std::optional<Bookkeeper> books;
  std::unique_ptr<Fleet> fleet;
  std::optional<Trainer> trainer;
  TrainResult result;
  tell_failure(group, [&] {
    fleet = options.create_fleet ? options.create_fleet(device_count(start.config))
                                 : create_fleet(devices, start.config, group);
    agree(group, [&] {
      if (book == nullptr) return;
      // Beside a fleet that is not the config's, a CPU worker evaluates.
      books.emplace(start.config, start.problem, book->folder, book->reporter,
                    create_evaluation_device(devices, start.config), room.evaluation_inputs, from);
    });
    trainer.emplace(start.config, start.problem, std::move(fleet), books ? &*books : nullptr,
                    book != nullptr ? &book->reporter : nullptr, options);
    result = trainer->run(from, start.warm ? &*start.warm : nullptr);
  });
  return result;
}

// Makes the problem on the devices, where the run is placed if the config leaves that open. Returns the config for
// config.json, which repeats the run on any devices: what was left open stays so, but for the number of workers.
Config prepare_on(TrainingStart& start, ChosenDevices& devices, const std::vector<InputKind>& begun,
                  const TrainOptions& options) {
  const PartitionConfig partition = start.config.partition;
  const auto place = [&](Config& config, const ProblemShape& shape, const std::vector<InputKind>& kinds) {
    if (!options.place) return std::string();
    std::string note = options.place(config, devices, shape, kinds);
    config.devices = devices.text();
    return note;
  };
  static_cast<PreparedProblem&>(start) =
      prepare_problem(start.config, hardware_threads(), devices, start.trained(), begun, place);
  Config written = start.config;
  written.partition = partition.workers ? start.config.partition : partition;
  return written;
}

// Does the same on rank 0, and writes into the run folder how the run ends.
TrainResult train_in(const Book& book, StateKeeper& state, const std::function<TrainingStart()>& begin,
                     const std::function<void(TrainingStart&, ChosenDevices&)>& prepare, const TrainOptions& options) {
  TrainResult result;
  state.keep([&] {
    result = train_together(begin, prepare, &book, options);
    return result.interrupted ? ExitCode::interrupted : ExitCode::ok;
  });
  return result;
}

}  // namespace

TrainResult train(Config config, const std::filesystem::path& config_folder, const RunFolder& folder,
                  Reporter& reporter, const TrainOptions& options) {
  StateKeeper state(folder);
  const auto begin = [&] {
    TrainingStart start;
    start.config = config;
    locate_dataset(start.config.dataset, config_folder);
    locate_start(start.config.train, config_folder);
    if (start.config.train.from) start.warm = load_warm_start(start.config);
    return start;
  };
  const auto prepare = [&](TrainingStart& start, ChosenDevices& devices) {
    if (!devices.note.empty()) reporter.message(devices.note);
    const Config written = prepare_on(start, devices, {}, options);
    if (start.warm) {
      expect_fits(*start.warm, start.config, start.problem);
      tell_start(*start.warm, reporter);
      write_model(folder.start_path(), start.warm->model, 0);
    }
    folder.write_config(written);
    state.begins();
    reporter.prepared(start.problem, start.config, devices);
  };
  return train_in({folder, reporter}, state, begin, prepare, options);
}

TrainResult resume(const RunFolder& folder, Reporter& reporter, const TrainOptions& options) {
  StateKeeper state(folder);
  const auto begin = [&] {
    TrainingStart start;
    std::vector<std::string> notes, warnings;
    start.config = load_saved_config(folder.config_path(), notes, options.overrides);
    for (const std::string& note : notes) reporter.message(note);
    start.from = load_latest_checkpoint(folder.checkpoints(), warnings, folder.recorded_epoch());
    for (const std::string& warning : warnings) reporter.warning(warning);
    const std::string note = continue_with(start.config, *start.from, folder.path().string());
    if (!note.empty()) reporter.message(note);
    // A run that ended between its last checkpoint and its result has that to write.
    const bool finished = std::filesystem::exists(folder.result_path());
    if (!options.overrides.empty() && finished && epochs_left(start.config, *start.from) == 0) {
      throw ConfigError(folder.path().string() + ": nothing is left to train after epoch " +
                        std::to_string(start.from->epoch) + ": raise `epochs` of the last stage" +
                        (ended_by_rule(start.config, *start.from) ? " (and change `train.stop`, which ended it)" : "") +
                        ", or add a stage");
    }
    if (options.group->size() > 1) fit_devices(start.config, options.group->size());
    locate_dataset(start.config.dataset, folder.path());
    if (start.config.train.from) start.warm = load_warm_start(start.config, folder.start_path());
    return start;
  };
  const auto prepare = [&](TrainingStart& start, ChosenDevices& devices) {
    const Config written = prepare_on(start, devices, start.from->kinds, options);
    check_inputs(folder, start.from->input_probe, start.problem.input(1), reporter);
    folder.truncate_metrics(start.from->epoch);
    state.begins();
    if (!options.overrides.empty()) {
      folder.withdraw_result();
      folder.write_config(written);
    }
    reporter.prepared(start.problem, start.config, devices);
    reporter.message("resuming after epoch " + std::to_string(start.from->epoch));
  };
  return train_in({folder, reporter}, state, begin, prepare, options);
}

TrainResult join_training(const TrainOptions& options) {
  expects(options.group->rank() != 0, "rank 0 trains or resumes");
  return train_together({}, {}, nullptr, options);
}

}  // namespace gamlp
