#include "host/methods/admm/admm_program.hpp"

#include <algorithm>

#include "host/device/staging.hpp"
#include "host/math/random.hpp"
#include "host/methods/admm/admm_layer.hpp"

namespace gamlp {
namespace {

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

// gradient: 0 is V × max(n, m), 1 is V × m.  exact: 0 is V × m, 1 is V × n, 2 is V × n when p is quantised.
Mat AdmmProgram::workspace(const Layer& l, int which, std::int64_t cols) const {
  return turn(l, workspace_)[static_cast<std::size_t>(which)].mat(nodes_, cols);
}

// Calls take(&Products::member, rows, cols) for each that the layer has, in their order in a row.
template <class Take>
void AdmmProgram::for_products(const Layer& l, bool exact, Take take) {
  if (exact && !l.first) take(&Products::gram, l.n, l.n);
  if (!l.kernel) take(&Products::product, l.m, l.n);
  if (exact && !l.first) take(&Products::p_mean, std::int64_t{1}, l.n);
  if (exact) take(&Products::t_mean, std::int64_t{1}, l.m);
}

std::int64_t AdmmProgram::products_row(const Layer& l, bool exact) {
  std::int64_t floats = 0;
  for_products(l, exact,
               [&](Mat Products::*, std::int64_t rows, std::int64_t cols) { floats += padded_floats(rows * cols); });
  return floats;
}

AdmmProgram::Products AdmmProgram::products_in(const Layer& l, bool exact, float* row) {
  Products s;
  for_products(l, exact, [&](Mat Products::*member, std::int64_t rows, std::int64_t cols) {
    s.*member = {row, rows, cols};
    row += padded_floats(rows * cols);
  });
  return s;
}

Mat AdmmProgram::partials(const Layer& l) const {
  return turn(l, partials_).mat(blocks_.partial_sums(), l.product_row);
}

AdmmProgram::Products AdmmProgram::partial(const Layer& l) const { return products_in(l, exact_, partials(l).data); }

// In the exact update over shards only the owner has the sum. Its memory is that of the operators, which only the p
// steps use.
Mat AdmmProgram::summed_row(const Layer& l) const {
  if (!sharded()) return {partials(l).data, 1, l.product_row};
  if (!exact_) return turn(l, summed_).mat(1, l.product_row);
  return l.owner == group_.own() ? operators_.front().mat(1, l.product_row) : Mat{};
}

AdmmProgram::Products AdmmProgram::summed(const Layer& l) const { return products_in(l, exact_, summed_row(l).data); }

MatView<double> AdmmProgram::sum_of(const Layer& l, int block, int which, int count) const {
  return {l.sums->of(block).data + (which - kLinear2), 1, count};
}

Parts AdmmProgram::message_parts(const WireFormat& format, std::int64_t width) const {
  std::vector<std::int64_t> bytes;
  for (const Rows& rows : blocks_.rows()) bytes.push_back(format.message_bytes(rows.count * width));
  return Parts(bytes);
}

Bytes AdmmProgram::message_of(const Buffer& buffer, const WireFormat& format, std::int64_t width) const {
  return buffer.raw(static_cast<std::size_t>(message_parts(format, width).total()));
}

Bytes AdmmProgram::block_message(const Buffer& buffer, const WireFormat& format, std::int64_t width, int block) const {
  return message_parts(format, width).of(message_of(buffer, format, width), block);
}

WireFormat AdmmProgram::format_of(const CodecConfig& codec, std::int64_t epoch) const {
  return wire_format(codec, scheduled_bits(exchange_, epoch));
}

Quantize AdmmProgram::quantize(const CodecConfig& codec, const WireFormat& format, const Layer& l, bool is_p, int block,
                               const Buffer* message) const {
  const Rows& rows = blocks_[block];
  const std::int64_t width = is_p ? l.n : l.m;
  Quantize q;
  q.format = format;
  q.rounding = codec.rounding;
  const Buffer& feedback = is_p ? l.p_feedback : l.q_feedback;
  const Buffer& scales = is_p ? l.p_scales : l.q_scales;
  if (feedback && format.coding == Coding::value) q.feedback = rows.of(feedback.mat(nodes_, width));
  if (scales) q.scales = scales.mat(1, format.scale_floats(rows.count * width));
  if (message != nullptr) q.message = block_message(*message, format, width, block);
  q.key =
      static_cast<std::uint32_t>(random_key(spec_.seed, 2, static_cast<std::uint64_t>(l.index) * 2 + (is_p ? 1 : 0)));
  q.iteration = iteration();
  q.first = (first_node_ + rows.first) * width;
  return q;
}

void AdmmProgram::enqueue_start() {
  q_pending_ = false;
  for (const Rows& rows : blocks_.rows()) start(rows);
}

// The forward pass of a block. Neighbours exchange q in float32, straight from q into p.
void AdmmProgram::start(const Rows& rows) {
  const auto on_device = [&](auto view) {
    return as_bytes(context_.staging != nullptr ? context_.staging->on_device(view) : view);
  };
  if (has_left()) {
    const Receive receive{
        left_->peer, on_device(rows.of(layers_.front()->p)), {"q", range_.first - 1, 0, WireType::float32}};
    context_.compute->record(*p_ready_[0]);
    context_.exchange->wait(*p_ready_[0], "p of the first layer, which the forward pass's q overwrites");
    context_.transport->exchange(*context_.exchange, {}, {&receive, 1});
    context_.exchange->record(*q_exchanged_[0]);
    context_.compute->wait(*q_exchanged_[0], "p of the first layer, the forward pass's q from the left");
  }
  const auto copy = [&](ConstMat from, Mat to) { enqueue(ops::Copy{as_bytes(rows.of(from)), as_bytes(rows.of(to))}); };
  const auto zero = [&](Mat m) { enqueue(ops::Zero{as_bytes(rows.of(m))}); };
  for (auto& l : layers_) {
    label("forward", *l, 0);
    if (!l->first) copy(l->p, l->q_in), zero(l->u_in);
    if (l->kernel) {
      copy(admm_input_->a(), l->z);
    } else {
      enqueue(ops::Gemm{rows.of(l->input), l->w, rows.of(l->z), false, true});
    }
    enqueue(ops::Forward{l->b, rows.of(l->z), l->last ? Mat{} : rows.of(l->q), spec_.activation});
    if (!l->last) copy(l->q, l->p_next), zero(l->u);
    if (exact_) {
      zero(l->v), copy(l->z, l->t);
    } else {
      zero(l->r);
    }
  }
  if (has_right()) {
    const Send send{
        right_->peer, on_device(ConstMat(rows.of(layers_.back()->q))), {"q", range_.last, 0, WireType::float32}};
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
  for (int block = 0; block < blocks_.count(); ++block) {
    const Rows& rows = blocks_[block];
    enqueue(ops::QReceive{block_message(left_->q_message[last], format, l.n, block), rows.of(l.p), rows.of(l.q_in),
                          rows.of(l.u_in), format, rho_});
  }
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
                     message_of(left_->p_message[parity], format, left_->width),
                     {"p", range_.first, epoch, wire_type(format)}});
  }
  if (has_right()) {
    receives.push_back({right_->peer,
                        message_of(right_->p_message[parity], format, right_->width),
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
                     message_of(right_->q_message[parity], format, right_->width),
                     {"q", range_.last, epoch, wire_type(format)}});
  }
  if (has_left()) {
    receives.push_back({left_->peer,
                        message_of(left_->q_message[parity], format, left_->width),
                        {"q", range_.first - 1, epoch, wire_type(format)}});
    q_pending_ = true;
  }
  context_.compute->record(*q_ready_[parity]);
  context_.exchange->wait(*q_ready_[parity],
                          "the q message to the right, and that of two iterations ago from the left until it is used");
  context_.transport->exchange(*context_.exchange, sends, receives);
  context_.exchange->record(*q_exchanged_[parity]);
}

