#include "host/methods/admm/admm_program.hpp"

#include "host/math/random.hpp"
#include "host/methods/admm/admm_layer.hpp"

namespace gamlp {
namespace {

Bytes message_of(const Buffer& buffer, const WireFormat& format, std::int64_t values) {
  return buffer.raw(static_cast<std::size_t>(format.message_bytes(values)));
}

WireType wire_type(const WireFormat& format) { return format.quantized() ? WireType::bytes : WireType::float32; }

}  // namespace

AdmmProgram::AdmmProgram(const DeviceContext& context, const StageSpec& spec, int rank, AdmmInput* input,
                         const AdmmConfig& admm, const ExchangeConfig& exchange)
    : StageProgram(context, spec, rank, input),
      admm_(admm),
      exchange_(exchange),
      admm_input_(input),
      exact_(admm.update == Update::exact),
      nu_(static_cast<float>(*admm.nu)),
      rho_(static_cast<float>(*admm.rho)),
      nu2_(static_cast<float>(admm_nu2(admm))) {
  allocate_all();
}

AdmmProgram::~AdmmProgram() = default;

// gradient: 0 is V × max(n, m), 1 is V × m, 2 is m × n.
// exact: 0 is V × m, 1 is V × max(n, m), 2 is m × n, 3 is n × n (V × V with V < n), 4 is V × n when p is quantised.
Mat AdmmProgram::workspace(const Layer& l, int which, std::int64_t rows, std::int64_t cols) const {
  const auto turn = static_cast<std::size_t>(l.index - range_.first) % workspace_.size();
  return workspace_[turn][static_cast<std::size_t>(which)].mat(rows, cols);
}

WireFormat AdmmProgram::format_of(const CodecConfig& codec, std::int64_t epoch) const {
  return wire_format(codec, scheduled_bits(exchange_, epoch));
}

Quantize AdmmProgram::quantize(const CodecConfig& codec, const WireFormat& format, Layer& l, bool is_p,
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
  q.iteration = iteration();
  return q;
}

void AdmmProgram::enqueue_start() {
  q_pending_ = false;
  if (has_left()) {
    // Into p itself: the left neighbour's q, in float32.
    const int below = range_.first - 1;
    const Receive receive{left_->peer, as_bytes(layers_.front()->p), {"q", below, 0, WireType::float32}};
    context_.compute->record(*p_ready_[0]);
    context_.exchange->wait(*p_ready_[0], "p of the first layer, which the forward pass's q overwrites");
    context_.transport->exchange(*context_.exchange, {}, {&receive, 1});
    context_.exchange->record(*q_exchanged_[0]);
    context_.compute->wait(*q_exchanged_[0], "p of the first layer, the forward pass's q from the left");
  }
  for (auto& l : layers_) {
    label("forward", *l, 0);
    if (!l->first) {
      enqueue(ops::Copy{as_bytes(ConstMat(l->p)), as_bytes(l->q_in)});
      enqueue(ops::Zero{as_bytes(l->u_in)});
    }
    if (l->kernel) {
      enqueue(ops::Copy{as_bytes(ConstMat(admm_input_->a())), as_bytes(l->z)});
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
    const Send send{right_->peer, as_bytes(ConstMat(layers_.back()->q)), {"q", range_.last, 0, WireType::float32}};
    context_.compute->record(*q_ready_[0]);
    context_.exchange->wait(*q_ready_[0], "q of the last layer, the forward pass's");
    context_.transport->exchange(*context_.exchange, {&send, 1}, {});
    context_.exchange->record(*p_exchanged_[0]);
    context_.compute->wait(*p_exchanged_[0], "q of the last layer until the forward pass has sent it");
  }
}

void AdmmProgram::receive_q(std::int64_t epoch) {
  if (!q_pending_) return;
  const std::size_t last = static_cast<std::size_t>((epoch - 1) & 1);
  Layer& l = *layers_.front();
  const WireFormat format = format_of(exchange_.q, epoch - 1);
  context_.compute->wait(*q_exchanged_[last], "the q message from the left");
  enqueue(ops::QReceive{message_of(left_->q_message[last], format, left_->values), l.p, l.q_in, l.u_in, format, rho_});
  q_pending_ = false;
}

void AdmmProgram::exchange_p(std::int64_t epoch) {
  if (!has_left() && !has_right()) return;
  const std::size_t parity = static_cast<std::size_t>(epoch & 1);
  const WireFormat format = format_of(exchange_.p, epoch);
  std::vector<Send> sends;
  std::vector<Receive> receives;
  if (has_left()) {
    sends.push_back({left_->peer,
                     message_of(left_->p_message[parity], format, left_->values),
                     {"p", range_.first, epoch, wire_type(format)}});
  }
  if (has_right()) {
    receives.push_back({right_->peer,
                        message_of(right_->p_message[parity], format, right_->values),
                        {"p", range_.last + 1, epoch, wire_type(format)}});
  }
  context_.compute->record(*p_ready_[parity]);
  context_.exchange->wait(*p_ready_[parity],
                          "the p message to the left, and that of two iterations ago from the right until it is used");
  context_.transport->exchange(*context_.exchange, sends, receives);
  context_.exchange->record(*p_exchanged_[parity]);
}

void AdmmProgram::exchange_q(std::int64_t epoch) {
  if (!has_left() && !has_right()) return;
  const std::size_t parity = static_cast<std::size_t>(epoch & 1);
  const WireFormat format = format_of(exchange_.q, epoch);
  std::vector<Send> sends;
  std::vector<Receive> receives;
  if (has_right()) {
    sends.push_back({right_->peer,
                     message_of(right_->q_message[parity], format, right_->values),
                     {"q", range_.last, epoch, wire_type(format)}});
  }
  if (has_left()) {
    receives.push_back({left_->peer,
                        message_of(left_->q_message[parity], format, left_->values),
                        {"q", range_.first - 1, epoch, wire_type(format)}});
    q_pending_ = true;
  }
  context_.compute->record(*q_ready_[parity]);
  context_.exchange->wait(*q_ready_[parity],
                          "the q message to the right, and that of two iterations ago from the left until it is used");
  context_.transport->exchange(*context_.exchange, sends, receives);
  context_.exchange->record(*q_exchanged_[parity]);
}

void AdmmProgram::enqueue_iteration(std::int64_t epoch, bool metrics) {
  const std::size_t parity = static_cast<std::size_t>(epoch & 1);
  // p, from the last layer down: the one that needs the left neighbour's q comes last.
  for (int index = range_.last; index >= range_.first; --index) {
    Layer& l = layer(index);
    if (l.first) continue;
    label("p", l, epoch);
    Bytes message;
    if (index == range_.first) {
      context_.compute->wait(*p_exchanged_[parity],
                             "the p message to the left until that of two iterations ago is sent");
      message = left_->p_message[parity].raw(left_->p_bytes);
    }
    exact_ ? exact_p(l, epoch, message) : gradient_p(l, epoch, message);
  }
  exchange_p(epoch);
  for (auto& l : layers_) {
    label("W", *l, epoch);
    exact_ ? exact_w(*l) : gradient_w(*l);
  }
  for (int index = range_.last; index >= range_.first; --index) {
    Layer& l = layer(index);
    label(l.last ? "z" : "zq", l, epoch);
    Bytes message;
    if (index == range_.last && has_right()) {
      const WireFormat format = format_of(exchange_.p, epoch);
      if (exact_) exact_product(l);  // needs nothing of the neighbour
      // With it every earlier group has passed: the q message of two iterations ago is sent, its buffer free.
      context_.compute->wait(*p_exchanged_[parity], "the p message from the right");
      enqueue(ops::PReceive{message_of(right_->p_message[parity], format, right_->values), l.p_next, format});
      message = right_->q_message[parity].raw(right_->q_bytes);
    }
    if (exact_ && message.data == nullptr) exact_product(l);
    if (metrics && l.q_before.data != nullptr) enqueue(ops::Copy{as_bytes(ConstMat(l.q)), as_bytes(l.q_before)});
    exact_ ? exact_zq(l, epoch, message) : gradient_zq(l, epoch, message);
    if (index == range_.last) exchange_q(epoch);
  }
  context_.compute->label({"metrics", 0, epoch});
  enqueue(ops::Tick{iteration()});
  if (!metrics) return;
  for (auto& l : layers_) {
    if (l->q_before.data != nullptr) {
      enqueue(ops::Distance2{ConstMat(l->q), ConstMat(l->q_before), scalar(l->index, kQStep2)});
    }
    if (l->mu == 0.0) continue;
    const ConstMat a = l->kernel ? ConstMat(admm_input_->a()) : ConstMat(l->w);
    const ConstMat b = l->kernel ? ConstMat(admm_input_->c()) : ConstMat(l->w);
    enqueue(ops::Dot{a, b, scalar(l->index, kWeight2)});
  }
}

void AdmmProgram::label(const char* step, const Layer& l, std::int64_t epoch) {
  context_.compute->label({step, l.index, epoch});
}

}  // namespace gamlp
