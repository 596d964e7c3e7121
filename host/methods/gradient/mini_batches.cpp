#include "host/methods/gradient/mini_batches.hpp"

#include <algorithm>

#include "host/math/random.hpp"
#include "host/methods/common/stage_program.hpp"

namespace gamlp {

int batch_steps(std::int64_t nodes, const std::optional<std::int64_t>& batch, int replicas, ReplicaData data) {
  if (!batch) return 1;
  const std::int64_t of_step = data == ReplicaData::replicated ? *batch : *batch * replicas;
  return static_cast<int>(std::max<std::int64_t>((nodes + of_step - 1) / of_step, 1));
}

std::uint64_t replica_seed(std::uint64_t seed, int replica) {
  return replica == 0 ? seed : random_key(seed, 0x7265706C696361, static_cast<std::uint64_t>(replica));
}

MiniBatches::MiniBatches(const StageSpec& spec, int replica, const std::optional<std::int64_t>& batch, ReplicaData data)
    : seed_(spec.seed), steps_(batch_steps(spec.nodes, batch, spec.placement.replicas, data)) {
  const int replicas = spec.placement.replicas;
  const bool shared = data == ReplicaData::reshuffled && replicas > 1, own = data == ReplicaData::fixed && replicas > 1;
  permuted_ = steps_ > 1 || shared || own;
  if (shared) every_ = replicas, first_ = replica;
  if (!shared) seed_ = replica_seed(seed_, replica);
  const Parts blocks = spec.block_nodes();
  for (int block = 0; block < blocks.count(); ++block) {
    const Parts shares = Parts::even(blocks.size(block), own ? replicas : 1, 1);
    rows_.push_back({shares.first(own ? replica : 0), shares.size(own ? replica : 0)});
    slices_.push_back(Parts::even(rows_.back().count, steps_ * every_, 1));
  }
}

Rows MiniBatches::of_step(int block, int step) const {
  const Parts& slices = slices_[static_cast<std::size_t>(block)];
  const int part = step * every_ + first_;
  return {slices.first(part), slices.size(part)};
}

std::int64_t MiniBatches::most(int block) const {
  std::int64_t most = 0;
  for (int step = 0; step < steps_; ++step) most = std::max(most, of_step(block, step).count);
  return most;
}

std::int64_t MiniBatches::nodes(int step) const {
  std::int64_t sum = 0;
  for (int block = 0; block < static_cast<int>(slices_.size()); ++block) sum += of_step(block, step).count;
  return sum;
}

std::uint32_t MiniBatches::key(int block) const {
  return static_cast<std::uint32_t>(random_key(seed_, 0x6261746368, static_cast<std::uint64_t>(block)));
}

}  // namespace gamlp