// The float32 message of a p.
void AdmmProgram::send_float32(const Layer& l, const WireFormat& format, const Buffer* message) {
  if (message == nullptr) return;
  for (int block = 0; block < blocks_.count(); ++block) {
    const ConstBytes p = as_bytes(ConstMat(blocks_[block].of(l.p)));
    enqueue(ops::Copy{p, {block_message(*message, format, l.n, block).data, 1, p.size()}});
  }
}

// p, from the last layer down: the one that needs the left neighbour's q comes last.
void AdmmProgram::p_steps(std::int64_t epoch) {
  const std::size_t parity = static_cast<std::size_t>(epoch & 1);
  const bool quantized = format_of(exchange_.p, epoch).quantized();
  const auto message_for = [&](const Layer& l) {
    return l.index == range_.first ? &left_->p_message[parity] : nullptr;
  };
  const auto above_first = [&](int index) { return index >= range_.first && index > 1; };
  // With S shards, operators are computed S layers ahead, one layer's by each device.
  if (exact_ && sharded()) {
    for (int i = 0; i < group_.size(); ++i) exact_operators(range_.last - i, epoch);
    if (above_first(range_.last)) share_operators(layer(range_.last));
  }
  Layer* open = nullptr;  // whose step size is being summed up, while the next layer's gradient is computed
  for (int index = range_.last; above_first(index); --index) {
    Layer& l = layer(index);
    label("p", l, epoch);
    if (index == range_.first) {
      context_.compute->wait(*p_exchanged_[parity],
                             "the p message to the left until that of two iterations ago is sent");
    }
    if (exact_) {
      if (sharded()) {
        if (above_first(index - 1)) share_operators(layer(index - 1));
        exact_operators(index - group_.size(), epoch);
        label("p", l, epoch);
      }
      exact_p(l, epoch, message_for(l));
      continue;
    }
    gradient_p(l, epoch, message_for(l));
    if (quantized) continue;
    if (open != nullptr) gradient_p_end(*open, epoch, message_for(*open));
    open = &l;
    if (!sharded()) gradient_p_end(l, epoch, message_for(l)), open = nullptr;
  }
  if (open != nullptr) gradient_p_end(*open, epoch, message_for(*open));
}

