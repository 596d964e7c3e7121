#include "host/methods/backprop/backprop_program.hpp"

#include <algorithm>

#include "host/math/random.hpp"
#include "host/methods/backprop/learning_rates.hpp"

namespace gamlp {

std::uint32_t dropout_key(std::uint64_t seed, int layer) {
  return static_cast<std::uint32_t>(random_key(seed, 0x64726F70, static_cast<std::uint64_t>(layer)));
}

BackpropProgram::BackpropProgram(const DeviceContext& context, const StageSpec& spec, int rank, DeviceInput* input,
                                 const OptimizerRule& rule, const BackpropConfig& config)
    : StageProgram(context, spec, rank, input),
      rule_(rule),
      rates_host_(learning_rates(config.optimizer, spec.epochs)) {
  if (!rates_host_.empty()) {
    rates_memory_ = context_.device->allocate(rates_host_.size() * sizeof(double), "learning rates", MemoryKind::data);
    rates_ = rates_memory_.view<double>(1, static_cast<std::int64_t>(rates_host_.size()));
  }
  const std::int64_t v = nodes_;
  const int kept = optimizer_keeps(rule_.kind);
  std::int64_t largest = 0, widest = 0;
  if (has_left()) {
    const std::int64_t width = spec_.widths[static_cast<std::size_t>(range_.first) - 1];
    below_ = allocate(below_memory_, "y", range_.first - 1, v, width, MemoryKind::exchange);
    down_ = allocate(down_memory_, "gradient for layer ", range_.first - 1, v, width, MemoryKind::exchange);
  }
  layers_.resize(static_cast<std::size_t>(range_.count()));
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    Layer& l = layers_[i];
    l.index = range_.first + static_cast<int>(i);
    l.first = l.index == 1;
    l.last = l.index == spec_.layers();
    l.n = spec_.widths[static_cast<std::size_t>(l.index) - 1];
    l.m = spec_.widths[static_cast<std::size_t>(l.index)];
    l.x = i > 0 ? ConstMat(layers_[i - 1].y) : l.first ? input_->x() : ConstMat(below_);
    l.dropout = l.first ? config.input_dropout : config.dropout;
    if (l.dropout > 0.0)
      l.dropped = allocate_nodes(l.x_memory, "inputs after dropout, layer ", l.index, l.n, MemoryKind::variables);
    l.w = allocate(l.w_memory, "W", l.index, l.m, l.n, MemoryKind::weights);
    l.b = allocate(l.b_memory, "b", l.index, 1, l.m, MemoryKind::weights);
    // What messages carry is on the device wherever the nodes are.
    const bool carried = has_right() && l.index == range_.last;
    const auto variable = [&](Buffer& memory, const char* name) {
      return carried ? allocate(memory, name, l.index, v, l.m, MemoryKind::variables)
                     : allocate_nodes(memory, name, l.index, l.m, MemoryKind::variables);
    };
    l.y = variable(l.y_memory, "y");
    l.g = variable(l.g_memory, "gradient ");
    for (int k = 0; k < kept; ++k) {
      const std::string name = "moment " + std::to_string(k) + " of ";
      l.w_kept[k] = allocate(l.w_kept_memory[k], (name + "W").c_str(), l.index, l.m, l.n, MemoryKind::weights);
      l.b_kept[k] = allocate(l.b_kept_memory[k], (name + "b").c_str(), l.index, 1, l.m, MemoryKind::weights);
    }
    l.gradient_values = padded_floats(l.w.size()) + padded_floats(l.m);
    largest = std::max(largest, l.gradient_values);
    widest = std::max(widest, l.m);
  }
  const auto workspace = [&](std::int64_t values, const char* what) {
    return context_.device->allocate(static_cast<std::size_t>(values) * sizeof(float), what, MemoryKind::workspace);
  };
  // Where a device runs small ops beside each other, as many layers as it runs have gradients of their own. With
  // shards a layer's sums are under way while the next layer's gradients are computed.
  const bool small = std::max(largest, v * widest) <= kSmallTensor, shards = spec_.placement.shards > 1;
  const int copies = std::min(range_.count(), std::max(small ? context_.device->parallel_ops() : 1, shards ? 2 : 1));
  for (int i = 0; i < copies; ++i) {
    partials_.push_back(workspace(blocks_.partial_sums() * largest, "gradients"));
    if (shards) sums_.push_back(workspace(largest, "summed gradients"));
  }
  if (shards) {
    const BlockSums sums(blocks_.shares());
    std::int64_t received = 0;
    for (const Layer& l : layers_) {
      received =
          std::max(received, Reduction::memory_floats(group_, sums, Reduction::even_parts(l.gradient_values, group_)));
    }
    received_.resize(static_cast<std::size_t>(std::min(range_.count(), 2)));
    for (Buffer& buffer : received_) {
      buffer = context_.device->allocate(static_cast<std::size_t>(received) * sizeof(float), "received gradients",
                                         MemoryKind::exchange);
    }
    for (Layer& l : layers_) {
      const std::size_t turn = static_cast<std::size_t>(l.index - range_.first) % received_.size();
      l.reduction =
          std::make_unique<Reduction>(context_, group_, sums, Reduction::even_parts(l.gradient_values, group_),
                                      MessageLabel{"gradients of W and b", l.index}, received_[turn].mat(1, received));
    }
  }
  if (layers_.back().last) {
    losses_ = std::make_unique<NodeSums>(context_, group_, blocks_, scalar(layers_.back().index, kLoss),
                                         MessageLabel{"losses", layers_.back().index});
  }
  ready_ = context_.device->create_event("ready");
  exchanged_ = context_.device->create_event("exchanged");
}

