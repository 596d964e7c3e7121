// A stage on 1 … n in-process workers, driven iteration by iteration, with its whole state readable.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/config/model.hpp"
#include "host/core/error.hpp"
#include "host/cpu/cpu_fleet.hpp"
#include "host/device/staging.hpp"
#include "host/math/random.hpp"
#include "host/methods/admm/admm_config.hpp"
#include "host/methods/admm/admm_scalars.hpp"
#include "host/methods/backprop/backprop_config.hpp"
#include "host/methods/common/stage_program.hpp"
#include "host/methods/gradient/gradient_program.hpp"
#include "host/methods/registry.hpp"

namespace gamlp::test {

struct Setup {
  std::vector<std::int64_t> widths = {6, 5, 4, 3};
  std::int64_t nodes = 11, epochs = 100;
  std::string method = "pdadmm-g";
  AdmmConfig admm;  // resolved, as the others: see setup_of
  BackpropConfig backprop;
  MethodOptions other;  // of any other method
  ActivationRule activation;
  ExchangeConfig exchange;
  InputKind kind = InputKind::plain;
  int shards = 1, replicas = 1;
  RankOrder order = RankOrder::shards;
  int per_host = 0;                          // devices; 0: all are on one
  int blocks = 0;                            // 0: as many as the method chooses
  std::size_t staging = 0, node_memory = 0;  // bytes; 0 of staging: tensors of nodes are on the devices
  std::uint64_t seed = 1;
  double weight_scale = 0.4;
};

inline Setup setup_of(const std::string& name, double rate, std::int64_t microbatches) {
  Setup s;
  MethodConfig method;
  method.name = name;
  BackpropConfig options;
  options.optimizer.learning_rate = rate, options.microbatches = microbatches;
  set_options(method, options);
  make_method(method)->resolve(method, ModelConfig(), {1024, s.widths.front(), s.widths.back()}, nullptr);
  s.method = name, s.backprop = options_of<BackpropConfig>(method);
  return s;
}

// Of any other method, by the options that it reads. They are resolved: a null would reach the program.
template <class Options>
Setup setup_of(const std::string& name, const Options& options) {
  Setup s;
  MethodConfig method;
  set_options(method, options);
  s.method = name, s.other = method.options;
  return s;
}

inline Setup setup_of(Update update, double nu, double rho) {
  Setup s;
  s.admm.update = update;
  s.admm.nu = nu;
  s.admm.rho = rho;
  s.admm.weight_decay_first = 0.0;
  s.exchange.p.bits = s.exchange.q.bits = 32;
  return s;
}

inline std::shared_ptr<const Method> method_of(const Setup& s) {
  MethodConfig method;
  method.name = s.method;
  set_options(method, s.admm);
  set_options(method, s.backprop);
  method.options.json().update(s.other.json());  // last: methods may share names of keys
  return make_method(method, s.exchange);
}

// Where a setup trains.
struct Grid {
  int workers, shards;
  RankOrder order = RankOrder::shards;
  int per_host = 0;

  void place(Setup& setup) const { setup.shards = shards, setup.order = order, setup.per_host = per_host; }
};

// Of a network of 5 layers.
inline const std::vector<Grid> kGrids = {{1, 1},
                                         {5, 1},
                                         {2, 2},
                                         {3, 3},
                                         {4, 4},
                                         {4, 2},
                                         {6, 3},
                                         {8, 4},
                                         {10, 2},
                                         {4, 2, RankOrder::layers},
                                         {6, 3, RankOrder::layers},
                                         {4, 4, RankOrder::shards, 2},
                                         {8, 4, RankOrder::shards, 2},
                                         {8, 4, RankOrder::layers, 4},
                                         {12, 6, RankOrder::shards, 3}};

// Data and start of a setup: inputs with a mean, as augmented features have, and weights away from the identity.
struct Start {
  Matrix x;
  std::vector<std::int32_t> labels;
  Network network;  // for the original inputs
};

inline Start start_of(const Setup& s) {
  Start start;
  Random random(random_key(s.seed, 42));
  start.x = Matrix(s.nodes, s.widths.front());
  for (float& value : start.x.view().flat()) value = static_cast<float>(0.3 + random.normal());
  for (std::int64_t i = 0; i < s.nodes; ++i) {
    start.labels.push_back(static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(s.widths.back()))));
  }
  for (std::size_t l = 1; l < s.widths.size(); ++l) {
    LayerWeights layer{Matrix(s.widths[l], s.widths[l - 1]), std::vector<float>(static_cast<std::size_t>(s.widths[l]))};
    for (float& w : layer.w.view().flat()) w = static_cast<float>(s.weight_scale * random.normal());
    for (float& b : layer.b) b = static_cast<float>(s.weight_scale * random.normal());
    start.network.push_back(std::move(layer));
  }
  return start;
}

