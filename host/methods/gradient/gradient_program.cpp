#include "host/methods/gradient/gradient_program.hpp"

#include <algorithm>

#include "host/math/random.hpp"
#include "host/methods/gradient/learning_rates.hpp"

namespace gamlp {

std::uint32_t dropout_key(std::uint64_t seed, int layer) {
  return static_cast<std::uint32_t>(random_key(seed, 0x64726F70, static_cast<std::uint64_t>(layer)));
}

namespace {

// Each value `times` times.
std::vector<double> repeated(const std::vector<double>& values, int times) {
  std::vector<double> out;
  for (const double value : values) out.insert(out.end(), static_cast<std::size_t>(times), value);
  return out;
}

}  // namespace

// A part stays on a device for as many steps as there are devices, and the activations of one more are received.
int GradientProgram::slots_of(int ranges) { return ranges > 1 ? ranges + 1 : 1; }

GradientProgram::GradientProgram(const DeviceContext& context, const StageSpec& spec, int rank, DeviceInput* input,
                                 const OptimizerRule& rule, const GradientConfig& config, const ProgramOptions& options)
    : StageProgram(context, spec, rank, input),
      rule_(rule),
      row_(spec.widths, range_, options.unit),
      batches_(spec, spec.placement.replica_of(rank), config.batch, options.data) {
  rates_host_ = repeated(learning_rates(config.optimizer, spec.epochs), steps());
  if (!rates_host_.empty()) {
    rates_memory_ = context_.device->allocate(rates_host_.size() * sizeof(double), "learning rates", MemoryKind::data);
    rates_ = rates_memory_.view<double>(1, static_cast<std::int64_t>(rates_host_.size()));
  }
  const int kept = optimizer_keeps(rule_.kind);
  const int ranges = static_cast<int>(spec_.placement.ranges.size());
  slots_ = std::min(parts(), slots_of(ranges));
  std::int64_t largest = 0, widest = 0;
  if (has_left()) {
    const std::int64_t width = spec_.widths[static_cast<std::size_t>(range_.first) - 1];
    below_ = in_flight("y", range_.first - 1, width, MemoryKind::exchange);
    down_ = in_flight("gradient for layer ", range_.first - 1, width, MemoryKind::exchange);
  }
  const auto row = [&](const char* what, MemoryKind kind) {
    return context_.device->allocate(static_cast<std::size_t>(row_.size()) * sizeof(float), what, kind);
  };
  weights_ = row("weights", MemoryKind::weights);
  for (int k = 0; k < kept; ++k) kept_[k] = row("moments", MemoryKind::weights);
  if (options.keeps_gradient) gradient_ = row("gradients", MemoryKind::workspace);
  layers_.resize(static_cast<std::size_t>(range_.count()));
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    Layer& l = layers_[i];
    l.index = range_.first + static_cast<int>(i);
    l.first = l.index == 1;
    l.last = l.index == spec_.layers();
    l.n = spec_.widths[static_cast<std::size_t>(l.index) - 1];
    l.m = spec_.widths[static_cast<std::size_t>(l.index)];
    l.dropout = l.first ? config.input_dropout : config.dropout;
    if (l.dropout > 0.0) {
      l.dropped = in_flight("inputs after dropout, layer ", l.index, l.n, MemoryKind::variables);
    }
    const auto share = [&](Mat all) { return all.data + row_.first(l.index); };
    l.w = row_.w_of(l.index, share(weights()));
    l.b = row_.b_of(l.index, share(weights()));
    l.y = in_flight("y", l.index, l.m, MemoryKind::variables);
    l.g = in_flight("gradient ", l.index, l.m, MemoryKind::variables);
    for (int k = 0; k < kept; ++k) {
      l.w_kept[k] = row_.w_of(l.index, share(this->kept(k)));
      l.b_kept[k] = row_.b_of(l.index, share(this->kept(k)));
    }
    l.gradient_values = row_.size(l.index);
    largest = std::max(largest, l.gradient_values);
    widest = std::max(widest, l.m);
  }
  const auto workspace = [&](std::int64_t values, const char* what) {
    return context_.device->allocate(static_cast<std::size_t>(values) * sizeof(float), what, MemoryKind::workspace);
  };
  // Of several parts the sums of all layers are under way at the same time. Of one part layers take turns, where a
  // device does not run small ops beside each other. With shards a layer's sums are exchanged while the next layer's
  // gradients are computed.
  const bool small = std::max(largest, nodes_ * widest) <= kSmallTensor,
             shards = options.adds_up && spec_.placement.shards > 1;
  const int copies = std::min(range_.count(), std::max(small ? context_.device->parallel_ops() : 1, shards ? 2 : 1));
  for (int i = 0; i < copies; ++i) {
    if (parts() == 1 && !gradient_) partials_.push_back(workspace(largest, "gradients"));
    if (shards) sums_.push_back(workspace(largest, "summed gradients"));
  }
  for (Layer& l : layers_) {
    if (parts() == 1) {
      if (gradient_) l.sums = {gradient_.mat(1, row_.size()).data + row_.first(l.index), 1, l.gradient_values};
      continue;
    }
    l.sums_memory = workspace(blocks_.partial_sums() * l.gradient_values, "gradients");
    l.sums = l.sums_memory.mat(blocks_.partial_sums(), l.gradient_values);
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
  if (batches_.permuted() && input_ != nullptr) {
    batch_inputs_ = in_flight("inputs of the step, layer ", 1, spec_.widths.front(), MemoryKind::variables);
  }
  if (batches_.permuted() && layers_.back().last) {
    const auto rows = static_cast<std::size_t>(slots_ * layers_.back().y.rows);
    batch_labels_ = context_.device->allocate(rows * sizeof(std::int32_t), "labels of the step", MemoryKind::data);
  }
  if ((steps() > 1 || options.losses_of_all) && layers_.back().last) {
    step_loss_ = context_.device->allocate(sizeof(double), "loss of a part", MemoryKind::variables);
  }
  if (layers_.back().last) {
    losses_ = std::make_unique<NodeSums>(context_, group_, blocks_, scalar(layers_.back().index, kLoss),
                                         MessageLabel{"losses", layers_.back().index});
  }
  if (options.losses_of_all) {
    from_left_ = std::make_unique<Round>(context_, "activations from the left");
    to_right_ = std::make_unique<Round>(context_, "activations for the right");
  }
  for (Group* group : {&with_left_, &with_right_}) {
    group->ready = context_.device->create_event("ready");
    group->exchanged = context_.device->create_event("exchanged");
  }
}

GradientProgram::Flight GradientProgram::in_flight(const char* name, int layer, std::int64_t cols, MemoryKind kind) {
  Flight flight;
  // A multiple of 4, so that every slot is aligned as views must be.
  for (int part = 0; part < parts(); ++part) {
    flight.rows = std::max(flight.rows, (batches_.most(block_of(part)) + 3) / 4 * 4);
  }
  flight.slots = allocate(flight.memory, name, layer, slots_ * flight.rows, cols, kind);
  return flight;
}

Mat GradientProgram::of(const Flight& flight, int part) const {
  return {flight.slots.row(part % slots_ * flight.rows), rows_of(part).count, flight.slots.cols};
}

Rows GradientProgram::rows_of(int part) const {
  if (chunk_ != nullptr) return *chunk_;
  const Rows rows = batches_.of_step(block_of(part), step_);
  return {blocks_[part].first + batches_.rows(block_of(part)).first + rows.first, rows.count};
}

ConstMat GradientProgram::inputs_of(int part) const {
  if (chunk_ != nullptr) return chunk_->of(input_->x());
  return batches_.permuted() ? ConstMat(of(batch_inputs_, part)) : blocks_[part].of(input_->x());
}

Labels GradientProgram::labels_of(int part) const {
  if (chunk_ != nullptr) return chunk_->of_labels(labels());
  if (!batches_.permuted()) return blocks_[part].of_labels(labels());
  const std::int64_t rows = layers_.back().y.rows;
  return {batch_labels_.view<std::int32_t>(slots_, rows).row(part % slots_), 1, rows_of(part).count};
}

void GradientProgram::gather_batch(int part, std::int64_t epoch) {
  ops::GatherBatch op;
  const int block = block_of(part);
  const Rows from = batches_.rows(block);  // of the block
  if (batch_inputs_) op.x = from.of(blocks_[part].of(input_->x())), op.out = of(batch_inputs_, part);
  if (batch_labels_) {
    op.labels = from.of_labels(blocks_[part].of_labels(labels()));
    const Labels to = labels_of(part);
    op.chosen = {const_cast<std::int32_t*>(to.data), 1, to.cols};
  }
  if (op.x.data == nullptr && op.labels.data == nullptr) return;
  context_.compute->label({"batch", 0, epoch});
  op.iteration = iteration(), op.steps = steps();
  op.key = batches_.key(block);
  op.first = batches_.of_step(block, step_).first;
  enqueue(op);
}

ConstMat GradientProgram::x(const Layer& l, int part) const {
  if (l.first) return inputs_of(part);
  return l.index > range_.first ? of(layer(l.index - 1).y, part) : of(below_, part);
}

ConstMat GradientProgram::used(const Layer& l, int part) const {
  return l.dropped && chunk_ == nullptr ? ConstMat(of(l.dropped, part)) : x(l, part);
}

void GradientProgram::enqueue_start() {
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

void GradientProgram::upload_rates() {
  if (rates_host_.empty()) return;
  enqueue(
      ops::Upload{reinterpret_cast<const std::byte*>(rates_host_.data()), rates_memory_.raw(rates_memory_.bytes())});
}

void GradientProgram::drop(const Layer& l, ConstMat in, Mat out, std::int64_t first) {
  const std::uint32_t key = dropout_key(replica_seed(spec_.seed, spec_.placement.replica_of(rank_)), l.index);
  enqueue(ops::Dropout{in, out, iteration(), key, l.dropout, (first_node_ + first) * l.n});
}

void GradientProgram::exchange(Group& group, const std::vector<Send>& sends, const std::vector<Receive>& receives,
                               const char* protects) {
  group.receives = !receives.empty();
  if (sends.empty() && receives.empty()) return;
  context_.compute->record(*group.ready);
  context_.exchange->wait(*group.ready, protects);
  context_.transport->exchange(*context_.exchange, sends, receives);
  // What was sent is next written after a message that the receiver answers it with.
  if (group.receives) context_.exchange->record(*group.exchanged);
}

void GradientProgram::receive(Group& group, const char* received) {
  if (group.receives) context_.compute->wait(*group.exchanged, received);
  group.receives = false;
}

void GradientProgram::send_up(int part, std::int64_t epoch, std::vector<Send>& sends) {
  if (!has_right() || part >= parts()) return;
  sends.push_back({right(),
                   as_bytes(ConstMat(of(layers_.back().y, part))),
                   {"activations", range_.last, epoch, WireType::float32}});
}

void GradientProgram::receive_up(int part, std::int64_t epoch, std::vector<Receive>& receives) {
  if (!has_left() || part >= parts()) return;
  receives.push_back({left(), as_bytes(of(below_, part)), {"activations", range_.first - 1, epoch, WireType::float32}});
}

void GradientProgram::send_down(int part, std::int64_t epoch, std::vector<Send>& sends) {
  if (!has_left()) return;
  sends.push_back(
      {left(), as_bytes(ConstMat(of(down_, part))), {"gradients", range_.first - 1, epoch, WireType::float32}});
}

void GradientProgram::receive_down(int part, std::int64_t epoch, std::vector<Receive>& receives) {
  if (!has_right()) return;
  receives.push_back(
      {right(), as_bytes(of(layers_.back().g, part)), {"gradients", range_.last, epoch, WireType::float32}});
}

void GradientProgram::forward(int part, std::int64_t epoch) {
  if (batches_.permuted()) gather_batch(part, epoch);
  propagate(part, epoch);
  const Layer& l = layers_.back();
  if (!l.last) return;
  const Scalar sum = losses_->of(part), loss = step_ > 0 ? step_loss_.view<double>(1, 1) : sum;
  enqueue(ops::SoftmaxGradient{of(l.y, part), of(l.g, part), labels_of(part), loss});
  if (step_ > 0) enqueue(ops::AddScalars{loss, sum});
  took_loss(epoch * steps() + step_, part, loss);
}

void GradientProgram::propagate(int part, std::int64_t epoch) {
  for (const Layer& l : layers_) {
    context_.compute->label({"forward", l.index, epoch});
    const Mat y = of(l.y, part);
    if (l.dropped && chunk_ == nullptr) drop(l, x(l, part), of(l.dropped, part), rows_of(part).first);
    enqueue(ops::Gemm{used(l, part), l.w, y, false, true});
    enqueue(ops::Forward{l.b, y, {}, spec_.activation, !l.last});
  }
}

// A chunk of rows at a time, in the memory of the first part.
void GradientProgram::enqueue_loss_of_all(Scalar total, std::int64_t epoch) {
  const std::int64_t most = layers_.back().y.rows;
  const Layer& last = layers_.back();
  if (last.last) enqueue(ops::Zero{as_bytes(total)});
  for (Rows chunk{0, 0}; chunk.first < nodes_; chunk.first += chunk.count) {
    chunk.count = std::min(most, nodes_ - chunk.first);
    chunk_ = &chunk;
    MessageGroup below, above;
    if (has_left()) {
      below.receive(left(), as_bytes(of(below_, 0)), {"activations", range_.first - 1, epoch, WireType::float32});
      from_left_->start(below, "activations from the left until they are used");
      from_left_->finish("activations from the left");
    }
    propagate(0, epoch);
    if (last.last) {
      const Scalar loss = step_loss_.view<double>(1, 1);
      enqueue(ops::SoftmaxGradient{of(last.y, 0), of(last.g, 0), labels_of(0), loss});
      enqueue(ops::AddScalars{loss, total});
    } else {
      above.send(right(), as_bytes(ConstMat(of(last.y, 0))), {"activations", range_.last, epoch, WireType::float32});
      to_right_->start(above, "activations for the right");
      to_right_->finish("memory of the activations that the right has");
    }
  }
  chunk_ = nullptr;
}

void GradientProgram::backward(int part, std::int64_t epoch) {
  for (std::size_t i = layers_.size(); i-- > 0;) {
    const Layer& l = layers_[i];
    if (l.first) continue;
    context_.compute->label({"backward", l.index, epoch});
    const Mat down = of(i > 0 ? layers_[i - 1].g : down_, part);
    enqueue(ops::Gemm{of(l.g, part), l.w, down});
    if (l.dropout > 0.0) drop(l, {}, down, rows_of(part).first);
    enqueue(ops::ActivationGradient{x(l, part), down, spec_.activation});
  }
}

Mat GradientProgram::partials(const Layer& l) const {
  if (l.sums.data != nullptr) return l.sums;
  return partials_[static_cast<std::size_t>(l.index - range_.first) % partials_.size()].mat(1, l.gradient_values);
}

Mat GradientProgram::summed(const Layer& l) const {
  if (!l.reduction) return {partials(l).data, 1, l.gradient_values};
  return sums_[static_cast<std::size_t>(l.index - range_.first) % sums_.size()].mat(1, l.gradient_values);
}

void GradientProgram::add_gradients(Layer& l, int part, std::int64_t epoch) {
  context_.compute->label({"W", l.index, epoch});
  const std::int64_t nodes = batches_.nodes(step_);
  const float mean = 1.0f / static_cast<float>(nodes);
  if (part == 0) l.sum_count = 0;
  blocks_.add(*context_.compute, partials(l), part, l.sum_count, [&](const Rows&, Mat sum) {
    const Gradients to = gradients_in(l, sum.data);
    const ConstMat g = of(l.g, part);
    enqueue(ops::Gemm{g, used(l, part), to.w, true, false, mean});
    enqueue(ops::ColumnMean{g, to.b, nodes});
  });
}

void GradientProgram::gradients(Layer& l, std::int64_t epoch) {
  if (parts() == 1) add_gradients(l, 0, epoch);
  const Mat all = partials(l);
  if (l.reduction) l.reduction->scatter({all.data, l.sum_count, all.cols}, epoch);
}

// Of several parts the sums, of which the shard may have some, become one.
Mat GradientProgram::own_gradient(std::int64_t epoch) {
  const Mat all = gradient_.mat(1, row_.size());
  for (Layer& l : layers_) {
    if (parts() == 1) {
      add_gradients(l, 0, epoch);
      continue;
    }
    context_.compute->label({"W", l.index, epoch});
    enqueue(ops::SumParts{{l.sums.data, l.sum_count, l.sums.cols},
                          {all.data + row_.first(l.index), 1, l.gradient_values},
                          sum_tree(std::vector<int>(static_cast<std::size_t>(l.sum_count), 1))});
  }
  return all;
}

void GradientProgram::sum(const Layer& l, std::int64_t epoch) {
  context_.compute->label({"sum", l.index, epoch});
  l.reduction->sum(summed(l));
  l.reduction->gather(summed(l));
}

void GradientProgram::step(const Layer& l, std::int64_t epoch) {
  context_.compute->label({"W", l.index, epoch});
  if (l.reduction) l.reduction->finish();
  const Gradients from = gradients_in(l, summed(l).data);
  enqueue(ops::OptimizerStep{rule_, from.w, l.w, l.w_kept[0], l.w_kept[1], iteration(), rates_});
  enqueue(ops::OptimizerStep{rule_, from.b, l.b, l.b_kept[0], l.b_kept[1], iteration(), rates_});
}

// With shards the sums of a layer are exchanged while the gradients of the layers after it are computed.
void GradientProgram::update(std::int64_t epoch, std::int64_t) {
  if (spec_.placement.shards == 1) {
    for (Layer& l : layers_) gradients(l, epoch), step(l, epoch);
    return;
  }
  const std::size_t count = layers_.size();
  for (std::size_t i = 0; i < count + 2; ++i) {
    if (i < count) gradients(layers_[i], epoch);
    if (i >= 1 && i <= count) sum(layers_[i - 1], epoch);
    if (i >= 2) step(layers_[i - 2], epoch);
  }
}

void GradientProgram::enqueue_iteration(std::int64_t epoch, bool) {
  enqueue_steps(epoch, 0, steps());
  end_epoch(epoch);
}

void GradientProgram::enqueue_steps(std::int64_t epoch, int first, int last) {
  for (step_ = first; step_ < last; ++step_) enqueue_step(epoch);
  step_ = 0;
}

void GradientProgram::end_epoch(std::int64_t epoch) {
  context_.compute->label({"metrics", 0, epoch});
  if (losses_) losses_->finish();
}

void GradientProgram::enqueue_step(std::int64_t epoch) {
  const int below = spec_.placement.range_of(rank_),
            ahead = std::min(parts(), static_cast<int>(spec_.placement.ranges.size()) - 1 - below);
  const auto forward_after_left = [&](int part) {
    receive(with_left_, "activations from the left");
    forward(part, epoch);
  };
  const auto weights = [&](int part) {
    if (parts() == 1 || part < 0) return;
    for (Layer& l : layers_) add_gradients(l, part, epoch);
  };
  std::vector<Send> sends;
  std::vector<Receive> receives;
  const auto pass = [&](Group& group, const char* protects) {
    exchange(group, sends, receives, protects);
    sends.clear(), receives.clear();
  };
  receive_up(0, epoch, receives);
  pass(with_left_, "activations from the left until they are used, those of the last iteration");
  for (int part = 0; part < ahead; ++part) {
    forward_after_left(part);
    send_up(part, epoch, sends);
    receive_up(part + 1, epoch, receives);
    pass(with_left_, "activations for the right, and those from the left until they are used");
  }
  for (int part = 0; part < parts(); ++part) {
    const int next = part + ahead;
    if (next < parts()) forward_after_left(next);
    send_up(next, epoch, sends);
    receive_down(part, epoch, receives);
    pass(with_right_, "activations for the right, and gradients from there until they are used");
    receive(with_right_, "gradients from the right");
    backward(part, epoch);
    send_down(part, epoch, sends);
    receive_up(next + 1, epoch, receives);
    pass(with_left_, "gradients for the left, and activations from there until they are used");
    weights(part - below);
  }
  for (int part = std::max(parts() - below, 0); part < parts(); ++part) weights(part);
  if (losses_ && step_ + 1 == steps()) losses_->start(epoch);
  update(epoch, epoch * steps() + step_);
  context_.compute->label({"metrics", 0, epoch});
  enqueue(ops::Tick{iteration()});
}

void GradientProgram::enqueue_weights(Network& network) {
  if (!spec_.placement.speaks(rank_)) return;
  for (const Layer& l : layers_) {
    LayerWeights& out = network.at(static_cast<std::size_t>(l.index) - 1);
    enqueue(ops::Download{as_bytes(ConstMat(l.w)), reinterpret_cast<std::byte*>(out.w.data())});
    enqueue(ops::Download{as_bytes(ConstMat(l.b)), reinterpret_cast<std::byte*>(out.b.data())});
  }
}

std::vector<StageProgram::Entry> GradientProgram::entries() const {
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