void BackpropProgram::enqueue_start() {
  for (const Layer& l : layers_) {
    context_.compute->label({"start", l.index, 0});
    for (const auto& kept : {l.w_kept, l.b_kept}) {
      for (int k = 0; k < 2; ++k) {
        if (kept[k].data) enqueue(ops::Zero{as_bytes(kept[k])});
      }
    }
  }
  enqueue(ops::Zero{{reinterpret_cast<std::byte*>(iteration().data), 1, sizeof(std::uint32_t)}});
  upload_rates();
}

void BackpropProgram::upload_rates() {
  if (rates_host_.empty()) return;
  enqueue(
      ops::Upload{reinterpret_cast<const std::byte*>(rates_host_.data()), rates_memory_.raw(rates_memory_.bytes())});
}

void BackpropProgram::drop(const Layer& l, ConstMat in, Mat out, std::int64_t first) {
  enqueue(ops::Dropout{in, out, iteration(), dropout_key(spec_.seed, l.index), l.dropout, (first_node_ + first) * l.n});
}

void BackpropProgram::exchange(const std::vector<Send>& sends, const std::vector<Receive>& receives,
                               const char* protects, const char* received) {
  if (sends.empty() && receives.empty()) return;
  context_.compute->record(*ready_);
  if (protects != nullptr) context_.exchange->wait(*ready_, protects);
  context_.transport->exchange(*context_.exchange, sends, receives);
  if (receives.empty()) return;  // what was sent is next written after a message that the receiver answers it with
  context_.exchange->record(*exchanged_);
  context_.compute->wait(*exchanged_, received);
}

void BackpropProgram::pass_up(int receive, int send, std::int64_t epoch) {
  std::vector<Send> sends;
  std::vector<Receive> receives;
  if (has_left() && receive < parts()) {
    const Rows& rows = blocks_[receive];
    receives.push_back(
        {left(), as_bytes(rows.of(below_)), {"activations", range_.first - 1, epoch, WireType::float32}});
  }
  if (has_right() && send >= 0) {
    const Rows& rows = blocks_[send];
    sends.push_back({right(),
                     as_bytes(ConstMat(rows.of(layers_.back().y))),
                     {"activations", range_.last, epoch, WireType::float32}});
  }
  const bool free = sends.empty() && receive > 0;  // rows that nothing reads before they are there
  exchange(sends, receives, free ? nullptr : "activations for the right, and those from the left until they are used",
           "activations from the left");
}

void BackpropProgram::pass_down(int receive, int send, std::int64_t epoch) {
  std::vector<Send> sends;
  std::vector<Receive> receives;
  if (has_right() && receive < parts()) {
    const Rows& rows = blocks_[receive];
    receives.push_back(
        {right(), as_bytes(rows.of(layers_.back().g)), {"gradients", range_.last, epoch, WireType::float32}});
  }
  if (has_left() && send >= 0) {
    const Rows& rows = blocks_[send];
    sends.push_back(
        {left(), as_bytes(ConstMat(rows.of(down_))), {"gradients", range_.first - 1, epoch, WireType::float32}});
  }
  const bool free = sends.empty() && receive > 0;
  exchange(sends, receives, free ? nullptr : "gradients for the left, and those from the right until they are used",
           "gradients from the right");
}

void BackpropProgram::forward(int part, std::int64_t epoch) {
  const Rows& rows = blocks_[part];
  for (const Layer& l : layers_) {
    context_.compute->label({"forward", l.index, epoch});
    const Mat y = rows.of(l.y);
    if (l.dropout > 0.0) drop(l, rows.of(l.x), rows.of(l.dropped), rows.first);
    enqueue(ops::Gemm{rows.of(l.used()), l.w, y, false, true});
    enqueue(ops::Forward{l.b, y, {}, spec_.activation, !l.last});
    if (!l.last) continue;
    enqueue(ops::SoftmaxGradient{y, rows.of(l.g), rows.of_labels(labels()), losses_->of(part)});
  }
}

void BackpropProgram::backward(int part, std::int64_t epoch) {
  const Rows& rows = blocks_[part];
  for (std::size_t i = layers_.size(); i-- > 0;) {
    const Layer& l = layers_[i];
    if (l.first) continue;
    context_.compute->label({"backward", l.index, epoch});
    const Mat down = rows.of(i > 0 ? layers_[i - 1].g : down_);
    enqueue(ops::Gemm{rows.of(l.g), l.w, down});
    if (l.dropout > 0.0) drop(l, {}, down, rows.first);
    enqueue(ops::ActivationGradient{rows.of(l.x), down, spec_.activation});
  }
}