inline Matrix copy_of(const Matrix& x) {
  Matrix out(x.rows(), x.cols());
  std::copy_n(x.data(), x.size(), out.data());
  return out;
}

class Training {
 public:
  // `network`: in the coordinates of `input`. `wrap`: what programs see of a device's context.
  Training(
      const Setup& setup, const TrainingInput& input, const std::vector<std::int32_t>& labels, const Network& network,
      std::unique_ptr<Fleet> fleet,
      const std::function<DeviceContext(DeviceContext)>& wrap = [](DeviceContext c) { return c; })
      : setup_(setup), input_(input), labels_(labels), first_(network.front()), fleet_(std::move(fleet)) {
    input_.scale_initial(first_);
    spec_.widths = setup.widths;
    spec_.widths.front() = input.inputs();
    spec_.nodes = setup.nodes;
    spec_.epochs = setup.epochs;
    spec_.method = method_of(setup);
    spec_.activation = setup.activation;
    spec_.seed = setup.seed;
    spec_.blocks = setup.blocks > 0 ? setup.blocks : spec_.method->blocks(spec_.nodes);
    spec_.placement.shards = setup.shards, spec_.placement.replicas = setup.replicas;
    spec_.placement.order = setup.order;
    for (int rank = 0; setup.per_host > 0 && rank < fleet_->size(); ++rank) {
      spec_.placement.hosts.push_back(rank / setup.per_host);
    }
    spec_.placement.ranges = partition_layers(std::vector<double>(setup.widths.size() - 1, 1.0),
                                              fleet_->size() / setup.shards / setup.replicas);
    programs_.resize(static_cast<std::size_t>(spec_.placement.devices()));
    staging_.resize(programs_.size());
    layers_.resize(spec_.placement.ranks_of(0).size());
    everywhere([&](int rank) {
      DeviceContext context = wrap(fleet_->context(rank));
      if (setup.staging > 0) {
        auto& staging = staging_[static_cast<std::size_t>(rank)];
        staging = std::make_unique<Staging>(*context.device, *context.compute, setup.node_memory, setup.staging);
        context.compute = context.staging = staging.get();
      }
      DeviceInput* layer = nullptr;
      if (spec_.placement.range_of(rank) == 0) {
        const int shard = spec_.placement.shard_of(rank);
        InputShape shape = input_.shape(spec_.widths[1]);
        shape.first = spec_.shard_nodes().first(shard), shape.nodes = spec_.shard_nodes().size(shard);
        auto& place = layers_[static_cast<std::size_t>(spec_.placement.column(rank))];
        place = spec_.method->create_input(context, spec_, rank, shape);
        place->enqueue_upload(*context.compute, input_, spec_.layers());
        place->enqueue_stage(*context.compute, input_, first_);
        layer = place.get();
      }
      auto& program = programs_[static_cast<std::size_t>(rank)];
      program = spec_.method->create_program(context, spec_, rank, layer);
      program->enqueue_upload(network, labels_);
    });
  }
  Training(const Setup& setup, const TrainingInput& input, const std::vector<std::int32_t>& labels,
           const Network& network, int workers)
      : Training(setup, input, labels, network, create_cpu_fleet(workers, 1)) {}
  Training(const Setup& setup, const Start& start, int workers)
      : Training(setup, plain(start), start.labels, start.network, workers) {}
  Training(
      const Setup& setup, const Start& start, std::unique_ptr<Fleet> fleet,
      const std::function<DeviceContext(DeviceContext)>& wrap = [](DeviceContext c) { return c; })
      : Training(setup, plain(start), start.labels, start.network, std::move(fleet), wrap) {}
  ~Training() {
    try {
      settle();
    } catch (...) {  // of a task that failed before: the test has seen it
    }
  }

