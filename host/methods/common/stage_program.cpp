#include "host/methods/common/stage_program.hpp"

#include <algorithm>
#include <utility>

#include "host/config/config.hpp"
#include "host/config/device_grid.hpp"
#include "host/core/error.hpp"
#include "host/device/staging.hpp"
#include "host/methods/common/method.hpp"

namespace gamlp {

namespace {

// Room for the rows of one block in every tensor that an op has views of; and again, for those of later ops that are
// on their way, and for those on their way back.
std::size_t staging_bytes(const StageSpec& spec, InputKind kind) {
  constexpr std::size_t kOps = 3, kAlignment = 4096;
  const Parts blocks = spec.block_nodes();
  std::int64_t rows = 0;
  for (int i = 0; i < blocks.count(); ++i) rows = std::max(rows, blocks.size(i));
  std::int64_t floats = rows * spec.method->values_of_op(spec.widths);
  // The V × V form of layer 1 solves for all nodes at once, with two tensors of them.
  if (kind == InputKind::kernel) floats = std::max(floats, 2 * spec.nodes * spec.widths[1]);
  return kOps * (static_cast<std::size_t>(floats) * sizeof(float) + kAlignment);
}

}  // namespace

StageSpec make_stage_spec(const Config& config, std::shared_ptr<const Method> method, const TrainingShape& shape,
                          int stage, int devices, const std::vector<int>& hosts) {
  const StageConfig& of = config.stages.at(static_cast<std::size_t>(stage) - 1);
  const int layers = static_cast<int>(of.layers);
  StageSpec spec;
  spec.widths = layer_widths(layers, shape.input_width(), config.model.width, shape.problem.classes);
  spec.nodes = shape.problem.train_nodes;
  spec.blocks = method->blocks(spec.nodes);
  spec.epochs = of.epochs;
  spec.method = std::move(method);
  spec.activation = activation_rule(config.model);
  spec.seed = config.train.seed;
  spec.dual_residual = config.train.stop.residual.has_value();
  if (config.node_memory) {
    spec.node_memory = static_cast<std::size_t>(*config.node_memory * kNodeMemoryUnit);
    spec.staging = staging_bytes(spec, shape.kind);
  }
  const std::string problem = grid_problem(config, devices);
  if (!problem.empty()) throw ConfigError(problem);
  spec.placement.shards = static_cast<int>(shard_count(config, devices));
  spec.placement.replicas = static_cast<int>(replica_count(config, devices));
  spec.placement.order = config.partition.order.value_or(RankOrder::shards);
  spec.placement.hosts = hosts;
  const std::string too_many =
      shards_problem(config, spec.placement.shards, spec.blocks, spec.method->blocks_text(spec.nodes));
  if (!too_many.empty()) throw ConfigError(too_many);
  if (spec.placement.shards > 1 && shape.kind == InputKind::kernel) {
    throw ConfigError(std::to_string(spec.placement.shards) +
                      " shards of the training nodes (`partition.shards`): must be 1, since layer 1 trains in its V × "
                      "V form, which needs all of them on one device");
  }
  const int ranges = devices / spec.placement.shards / spec.placement.replicas;
  const auto& chosen = config.partition.layers;
  if (chosen && layers == config.stages.back().layers && static_cast<int>(chosen->size()) == ranges) {
    int last = 0;
    for (const std::int64_t count : *chosen) {
      spec.placement.ranges.push_back({last + 1, last + static_cast<int>(count)});
      last += static_cast<int>(count);
    }
    return spec;
  }
  spec.placement.ranges = partition_layers(spec.method->layer_costs(spec.widths, spec.nodes, shape.kind), ranges);
  return spec;
}

std::size_t StageSpec::scalar_count() const {
  return static_cast<std::size_t>(placement.replicas) * static_cast<std::size_t>(layers()) *
         static_cast<std::size_t>(method->scalars());
}

Parts StageSpec::shard_nodes() const {
  const Parts nodes_of = block_nodes(), blocks_of = shard_blocks();
  std::vector<std::int64_t> sizes;
  for (int shard = 0; shard < placement.shards; ++shard) {
    sizes.push_back(nodes_of.first(static_cast<int>(blocks_of.first(shard + 1))) -
                    nodes_of.first(static_cast<int>(blocks_of.first(shard))));
  }
  return Parts(sizes);
}

namespace {

RankGroup group_of(const Placement& placement, std::vector<int> ranks, int own) {
  std::vector<int> hosts;
  for (const int rank : ranks) {
    if (!placement.hosts.empty()) hosts.push_back(placement.hosts.at(static_cast<std::size_t>(rank)));
  }
  return {std::move(ranks), own, hosts};
}

// How many members each host has of the groups of all runs of layers. 1 where they differ.
template <class GroupOf>
int members_per_host(const Placement& placement, GroupOf group) {
  const int each = group(placement.rank(0, 0)).per_host();
  for (int range = 1; range < placement.runs(); ++range) {
    if (group(placement.rank(range, 0)).per_host() != each) return 1;
  }
  return std::max(each, 1);
}

}  // namespace

RankGroup StageSpec::shard_group(int rank) const {
  std::vector<int> ranks;
  for (int shard = 0; shard < placement.shards; ++shard) {
    ranks.push_back(placement.rank(placement.range_of(rank), shard, placement.replica_of(rank)));
  }
  return group_of(placement, std::move(ranks), rank);
}

RankGroup StageSpec::replica_group(int rank) const {
  std::vector<int> ranks;
  for (int replica = 0; replica < placement.replicas; ++replica) {
    ranks.push_back(placement.rank(placement.range_of(rank), placement.shard_of(rank), replica));
  }
  return group_of(placement, std::move(ranks), rank);
}

int StageSpec::shards_per_host() const {
  return members_per_host(placement, [&](int rank) { return shard_group(rank); });
}

int StageSpec::replicas_per_host() const {
  return members_per_host(placement, [&](int rank) { return replica_group(rank); });
}

StageProgram::StageProgram(const DeviceContext& context, const StageSpec& spec, int rank, DeviceInput* input)
    : context_(context),
      spec_(spec),
      rank_(rank),
      range_(spec.placement.layers_of(rank)),
      first_node_(spec.shard_nodes().first(spec.placement.shard_of(rank))),
      nodes_(spec.shard_nodes().size(spec.placement.shard_of(rank))),
      blocks_(spec.blocks_of(rank)),
      group_(spec.shard_group(rank)),
      input_(input),
      scalars_per_layer_(spec.method->scalars()) {
  expects((range_.first == 1) == (input != nullptr), "the devices of layer 1, and no others, hold the input");
  Device& device = *context_.device;
  scalars_ = device.allocate(static_cast<std::size_t>(range_.count() * scalars_per_layer_) * sizeof(double), "scalars",
                             MemoryKind::variables);
  iteration_ = device.allocate(sizeof(std::uint32_t), "iteration", MemoryKind::variables);
  hash_ = device.allocate(sizeof(std::uint64_t), "hash of weights", MemoryKind::variables);
  for (auto& event : downloaded_) event = device.create_event("downloaded");
  if (range_.last == spec_.layers()) {
    labels_ = device.allocate(static_cast<std::size_t>(nodes_) * sizeof(std::int32_t), "labels", MemoryKind::data);
  }
}

Mat StageProgram::allocate(Buffer& memory, const char* name, int layer, std::int64_t rows, std::int64_t cols,
                           MemoryKind kind) {
  memory = context_.device->allocate(static_cast<std::size_t>(rows * cols) * sizeof(float),
                                     name + std::to_string(layer), kind);
  return memory.mat(rows, cols);
}

Mat StageProgram::allocate_nodes(Buffer& memory, const char* name, int layer, std::int64_t cols, MemoryKind kind) {
  memory = floats_of_nodes(context_, nodes_ * cols, name + std::to_string(layer), kind);
  return memory.mat(nodes_, cols);
}

MatView<double> StageProgram::scalars(int layer, int first, int count) const {
  const MatView<double> all = scalars_.view<double>(range_.count(), scalars_per_layer_);
  return {all.row(layer - range_.first) + first, 1, count};
}

void StageProgram::enqueue_upload(const Network& network, const std::vector<std::int32_t>& labels) {
  for (int layer = range_.first; layer <= range_.last; ++layer) {
    const LayerWeights& weights = network.at(static_cast<std::size_t>(layer) - 1);
    const WeightViews views = weights_of(layer);
    auto staged = std::make_unique<Matrix>(1, weights.w.size() + static_cast<std::int64_t>(weights.b.size()));
    std::copy_n(weights.w.data(), weights.w.size(), staged->data());
    std::copy(weights.b.begin(), weights.b.end(), staged->data() + weights.w.size());
    const auto* host = reinterpret_cast<const std::byte*>(staged->data());
    if (views.w.data) enqueue(ops::Upload{host, as_bytes(views.w)});
    enqueue(ops::Upload{host + weights.w.size() * 4, as_bytes(views.b)});
    staging_.push_back(std::move(staged));
  }
  if (labels_) {
    expects(static_cast<std::int64_t>(labels.size()) == spec_.nodes, "a label for each node");
    enqueue(ops::Upload{reinterpret_cast<const std::byte*>(labels.data() + first_node_), labels_.raw(labels_.bytes())});
  }
}

void StageProgram::enqueue_scalars(double* out) {
  if (!spec_.placement.speaks(rank_)) return;
  const std::size_t bytes = static_cast<std::size_t>(range_.count() * scalars_per_layer_) * sizeof(double);
  const int before = spec_.placement.replica_of(rank_) * spec_.layers() + range_.first - 1;  // layers
  enqueue(ops::Download{scalars_.raw(bytes), reinterpret_cast<std::byte*>(out + before * scalars_per_layer_)});
}

void StageProgram::enqueue_hash(std::uint64_t* out) {
  const Bytes memory = hash_.raw(hash_.bytes());
  enqueue(ops::Zero{memory});
  for (int layer = range_.first; layer <= range_.last; ++layer) {
    const WeightViews views = weights_of(layer);
    std::uint32_t key = 2 * static_cast<std::uint32_t>(layer);
    for (const Mat& one : {views.w, views.b}) {
      if (one.data) enqueue(ops::AddHash{one, hash_.view<std::uint32_t>(1, 2), key});
      ++key;
    }
  }
  enqueue(ops::Download{memory, reinterpret_cast<std::byte*>(out)});
}

void StageProgram::mark_downloads(std::int64_t epoch) {
  context_.compute->record(*downloaded_[static_cast<std::size_t>(epoch & 1)]);
}

void StageProgram::finish_downloads(std::int64_t epoch) {
  downloaded_[static_cast<std::size_t>(epoch & 1)]->synchronize();
}

void StageProgram::add_entry(std::vector<Entry>& list, const std::string& name, Mat m) {
  if (m.data) list.push_back({name, as_bytes(m), m.rows, m.cols, 4});
}

void StageProgram::add_node_entry(std::vector<Entry>& list, const std::string& name, Mat m) const {
  if (m.data) add_own_entry(list, name, m, spec_.nodes, first_node_);
}

void StageProgram::add_own_entry(std::vector<Entry>& list, const std::string& name, Mat m, std::int64_t rows,
                                 std::int64_t first) {
  list.push_back({name, as_bytes(m), rows, m.cols, 4, first, false});
}

// With several replicas a tensor of the state has the rows of all of them, one replica after the other.
std::vector<StageProgram::Entry> StageProgram::all_entries() const {
  std::vector<Entry> list = entries();
  for (int layer = range_.first; saves_scalars() && layer <= range_.last; ++layer) {
    const MatView<double> s = scalars(layer, 0, scalars_per_layer_);
    list.push_back(
        {"scalars" + std::to_string(layer), {reinterpret_cast<std::byte*>(s.data), 1, s.size() * 8}, 1, s.size(), 8});
  }
  for (Entry& entry : list) {
    if (entry.of != Replicas::own) continue;
    entry.first += spec_.placement.replica_of(rank_) * entry.rows;
    entry.rows *= spec_.placement.replicas;
  }
  return list;
}

std::vector<StageProgram::Entry> StageProgram::saved_entries() const {
  std::vector<Entry> list = all_entries();
  if (!spec_.placement.speaks(rank_)) {
    std::erase_if(list, [](const Entry& entry) { return entry.shared; });
  }
  if (spec_.placement.replica_of(rank_) > 0) {
    std::erase_if(list, [](const Entry& entry) { return entry.of == Replicas::all_alike; });
  }
  if (rank_ == 0) list.push_back({"iteration", iteration_.raw(4), 1, 1, 4});
  return list;
}

std::vector<StageProgram::Entry> StageProgram::restored_entries() const {
  std::vector<Entry> list = all_entries();
  list.push_back({"iteration", iteration_.raw(4), 1, 1, 4});
  for (Entry& entry : neighbour_entries()) list.push_back(std::move(entry));
  return list;
}

std::vector<StateRows> StageProgram::restored_rows() const {
  std::vector<StateRows> all;
  for (const Entry& entry : restored_entries()) all.push_back({entry.name, entry.first, entry.count()});
  return all;
}

std::size_t StageProgram::describe_state(TrainingState& state) const {
  std::size_t described = 0;
  for (const Entry& entry : saved_entries()) {
    HostTensor& tensor = state[entry.name];
    if (tensor.data.empty()) tensor = {entry.rows, entry.cols, entry.item_bytes, {}, entry.first};
    const std::int64_t first = std::min(tensor.first, entry.first),
                       end = std::max(tensor.first + tensor.held(), entry.first + entry.count());
    tensor.first = first;
    tensor.data.resize(static_cast<std::size_t>((end - first) * tensor.row_bytes()));
    described += static_cast<std::size_t>(entry.memory.size());
  }
  return described;
}

void StageProgram::enqueue_save(TrainingState& state) {
  for (const Entry& entry : saved_entries())
    enqueue(ops::Download{entry.memory, state.at(entry.name).row(entry.first)});
}

void StageProgram::enqueue_restore(const TrainingState& state) {
  for (const Entry& entry : restored_entries()) {
    const auto found = state.find(entry.name);
    if (found == state.end()) throw DataError("checkpoint: tensor \"" + entry.name + "\" is missing");
    const HostTensor& tensor = found->second;
    if (tensor.rows != entry.rows || tensor.cols != entry.cols || tensor.item_bytes != entry.item_bytes) {
      throw DataError("checkpoint: tensor \"" + entry.name + "\" is " + std::to_string(tensor.rows) + " × " +
                      std::to_string(tensor.cols) + ", expected " + std::to_string(entry.rows) + " × " +
                      std::to_string(entry.cols));
    }
    expects(entry.first >= tensor.first && entry.first + entry.count() <= tensor.first + tensor.held(),
            "a restored tensor has the rows of the shard");
    enqueue(ops::Upload{tensor.row(entry.first), entry.memory});
  }
  restored(state);
}

}  // namespace gamlp