// How many layers later the W step of the exact update solves for a layer. With S shards their devices then solve for S
// layers at the same time.
int AdmmProgram::exact_lag() const {
  return sharded() ? std::clamp(group_.size() - 1, 1, std::max(range_.count() - 1, 1)) : 0;
}

// With shards a layer's sums are under way while the products of other layers are computed.
void AdmmProgram::w_steps(std::int64_t epoch) {
  const int count = range_.count(), lag = !sharded() ? 0 : exact_ ? exact_lag() : 3;
  const auto at = [&](int i) -> Layer* {
    if (i < 0 || i >= count) return nullptr;
    label("W", *layers_[static_cast<std::size_t>(i)], epoch);
    return layers_[static_cast<std::size_t>(i)].get();
  };
  for (int i = 0; i < count + lag; ++i) {
    if (exact_) {
      if (Layer* l = at(i)) exact_products(*l, epoch);
      if (Layer* l = at(i - lag)) exact_w(*l);
    } else if (!sharded()) {
      Layer& l = *at(i);
      gradient_products(l, epoch), gradient_image(l, epoch), gradient_w(l, epoch);
    } else {
      if (Layer* l = at(i)) gradient_products(*l, epoch);
      if (Layer* l = at(i - 3)) gradient_w(*l, epoch);
      if (Layer* l = at(i - 1)) l->reduction->sum(summed_row(*l)), l->reduction->gather(summed_row(*l));
      if (Layer* l = at(i - 2)) gradient_image(*l, epoch);
    }
  }
}

