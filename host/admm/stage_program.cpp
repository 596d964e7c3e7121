#include "host/admm/stage_program.hpp"

#include <algorithm>

#include "host/admm/stage_layer.hpp"
#include "host/core/error.hpp"
#include "host/core/random.hpp"

namespace gamlp {
namespace {

MatView<std::byte> as_bytes(Mat m) {
  return {reinterpret_cast<std::byte*>(m.data), 1, m.size() * static_cast<std::int64_t>(sizeof(float))};
}
ConstBytes as_bytes(ConstMat m) {
  return {reinterpret_cast<const std::byte*>(m.data), 1, m.size() * static_cast<std::int64_t>(sizeof(float))};
}

// Message sizes never exceed those of the widest format of the stage.
std::size_t largest_message(const CodecConfig& codec, const ExchangeConfig& exchange, std::int64_t values) {
  std::int64_t bytes = wire_format(codec).message_bytes(values);
  for (const auto& entry : exchange.schedule) {
    bytes = std::max(bytes, wire_format(codec, entry.bits).message_bytes(values));
  }
  return static_cast<std::size_t>(bytes);
}

}  // namespace

StageProgram::StageProgram(const DeviceContext& context, const StageSpec& spec, int rank, InputLayer* input,
                           const std::vector<std::int32_t>& labels, const Network& network)
    : context_(context),
      spec_(spec),
      rank_(rank),
      range_(spec.ranges.at(static_cast<std::size_t>(rank))),
      input_(input),
      exact_(spec.method.update == Update::exact),
      nu_(static_cast<float>(*spec.method.nu)),
      rho_(static_cast<float>(*spec.method.rho)),
      nu2_(exact_ ? static_cast<float>(spec.method.exact.nu2 * *spec.method.rho) : nu_) {
  expects((range_.first == 1) == (input != nullptr), "the first device, and no other, holds the input");
  allocate(network, labels);
}

StageProgram::~StageProgram() = default;

void StageProgram::allocate(const Network& network, const std::vector<std::int32_t>& labels) {
  Device& device = *context_.device;
  const std::int64_t v = spec_.nodes;
  const bool p_quantized = spec_.exchange.p.bits < 32, q_quantized = spec_.exchange.q.bits < 32;
  const auto floats = [&](std::int64_t count, const std::string& what, MemoryKind kind) {
    return device.allocate(static_cast<std::size_t>(count) * sizeof(float), what, kind);
  };

  scalars_ = device.allocate(static_cast<std::size_t>(range_.count()) * kLayerScalars * sizeof(double), "scalars",
                             MemoryKind::variables);
  iteration_ = device.allocate(sizeof(std::uint32_t), "iteration", MemoryKind::variables);
  for (int index = range_.first; index <= range_.last; ++index) {
    auto l = std::make_unique<Layer>();
    const std::string id = std::to_string(index);
    l->index = index;
    l->first = index == 1;
    l->last = index == spec_.layers();
    l->n = spec_.widths[static_cast<std::size_t>(index) - 1];
    l->m = spec_.widths[static_cast<std::size_t>(index)];
    l->mu = weight_decay_of(spec_.method, index, spec_.layers());
    const bool kernel = l->first && input_->kind() == InputKind::kernel;
    const auto variable = [&](Buffer& memory, Mat& view, std::int64_t rows, std::int64_t cols, const char* what) {
      memory = floats(rows * cols, what + id, MemoryKind::variables);
      view = memory.mat(rows, cols);
    };
    if (!kernel) {
      l->w_memory = floats(l->m * l->n, "W" + id, MemoryKind::weights);
      l->w = l->w_memory.mat(l->m, l->n);
    }
    l->b_memory = floats(l->m, "b" + id, MemoryKind::weights);
    l->b = l->b_memory.mat(1, l->m);
    if (!l->first) variable(l->p_memory, l->p, v, l->n, "p");
    variable(l->z_memory, l->z, v, l->m, "z");
    if (!l->last) {
      variable(l->q_memory, l->q, v, l->m, "q");
      variable(l->u_memory, l->u, v, l->m, "u");
    }
    if (exact_) {
      variable(l->v_memory, l->v, v, l->m, "v");
      variable(l->t_memory, l->t, v, l->m, "t");
    } else {
      variable(l->r_memory, l->r, v, l->m, "r");
    }
    variable(l->mean_memory, l->mean, 1, exact_ ? l->m + l->n : l->m, "mean");
    const auto scales = [&](Buffer& memory, const CodecConfig& codec, std::int64_t values) {
      std::int64_t count = wire_format(codec).scale_floats(values);
      for (const auto& entry : spec_.exchange.schedule) {
        count = std::max(count, wire_format(codec, entry.bits).scale_floats(values));
      }
      memory = floats(count, "scales of layer " + id, MemoryKind::exchange);
    };
    if (!l->first && p_quantized) {
      scales(l->p_scales, spec_.exchange.p, v * l->n);
      if (spec_.exchange.p.error_feedback) {
        l->p_feedback = floats(v * l->n, "feedback of p" + id, MemoryKind::exchange);
      }
    }
    if (!l->last && q_quantized) {
      scales(l->q_scales, spec_.exchange.q, v * l->m);
      if (spec_.exchange.q.error_feedback) {
        l->q_feedback = floats(v * l->m, "feedback of q" + id, MemoryKind::exchange);
      }
    }
    l->input = l->first ? (kernel ? ConstMat{} : input_->x()) : ConstMat(l->p);
    layers_.push_back(std::move(l));
  }
  for (std::size_t i = 0; i + 1 < layers_.size(); ++i) {
    layers_[i + 1]->q_in = layers_[i]->q;
    layers_[i + 1]->u_in = layers_[i]->u;
    layers_[i]->p_next = layers_[i + 1]->p;
  }

  const auto messages = [&](Boundary& boundary) {
    boundary.p_bytes = largest_message(spec_.exchange.p, spec_.exchange, boundary.values);
    boundary.q_bytes = largest_message(spec_.exchange.q, spec_.exchange, boundary.values);
    for (std::size_t i = 0; i < 2; ++i) {
      boundary.p_message[i] = device.allocate(boundary.p_bytes, "p message", MemoryKind::exchange);
      boundary.q_message[i] = device.allocate(boundary.q_bytes, "q message", MemoryKind::exchange);
    }
  };
  if (has_left()) {
    Layer& l = *layers_.front();
    left_ = std::make_unique<Boundary>();
    left_->peer = rank_ - 1;
    left_->values = v * l.n;
    left_->q_copy = floats(left_->values, "copy of q" + std::to_string(l.index - 1), MemoryKind::exchange);
    left_->u_copy = floats(left_->values, "copy of u" + std::to_string(l.index - 1), MemoryKind::exchange);
    l.q_in = left_->q_copy.mat(v, l.n);
    l.u_in = left_->u_copy.mat(v, l.n);
    messages(*left_);
  }
  if (has_right()) {
    Layer& l = *layers_.back();
    right_ = std::make_unique<Boundary>();
    right_->peer = rank_ + 1;
    right_->values = v * l.m;
    right_->p_copy = floats(right_->values, "copy of p" + std::to_string(l.index + 1), MemoryKind::exchange);
    l.p_next = right_->p_copy.mat(v, l.m);
    messages(*right_);
  }
  for (std::size_t i = 0; i < 2; ++i) {
    p_ready_[i] = device.create_event("p ready");
    p_exchanged_[i] = device.create_event("p exchanged");
    q_ready_[i] = device.create_event("q ready");
    q_exchanged_[i] = device.create_event("q exchanged");
    downloaded_[i] = device.create_event("downloaded");
  }

  // Workspace, shared by the layers, which run one after the other: see workspace().
  std::array<std::int64_t, 5> sizes{};
  const auto grow = [&](std::size_t which, std::int64_t count) { sizes[which] = std::max(sizes[which], count); };
  for (const auto& l : layers_) {
    grow(0, v * l->m);
    grow(1, v * l->m);
    if (!(l->first && input_->kind() == InputKind::kernel)) grow(2, l->m * l->n);
    if (l->first) continue;
    grow(exact_ ? 1 : 0, v * l->n);
    if (exact_) grow(3, l->n * l->n);
    if (exact_ && p_quantized) grow(4, v * l->n);
  }
  for (const std::int64_t size : sizes) workspace_.push_back(floats(size, "workspace", MemoryKind::workspace));

  for (const auto& l : layers_) {
    const LayerWeights& weights = network.at(static_cast<std::size_t>(l->index) - 1);
    auto staged = std::make_unique<Matrix>(1, weights.w.size() + static_cast<std::int64_t>(weights.b.size()));
    std::copy_n(weights.w.data(), weights.w.size(), staged->data());
    std::copy(weights.b.begin(), weights.b.end(), staged->data() + weights.w.size());
    const auto* host = reinterpret_cast<const std::byte*>(staged->data());
    if (l->w.data) enqueue(ops::Upload{host, as_bytes(l->w)});
    enqueue(ops::Upload{host + weights.w.size() * 4, as_bytes(l->b)});
    staging_.push_back(std::move(staged));
  }
  if (layers_.back()->last) {
    labels_ = device.allocate(labels.size() * sizeof(std::int32_t), "labels", MemoryKind::data);
    enqueue(ops::Upload{reinterpret_cast<const std::byte*>(labels.data()), labels_.raw(labels_.bytes())});
  }
}

Scalar StageProgram::scalar(int index, LayerScalar which) const { return scalars(index, which, 1); }

MatView<double> StageProgram::scalars(int index, LayerScalar first, int count) const {
  const MatView<double> all = scalars_.view<double>(range_.count(), kLayerScalars);
  return {all.row(index - range_.first) + first, 1, count};
}

// gradient: 0 is V × max(n, m), 1 is V × m, 2 is m × n.
// exact: 0 is V × m, 1 is V × max(n, m), 2 is m × n, 3 is n × n, 4 is V × n when p is quantised.
Mat StageProgram::workspace(int which, std::int64_t rows, std::int64_t cols) const {
  return workspace_[static_cast<std::size_t>(which)].mat(rows, cols);
}

WireFormat StageProgram::format_of(const CodecConfig& codec, std::int64_t epoch) const {
  std::int64_t bits = 0;
  for (const auto& entry : spec_.exchange.schedule) {
    if (epoch >= entry.epoch) bits = entry.bits;
  }
  return wire_format(codec, bits);
}

Quantize StageProgram::quantize(const CodecConfig& codec, const WireFormat& format, Layer& l, bool is_p,
                                Bytes message) const {
  const std::int64_t values = spec_.nodes * (is_p ? l.n : l.m);
  Quantize q;
  q.format = format;
  q.rounding = codec.rounding;
  const Buffer& feedback = is_p ? l.p_feedback : l.q_feedback;
  const Buffer& scales = is_p ? l.p_scales : l.q_scales;
  if (feedback && format.coding == Coding::value) q.feedback = feedback.mat(spec_.nodes, is_p ? l.n : l.m);
  if (scales) q.scales = scales.mat(1, format.scale_floats(values));
  if (message.data) q.message = {message.data, 1, format.message_bytes(values)};
  q.key =
      static_cast<std::uint32_t>(random_key(spec_.seed, 2, static_cast<std::uint64_t>(l.index) * 2 + (is_p ? 1 : 0)));
  q.iteration = iteration_.view<std::uint32_t>(1, 1);
  return q;
}

void StageProgram::enqueue_forward() {
  q_pending_ = false;
  if (has_left()) {
    // Into p itself: the left neighbour's q, in float32.
    const Receive receive{left_->peer, as_bytes(layers_.front()->p)};
    context_.exchange->wait(*p_ready_[0]);  // p of a new program is free: nothing was recorded, passes at once
    context_.transport->exchange(*context_.exchange, {}, {&receive, 1});
    context_.exchange->record(*q_exchanged_[0]);
    context_.compute->wait(*q_exchanged_[0]);  // p_first
  }
  for (auto& l : layers_) {
    const bool kernel = l->first && input_->kind() == InputKind::kernel;
    if (!l->first) {
      enqueue(ops::Copy{as_bytes(ConstMat(l->p)), as_bytes(l->q_in)});
      enqueue(ops::Zero{as_bytes(l->u_in)});
    }
    if (kernel) {
      enqueue(ops::Copy{as_bytes(ConstMat(input_->a())), as_bytes(l->z)});
    } else {
      enqueue(ops::Gemm{l->input, l->w, l->z, false, true});
    }
    enqueue(ops::Forward{l->b, l->z, l->last ? Mat{} : l->q, spec_.activation});
    if (!l->last) {
      enqueue(ops::Copy{as_bytes(ConstMat(l->q)), as_bytes(l->p_next)});
      enqueue(ops::Zero{as_bytes(l->u)});
    }
    if (exact_) {
      enqueue(ops::Zero{as_bytes(l->v)});
      enqueue(ops::Copy{as_bytes(ConstMat(l->z)), as_bytes(l->t)});
    } else {
      enqueue(ops::Zero{as_bytes(l->r)});
    }
  }
  if (has_right()) {
    const Send send{right_->peer, as_bytes(ConstMat(layers_.back()->q))};
    context_.compute->record(*q_ready_[0]);
    context_.exchange->wait(*q_ready_[0]);  // q_last
    context_.transport->exchange(*context_.exchange, {&send, 1}, {});
    context_.exchange->record(*p_exchanged_[0]);
    context_.compute->wait(*p_exchanged_[0]);  // q_last must stay until it is sent
  }
}

void StageProgram::receive_q(std::int64_t epoch) {
  if (!q_pending_) return;
  const std::size_t last = static_cast<std::size_t>((epoch - 1) & 1);
  Layer& l = *layers_.front();
  const WireFormat format = format_of(spec_.exchange.q, epoch - 1);
  context_.compute->wait(*q_exchanged_[last]);  // the q message of the last iteration
  enqueue(ops::QReceive{left_->q_message[last].raw(static_cast<std::size_t>(format.message_bytes(left_->values))), l.p,
                        l.q_in, l.u_in, format, rho_});
  q_pending_ = false;
}

void StageProgram::exchange_p(std::int64_t epoch) {
  if (!has_left() && !has_right()) return;
  const std::size_t parity = static_cast<std::size_t>(epoch & 1);
  const WireFormat format = format_of(spec_.exchange.p, epoch);
  std::vector<Send> sends;
  std::vector<Receive> receives;
  if (has_left()) {
    sends.push_back(
        {left_->peer, left_->p_message[parity].raw(static_cast<std::size_t>(format.message_bytes(left_->values)))});
  }
  if (has_right()) {
    receives.push_back(
        {right_->peer, right_->p_message[parity].raw(static_cast<std::size_t>(format.message_bytes(right_->values)))});
  }
  context_.compute->record(*p_ready_[parity]);
  // The p message that goes left is packed; the one that came from the right two iterations ago is used up.
  context_.exchange->wait(*p_ready_[parity]);
  context_.transport->exchange(*context_.exchange, sends, receives);
  context_.exchange->record(*p_exchanged_[parity]);
}

void StageProgram::exchange_q(std::int64_t epoch) {
  if (!has_left() && !has_right()) return;
  const std::size_t parity = static_cast<std::size_t>(epoch & 1);
  const WireFormat format = format_of(spec_.exchange.q, epoch);
  std::vector<Send> sends;
  std::vector<Receive> receives;
  if (has_right()) {
    sends.push_back(
        {right_->peer, right_->q_message[parity].raw(static_cast<std::size_t>(format.message_bytes(right_->values)))});
  }
  if (has_left()) {
    receives.push_back(
        {left_->peer, left_->q_message[parity].raw(static_cast<std::size_t>(format.message_bytes(left_->values)))});
    q_pending_ = true;
  }
  context_.compute->record(*q_ready_[parity]);
  // The q message that goes right is packed; the one that came from the left two iterations ago is used up.
  context_.exchange->wait(*q_ready_[parity]);
  context_.transport->exchange(*context_.exchange, sends, receives);
  context_.exchange->record(*q_exchanged_[parity]);
}

void StageProgram::enqueue_iteration(std::int64_t epoch, bool metrics) {
  const std::size_t parity = static_cast<std::size_t>(epoch & 1);
  // p, from the last layer down: the one that needs the left neighbour's q comes last.
  for (int index = range_.last; index >= range_.first; --index) {
    Layer& l = layer(index);
    if (l.first) continue;
    Bytes message;
    if (index == range_.first) {
      // The p message of two iterations ago has been sent. (Never recorded in the first two: passes.)
      context_.compute->wait(*p_exchanged_[parity]);
      message = left_->p_message[parity].raw(left_->p_bytes);
    }
    exact_ ? exact_p(l, epoch, message) : gradient_p(l, epoch, message);
  }
  exchange_p(epoch);
  for (auto& l : layers_) exact_ ? exact_w(*l) : gradient_w(*l);
  for (int index = range_.last; index >= range_.first; --index) {
    Layer& l = layer(index);
    Bytes message;
    if (index == range_.last && has_right()) {
      const WireFormat format = format_of(spec_.exchange.p, epoch);
      if (exact_) exact_product(l);                   // needs nothing of the neighbour
      context_.compute->wait(*p_exchanged_[parity]);  // the p message of the right neighbour
      enqueue(
          ops::PReceive{right_->p_message[parity].raw(static_cast<std::size_t>(format.message_bytes(right_->values))),
                        l.p_next, format});
      context_.compute->wait(*q_exchanged_[parity]);  // the q message of two iterations ago has been sent
      message = right_->q_message[parity].raw(right_->q_bytes);
    }
    if (exact_ && message.data == nullptr) exact_product(l);
    exact_ ? exact_zq(l, epoch, message) : gradient_zq(l, epoch, message);
    if (index == range_.last) exchange_q(epoch);
  }
  enqueue(ops::Tick{iteration_.view<std::uint32_t>(1, 1)});
  if (!metrics) return;
  for (auto& l : layers_) {
    if (l->mu == 0.0) continue;
    const bool kernel = l->first && input_->kind() == InputKind::kernel;
    const ConstMat a = kernel ? ConstMat(input_->a()) : ConstMat(l->w);
    const ConstMat b = kernel ? ConstMat(input_->c()) : ConstMat(l->w);
    enqueue(ops::Dot{a, b, scalar(l->index, kWeight2)});
  }
}

void StageProgram::enqueue_scalars(double* out) {
  const std::size_t bytes = static_cast<std::size_t>(range_.count()) * kLayerScalars * sizeof(double);
  enqueue(ops::Download{scalars_.raw(bytes), reinterpret_cast<std::byte*>(out + (range_.first - 1) * kLayerScalars)});
}

void StageProgram::enqueue_weights(Network& network) {
  for (auto& l : layers_) {
    LayerWeights& out = network.at(static_cast<std::size_t>(l->index) - 1);
    const bool kernel = l->first && input_->kind() == InputKind::kernel;
    const ConstMat w = kernel ? ConstMat(input_->c()) : ConstMat(l->w);
    enqueue(ops::Download{as_bytes(w), reinterpret_cast<std::byte*>(out.w.data())});
    enqueue(ops::Download{as_bytes(ConstMat(l->b)), reinterpret_cast<std::byte*>(out.b.data())});
  }
}

void StageProgram::mark_downloads(std::int64_t epoch) {
  context_.compute->record(*downloaded_[static_cast<std::size_t>(epoch & 1)]);
}

void StageProgram::finish_downloads(std::int64_t epoch) {
  downloaded_[static_cast<std::size_t>(epoch & 1)]->synchronize();
}

std::vector<StageProgram::Entry> StageProgram::entries() const {
  std::vector<Entry> list;
  const auto add = [&](const std::string& name, Mat m) {
    if (m.data) list.push_back({name, as_bytes(m), m.rows, m.cols, 4});
  };
  for (const auto& l : layers_) {
    const std::string id = std::to_string(l->index);
    add("W" + id, l->w);
    add("b" + id, l->b);
    add("p" + id, l->p);
    add("z" + id, l->z);
    add("q" + id, l->q);
    add("u" + id, l->u);
    add("r" + id, l->r);
    add("v" + id, l->v);
    add("t" + id, l->t);
    if (l->p_feedback) add("p_feedback" + id, l->p_feedback.mat(spec_.nodes, l->n));
    if (l->q_feedback) add("q_feedback" + id, l->q_feedback.mat(spec_.nodes, l->m));
    const MatView<double> s = scalars(l->index, static_cast<LayerScalar>(0), kLayerScalars);
    list.push_back({"scalars" + id, {reinterpret_cast<std::byte*>(s.data), 1, s.size() * 8}, 1, s.size(), 8});
  }
  if (input_ && input_->kind() == InputKind::kernel) {
    add("input.a", input_->a());
    add("input.c", input_->c());
  }
  if (rank_ == 0) list.push_back({"iteration", iteration_.raw(4), 1, 1, 4});
  return list;
}

void StageProgram::describe_state(TrainingState& state) const {
  for (const Entry& entry : entries()) {
    HostTensor& tensor = state[entry.name];
    tensor.rows = entry.rows;
    tensor.cols = entry.cols;
    tensor.item_bytes = entry.item_bytes;
    tensor.data.resize(static_cast<std::size_t>(entry.memory.size()));
  }
}

void StageProgram::enqueue_save(TrainingState& state) {
  for (const Entry& entry : entries()) enqueue(ops::Download{entry.memory, state.at(entry.name).data.data()});
}

void StageProgram::enqueue_restore(const TrainingState& state) {
  const auto restore = [&](const std::string& name, Bytes to, std::int64_t rows, std::int64_t cols) {
    const auto found = state.find(name);
    if (found == state.end()) throw DataError("checkpoint: tensor \"" + name + "\" is missing");
    const HostTensor& tensor = found->second;
    if (tensor.rows != rows || tensor.cols != cols || tensor.data.size() != static_cast<std::size_t>(to.size())) {
      throw DataError("checkpoint: tensor \"" + name + "\" is " + std::to_string(tensor.rows) + " × " +
                      std::to_string(tensor.cols) + ", expected " + std::to_string(rows) + " × " +
                      std::to_string(cols));
    }
    enqueue(ops::Upload{tensor.data.data(), to});
  };
  for (const Entry& entry : entries()) restore(entry.name, entry.memory, entry.rows, entry.cols);
  if (rank_ != 0) restore("iteration", iteration_.raw(4), 1, 1);
  if (has_left()) {
    const Layer& l = *layers_.front();
    const std::string below = std::to_string(l.index - 1);
    restore("q" + below, as_bytes(l.q_in), spec_.nodes, l.n);
    restore("u" + below, as_bytes(l.u_in), spec_.nodes, l.n);
  }
  if (has_right()) {
    const Layer& l = *layers_.back();
    restore("p" + std::to_string(l.index + 1), as_bytes(l.p_next), spec_.nodes, l.m);
  }
  q_pending_ = false;
}

}  // namespace gamlp