BackpropProgram::Gradients BackpropProgram::gradients_in(const Layer& l, float* row) {
  return {{row, l.m, l.n}, {row + padded_floats(l.w.size()), 1, l.m}};
}

Mat BackpropProgram::partials(const Layer& l, int count) const {
  return partials_[static_cast<std::size_t>(l.index - range_.first) % partials_.size()].mat(count, l.gradient_values);
}

Mat BackpropProgram::summed(const Layer& l) const {
  if (!l.reduction) return partials(l, 1);
  return sums_[static_cast<std::size_t>(l.index - range_.first) % sums_.size()].mat(1, l.gradient_values);
}

void BackpropProgram::gradients(const Layer& l, std::int64_t epoch) {
  context_.compute->label({"W", l.index, epoch});
  const float mean = 1.0f / static_cast<float>(spec_.nodes);
  const ConstMat sums =
      blocks_.sum(*context_.compute, partials(l, blocks_.partial_sums()), [&](const Rows& rows, Mat sum) {
        const Gradients to = gradients_in(l, sum.data);
        const ConstMat g = rows.of(l.g);
        enqueue(ops::Gemm{g, rows.of(l.used()), to.w, true, false, mean});
        enqueue(ops::ColumnMean{g, to.b, spec_.nodes});
      });
  if (l.reduction) l.reduction->scatter(sums, epoch);
}

void BackpropProgram::sum(const Layer& l, std::int64_t epoch) {
  context_.compute->label({"sum", l.index, epoch});
  l.reduction->sum(summed(l));
  l.reduction->gather(summed(l));
}

void BackpropProgram::step(const Layer& l, std::int64_t epoch) {
  context_.compute->label({"W", l.index, epoch});
  if (l.reduction) l.reduction->finish();
  const Gradients from = gradients_in(l, summed(l).data);
  enqueue(ops::OptimizerStep{rule_, from.w, l.w, l.w_kept[0], l.w_kept[1], iteration(), rates_});
  enqueue(ops::OptimizerStep{rule_, from.b, l.b, l.b_kept[0], l.b_kept[1], iteration(), rates_});
}

// With shards the sums of a layer are exchanged while the gradients of the layers after it are computed.
void BackpropProgram::update(std::int64_t epoch) {
  if (spec_.placement.shards == 1) {
    for (const Layer& l : layers_) gradients(l, epoch), step(l, epoch);
    return;
  }
  const std::size_t count = layers_.size();
  for (std::size_t i = 0; i < count + 2; ++i) {
    if (i < count) gradients(layers_[i], epoch);
    if (i >= 1 && i <= count) sum(layers_[i - 1], epoch);
    if (i >= 2) step(layers_[i - 2], epoch);
  }
}

void BackpropProgram::enqueue_iteration(std::int64_t epoch, bool) {
  // The first device has nothing to wait for: it sends a part as soon as it is there; likewise the last one downwards.
  const bool starts_up = !has_left(), starts_down = !has_right();
  for (int part = 0; part < parts(); ++part) {
    if (!starts_up) pass_up(part, part - 1, epoch);
    forward(part, epoch);
    if (starts_up) pass_up(parts(), part, epoch);
  }
  if (!starts_up) pass_up(parts(), parts() - 1, epoch);
  for (int part = 0; part < parts(); ++part) {
    if (!starts_down) pass_down(part, part - 1, epoch);
    backward(part, epoch);
    if (starts_down) pass_down(parts(), part, epoch);
  }
  if (!starts_down) pass_down(parts(), parts() - 1, epoch);
  if (losses_) losses_->start(epoch);
  update(epoch);
  context_.compute->label({"metrics", 0, epoch});
  if (losses_) losses_->finish();
  enqueue(ops::Tick{iteration()});
}

void BackpropProgram::enqueue_weights(Network& network) {
  if (!spec_.placement.speaks(rank_)) return;
  for (const Layer& l : layers_) {
    LayerWeights& out = network.at(static_cast<std::size_t>(l.index) - 1);
    enqueue(ops::Download{as_bytes(ConstMat(l.w)), reinterpret_cast<std::byte*>(out.w.data())});
    enqueue(ops::Download{as_bytes(ConstMat(l.b)), reinterpret_cast<std::byte*>(out.b.data())});
  }
}

std::vector<StageProgram::Entry> BackpropProgram::entries() const {
  std::vector<Entry> list;
  for (const Layer& l : layers_) {
    const std::string id = std::to_string(l.index);
    add_entry(list, "W" + id, l.w);
    add_entry(list, "b" + id, l.b);
    for (int k = 0; k < 2; ++k) {
      const std::string moment = std::string(k == 0 ? "first" : "second") + "_moment_";
      add_entry(list, moment + "W" + id, l.w_kept[k]);
      add_entry(list, moment + "b" + id, l.b_kept[k]);
    }
  }
  return list;
}

}  // namespace gamlp