void AdmmProgram::zq_step(Layer& l, std::int64_t epoch, bool metrics) {
  const std::size_t parity = static_cast<std::size_t>(epoch & 1);
  label(l.last ? "z" : "zq", l, epoch);
  if (!exact_) gradient_b(l);
  if (l.weights_round) l.weights_round->finish("W and b from the device that solved for them");
  // The product needs nothing of the neighbour.
  const bool from_right = l.index == range_.last && has_right();
  if (exact_ && from_right) {
    for (const Rows& rows : blocks_.rows()) exact_product(l, rows);
  }
  const Buffer* message = nullptr;
  if (from_right) {
    const WireFormat format = format_of(exchange_.p, epoch);
    // With it every earlier group has passed: the q message of two iterations ago is sent, its buffer free.
    context_.compute->wait(*p_exchanged_[parity], "the p message from the right");
    for (int block = 0; block < blocks_.count(); ++block) {
      enqueue(ops::PReceive{block_message(right_->p_message[parity], format, l.m, block), blocks_[block].of(l.p_next),
                            format});
    }
    message = &right_->q_message[parity];
  }
  if (metrics && l.q_before.data != nullptr) {
    for (const Rows& rows : blocks_.rows()) {
      enqueue(ops::Copy{as_bytes(ConstMat(rows.of(l.q))), as_bytes(rows.of(l.q_before))});
    }
  }
  exact_ ? exact_zq(l, epoch, message, !from_right) : gradient_zq(l, epoch, message);
}

// The sums that the projected p steps left for their next τ. They are under way during the W steps.
void AdmmProgram::start_tau(std::int64_t epoch) {
  MessageGroup messages;
  for (auto& l : layers_) {
    if (l->p_sums) l->p_sums->add_to(messages, epoch);
  }
  tau_round_->start(messages, "the sums for τ, and those of last time until they are added up");
}

void AdmmProgram::finish_tau(std::int64_t epoch) {
  tau_round_->finish("the sums for τ of the other shards");
  for (auto& l : layers_) {
    if (!l->p_sums) continue;
    label("p", *l, epoch);
    l->p_sums->add_up();
    lower_tau(*l);
  }
}

void AdmmProgram::sum_up(std::int64_t epoch) {
  MessageGroup messages;
  for (auto& l : layers_) l->sums->add_to(messages, epoch);
  sums_round_->start(messages, "the scalars to be added up, and those of last time until they are");
  sums_round_->finish("the scalars of the other shards");
  for (auto& l : layers_) l->sums->add_up();
}

void AdmmProgram::enqueue_iteration(std::int64_t epoch, bool metrics) {
  const std::int64_t p_bits = format_of(exchange_.p, epoch).bits;
  const bool lagged = !exact_ && p_bits > 1 && p_bits < 32;
  p_steps(epoch);
  if (lagged) start_tau(epoch);
  exchange_p(epoch);
  w_steps(epoch);
  if (lagged) finish_tau(epoch);
  for (int index = range_.last; index >= range_.first; --index) {
    zq_step(layer(index), epoch, metrics);
    if (index == range_.last) exchange_q(epoch);
  }
  context_.compute->label({"metrics", 0, epoch});
  enqueue(ops::Tick{iteration()});
  if (!metrics) return;
  for (auto& l : layers_) {
    for (int block = 0; l->q_before.data != nullptr && block < blocks_.count(); ++block) {
      const Rows& rows = blocks_[block];
      enqueue(ops::Distance2{rows.of(l->q), rows.of(l->q_before), sum_of(*l, block, kQStep2)});
    }
    if (l->mu == 0.0) continue;
    const ConstMat a = l->kernel ? ConstMat(admm_input_->a()) : ConstMat(l->w);
    const ConstMat b = l->kernel ? ConstMat(admm_input_->c()) : ConstMat(l->w);
    enqueue(ops::Dot{a, b, scalar(l->index, kWeight2)});
  }
  sum_up(epoch);
}

void AdmmProgram::label(const char* step, const Layer& l, std::int64_t epoch) {
  context_.compute->label({step, l.index, epoch});
}

}  // namespace gamlp
