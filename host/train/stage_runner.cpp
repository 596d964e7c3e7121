#include "host/train/stage_runner.hpp"

#include <utility>

#include "host/core/error.hpp"
#include "host/methods/registry.hpp"
#include "host/train/processes.hpp"

namespace gamlp {

StageRunner::StageRunner(const Config& config, const Problem& problem, std::unique_ptr<Fleet> fleet,
                         ProcessGroup& group)
    : context([this](int rank) { return fleet_->context(rank); }),
      config_(config),
      problem_(problem),
      group_(group),
      fleet_(std::move(fleet)) {}

StageSpec StageRunner::spec_of(int stage) const {
  std::vector<int> hosts;
  for (int rank = 0; group_.size() > 1 && rank < group_.size(); ++rank) hosts.push_back(group_.host(rank));
  return make_stage_spec(config_, problem_.shape(stage), stage, fleet_->size(), hosts);
}

Network StageRunner::initial(int stage, std::uint64_t seed) const {
  Network network = initial_network(spec_of(stage).widths, method_of(config_, stage), seed, problem_.inputs);
  if (group_.rank() == 0) problem_.input(stage).scale_initial(network.front());  // only its device holds layer 1
  return network;
}

void StageRunner::settle() noexcept {
  try {
    fleet_->wait();
    run_all([this](int rank) { fleet_->context(rank).exchange->synchronize(); });
  } catch (...) {  // told already, by the call that failed
  }
}

void StageRunner::run_all(const std::function<void(int)>& task) {
  fleet_->post_all(active(), task);
  fleet_->post_all(active(), [this](int rank) {
    fleet_->context(rank).compute->synchronize();
    const auto i = static_cast<std::size_t>(rank);
    if (i < staging_.size() && staging_[i] != nullptr) staging_[i]->synchronize();
  });
  fleet_->wait();
}

DeviceContext StageRunner::staged(int rank) {
  DeviceContext on = context(rank);
  if (spec_.staging == 0) return on;
  auto& staging = staging_[static_cast<std::size_t>(rank)];
  if (!staging) staging = std::make_unique<Staging>(*on.device, *on.compute, spec_.node_memory, staging_bytes_);
  on.compute = on.staging = staging.get();
  return on;
}

void StageRunner::build(int stage, const Network& network) {
  // The last stage's messages may still be under way between buffers that are about to be released.
  run_all([this](int rank) { context(rank).exchange->synchronize(); });
  spec_ = spec_of(stage);
  programs_.clear();
  const Placement& placement = spec_.placement;
  const Parts nodes = spec_.shard_nodes();
  const bool same_staging = staging_bytes_ >= spec_.staging;
  const bool same_input = stage_ > 0 && same_staging && problem_.kind(stage) == problem_.kind(stage_) &&
                          share_method(config_, stage, stage_) && nodes == input_nodes_ &&
                          placement.ranks_of(0) == input_ranks_;
  stage_ = stage;
  programs_.resize(static_cast<std::size_t>(placement.devices()));
  const TrainingInput& whole = problem_.input(stage);
  TrainingInput own;  // in another process than rank 0's: what its shard has of the inputs
  if (!same_input) {
    inputs_.clear();
    inputs_.resize(placement.ranks_of(0).size());
    if (!same_staging) {
      staging_.clear();
      staging_.resize(static_cast<std::size_t>(fleet_->size()));
      staging_bytes_ = spec_.staging;
    }
    input_nodes_ = nodes;
    input_ranks_ = placement.ranks_of(0);
    own.train = scatter_rows(group_, whole.train, nodes, input_ranks_);
  }
  const bool received = own.train.rows() > 0;
  const TrainingInput& inputs = received ? own : whole;
  run_all([&](int rank) {
    const DeviceContext on = staged(rank);
    const bool has_input = placement.range_of(rank) == 0;
    const int shard = placement.shard_of(rank);
    DeviceInput* input = nullptr;
    if (has_input) {
      auto& place = inputs_[static_cast<std::size_t>(placement.column(rank))];
      if (!place) {
        InputShape shape = inputs.shape(spec_.widths[1]);
        shape.nodes = nodes.size(shard);
        shape.first = received ? 0 : nodes.first(shard);
        place = spec_.method->create_input(on, spec_, rank, shape);
        place->enqueue_upload(*on.compute, inputs, spec_.layers());
      }
      input = place.get();
      input->enqueue_stage(*on.compute, inputs, network.front());
    }
    auto& program = programs_[static_cast<std::size_t>(rank)];
    program = spec_.method->create_program(on, spec_, rank, input);
    program->enqueue_upload(network, problem_.train_labels());
  });
}

void StageRunner::start() {
  run_all([this](int rank) { program(rank).enqueue_start(); });
}

void StageRunner::restore(const TrainingState& state) {
  std::vector<StateRows> rows;
  for (const auto& program : programs_) {
    if (program) rows = program->restored_rows();
  }
  const TrainingState received = scatter_state(group_, state, rows);
  run_all([&](int rank) { program(rank).enqueue_restore(group_.rank() == 0 ? state : received); });
}

TrainingState StageRunner::save() {
  fleet_->wait();
  TrainingState state;
  std::size_t described = 0, room = 0;
  for (const auto& program : programs_) {
    if (program) described += program->describe_state(state);
  }
  for (const auto& [name, tensor] : state) room += tensor.data.size();
  expects(described == room, "the devices of a process have every row of a state between them, and once");
  run_all([&](int rank) { program(rank).enqueue_save(state); });
  gather_state(group_, state);
  return state;
}

Network StageRunner::empty_network() const {
  Network network;
  for (std::size_t l = 1; l < spec_.widths.size(); ++l) {
    network.push_back(
        {Matrix(spec_.widths[l], spec_.widths[l - 1]), std::vector<float>(static_cast<std::size_t>(spec_.widths[l]))});
  }
  return network;
}

std::vector<Network> StageRunner::download_buffers() const {
  std::vector<Network> networks;
  for (int replica = 0; replica < spec_.placement.replicas; ++replica) {
    networks.push_back(group_.rank() == 0 ? empty_network() : Network(static_cast<std::size_t>(spec_.layers())));
  }
  if (group_.rank() == 0) return networks;
  for (int rank = 0; rank < spec_.placement.devices(); ++rank) {
    if (!fleet_->local(rank) || !spec_.placement.speaks(rank)) continue;
    Network& network = networks[replica_of(rank)];
    const LayerRange& range = spec_.placement.layers_of(rank);
    for (int l = range.first; l <= range.last; ++l) {
      const auto i = static_cast<std::size_t>(l);
      network[i - 1] = {Matrix(spec_.widths[i], spec_.widths[i - 1]),
                        std::vector<float>(static_cast<std::size_t>(spec_.widths[i]))};
    }
  }
  return networks;
}

std::vector<Network> StageRunner::download_weights() {
  std::vector<Network> networks = download_buffers();
  run_all([&](int rank) { program(rank).enqueue_weights(networks[replica_of(rank)]); });
  gather_weights(group_, spec_.placement, networks);
  return networks;
}

Network StageRunner::fetch() {
  std::vector<Network> networks = download_weights();
  Network network = group_.rank() == 0 ? mean_of(std::move(networks)) : empty_network();
  if (group_.rank() == 0) problem_.input(stage_).to_host_layout(network.front());
  broadcast_weights(group_, network);
  return network;
}

}  // namespace gamlp