  // Several `times` without a wait of the host in between.
  void forward(int times = 1) {
    everywhere([&](int rank) {
      for (int i = 0; i < times; ++i) program(rank).enqueue_start();
    });
  }
  // Iterations first … first + count − 1.
  void iterate(std::int64_t first, std::int64_t count) {
    for (std::int64_t epoch = first; epoch < first + count; ++epoch) {
      for (int piece = 0; piece < pieces(epoch); ++piece) {
        post([this, epoch, piece](int rank) { program(rank).enqueue_piece(epoch, piece, true); });
      }
    }
    fleet_->wait();
  }
  void observe(std::int64_t epoch, const std::vector<double>& scalars) {
    everywhere([&](int rank) { program(rank).observe(epoch, scalars); });
  }
  TrainingState state() {
    TrainingState saved;
    for (const auto& p : programs_) {
      if (p) p->describe_state(saved);  // of a device of this process
    }
    everywhere([&](int rank) { program(rank).enqueue_save(saved); });
    return saved;
  }
  void restore(const TrainingState& saved) {
    everywhere([&](int rank) { program(rank).enqueue_restore(saved); });
  }
  // Restores and iterates, or starts again from the weights of a state: the host waits for nothing in between.
  void go_on_from(const TrainingState& saved, std::int64_t first, std::int64_t count) {
    post([&](int rank) { program(rank).enqueue_restore(saved); });
    iterate(first, count);
    everywhere([](int) {});
  }
  void restart(const TrainingState& saved) {
    post([&](int rank) {
      program(rank).enqueue_restore(saved);
      program(rank).enqueue_start();
    });
    everywhere([](int) {});
  }
  std::vector<double> scalars() {
    std::vector<double> out(spec_.scalar_count());
    everywhere([&](int rank) { program(rank).enqueue_scalars(out.data()); });
    return out;
  }
  // Of a replica.
  Network network(int replica = 0) {
    std::vector<Network> all(static_cast<std::size_t>(spec_.placement.replicas));
    for (Network& out : all) {
      for (std::size_t l = 1; l < spec_.widths.size(); ++l) {
        out.push_back({Matrix(spec_.widths[l], spec_.widths[l - 1]),
                       std::vector<float>(static_cast<std::size_t>(spec_.widths[l]))});
      }
    }
    everywhere([&](int rank) {
      program(rank).enqueue_weights(all[static_cast<std::size_t>(spec_.placement.replica_of(rank))]);
    });
    Network& out = all[static_cast<std::size_t>(replica)];
    input_.to_host_layout(out.front());
    return out;
  }
  // Of the weights of each device.
  std::vector<std::uint64_t> hashes() {
    std::vector<std::uint64_t> out(programs_.size());
    everywhere([&](int rank) { program(rank).enqueue_hash(&out[static_cast<std::size_t>(rank)]); });
    return out;
  }
  // The row of weights of a device of a method that follows gradients.
  std::vector<float> weights_of(int rank) {
    std::vector<float> out;
    everywhere([](int) {});
    const Mat row = dynamic_cast<GradientProgram&>(program(rank)).weights();
    out.assign(row.data, row.data + row.size());
    return out;
  }
  // Without weight decay: the scalars hold no ||W||² then.
  double objective() { return figures().objective; }
  TrainingFigures figures() { return spec_.method->figures(spec_, scalars(), 1); }
  const StageSpec& spec() const { return spec_; }
  Fleet& fleet() { return *fleet_; }
  std::uint64_t bytes_sent() const { return fleet_->traffic().bytes_sent; }
  int workers() const { return static_cast<int>(programs_.size()); }
  const Staging& staging(int rank) const { return *staging_[static_cast<std::size_t>(rank)]; }
  // Lets the last exchange end.
  void settle() {
    everywhere([&](int rank) { fleet_->context(rank).exchange->synchronize(); });
  }

 private:
  static TrainingInput plain(const Start& start) {
    Matrix x(start.x.rows(), start.x.cols());
    std::copy_n(start.x.data(), start.x.size(), x.data());
    return make_training_input(std::move(x), InputKind::plain);
  }
  int pieces(std::int64_t epoch) const {
    for (const auto& p : programs_) {
      if (p) return p->pieces(epoch);  // of a device of this process
    }
    return 0;
  }
  StageProgram& program(int rank) { return *programs_[static_cast<std::size_t>(rank)]; }
  void post(const std::function<void(int)>& task) { fleet_->post_all(static_cast<int>(programs_.size()), task); }
  void everywhere(const std::function<void(int)>& task) {
    post(task);
    post([this](int rank) {
      fleet_->context(rank).compute->synchronize();
      if (Staging* staging = staging_[static_cast<std::size_t>(rank)].get()) staging->synchronize();
    });
    fleet_->wait();
  }

  Setup setup_;
  TrainingInput input_;
  std::vector<std::int32_t> labels_;
  LayerWeights first_;
  StageSpec spec_;
  std::unique_ptr<Fleet> fleet_;                      // before what lives in its memory
  std::vector<std::unique_ptr<Staging>> staging_;     // null: tensors of nodes are on the devices
  std::vector<std::unique_ptr<DeviceInput>> layers_;  // layer 1's input, by shard
  std::vector<std::unique_ptr<StageProgram>> programs_;
};

// A tensor of a state as float32 values.
inline std::vector<float> values_of(const TrainingState& state, const std::string& name) {
  const HostTensor& tensor = state.at(name);
  std::vector<float> out(tensor.data.size() / sizeof(float));
  if (!out.empty()) std::memcpy(out.data(), tensor.data.data(), tensor.data.size());
  return out;
}

// The name of the first tensor that differs, "" when all bits agree.
inline std::string first_difference(const TrainingState& a, const TrainingState& b) {
  if (a.size() != b.size()) return "number of tensors";
  for (const auto& [name, tensor] : a) {
    const auto found = b.find(name);
    if (found == b.end() || found->second.data != tensor.data) return name;
  }
  return "";
}

}  // namespace gamlp::test
