// The exact update (docs/algorithm.md §4): p, and W with b, as exact block minimisers through n × n Cholesky factors;
// z and q jointly. t = z − v. 4.5 products of 2n²V flops per layer and about 7n³ for the factors.
//
// The bias is minimised with W without a ridge of its own: inputs and targets are centred by their column
// means, which is the limit of a vanishing ridge on the bias column.
#include "host/methods/admm/admm_layer.hpp"

namespace gamlp {

// What solves for p: M⁻¹ in `gram`, and ν W M⁻¹ in `product`. With shards the owner of a layer has them in memory of
// their own, where the layers that it owns take turns. The others receive them where they keep partial sums.
AdmmProgram::Products AdmmProgram::operators_of(const Layer& l) const {
  if (!sharded() || l.owner != group_.own()) return partial(l);
  const auto number = static_cast<std::size_t>((l.index - range_.first) / group_.size());
  return products_in(l, exact_, operators_[number % operators_.size()].mat(1, l.product_row).data);
}

// Where there is such a layer, and this device is its owner.
void AdmmProgram::exact_operators(int index, std::int64_t epoch) {
  if (index < range_.first || index == 1) return;
  const Layer& l = layer(index);
  if (l.owner != group_.own()) return;
  label("p", l, epoch);
  const Products to = operators_of(l);
  enqueue(ops::POperators{l.w, to.product, to.gram, nu_, rho_});
}

void AdmmProgram::share_operators(Layer& l) {
  const Products all = operators_of(l);
  MessageGroup messages;
  messages.broadcast(group_, l.owner, as_bytes(all.gram), {"M⁻¹", l.index, 0, WireType::float32});
  messages.broadcast(group_, l.owner, as_bytes(all.product), {"ν W M⁻¹", l.index, 0, WireType::float32});
  l.operators_round->start(messages, "what solves for p, and the partial sums in its place until they are sent");
}

void AdmmProgram::exact_p(Layer& l, std::int64_t epoch, const Buffer* message) {
  const Mat x1 = workspace(l, 0, l.m), x2 = workspace(l, 1, l.n);
  const WireFormat format = format_of(exchange_.p, epoch);
  const Mat target = format.quantized() ? workspace(l, 2, l.n) : l.p;
  const Products by = operators_of(l);
  if (!sharded()) exact_operators(l.index, epoch);
  if (l.index == range_.first) receive_q(epoch);
  if (l.operators_round) l.operators_round->finish("what solves for p, from the device that factored it");
  for (int block = 0; block < blocks_.count(); ++block) {
    const Rows& rows = blocks_[block];
    enqueue(ops::PInputs{rows.of(l.t), l.b, rows.of(l.q_in), rows.of(l.u_in), rows.of(x1), rows.of(x2), rho_});
    enqueue(ops::Gemm{rows.of(x1), by.product, rows.of(target)});
    enqueue(ops::Gemm{rows.of(x2), by.gram, rows.of(target), false, false, 1.0f, 1.0f});
    if (!format.quantized()) continue;
    enqueue(ops::PTarget{rows.of(target), rows.of(l.p), quantize(exchange_.p, format, l, true, block, message)});
  }
  if (!format.quantized()) send_float32(l, format, message);
}

void AdmmProgram::exact_products(Layer& l, std::int64_t epoch) {
  const Mat sums = blocks_.sum(*context_.compute, partials(l), [&](const Rows& rows, Mat sum) {
    const Products to = products_in(l, exact_, sum.data);
    const ConstMat t = rows.of(l.t);
    enqueue(ops::ColumnMean{t, to.t_mean, spec_.nodes});
    if (!l.first) enqueue(ops::ColumnMean{rows.of(l.input), to.p_mean, spec_.nodes});
    if (l.kernel || l.narrow) return;
    enqueue(ops::Gemm{t, rows.of(l.input), to.product, true, false});
    if (!l.first) enqueue(ops::Gram{rows.of(l.input), to.gram});
  });
  if (l.reduction) l.reduction->scatter(sums, epoch);
}

void AdmmProgram::exact_w(Layer& l) {
  if (l.reduction) l.reduction->sum(summed_row(l));
  const double nu = *admm_.nu;
  if (sharded() && l.owner != group_.own()) return share_weights(l);
  const Products s = summed(l);
  const auto& exact = admm_.exact;
  if (l.kernel) {
    return enqueue(ops::KernelSolve{admm_input_->factor(), l.t, s.t_mean, admm_input_->ridge(), workspace(l, 0, l.m),
                                    admm_input_->a(), admm_input_->c(), l.b, nu, l.mu});
  }
  if (l.narrow) return exact_w_narrow(l, s);
  if (l.first) {
    enqueue(ops::WSolve{admm_input_->factor(), admm_input_->mean(), s.t_mean, admm_input_->ridge(), s.product, l.w, l.b,
                        spec_.nodes, nu});
  } else {
    enqueue(ops::WFactor{s.gram, s.p_mean, l.ridge, spec_.nodes, nu, exact.kappa, l.last ? 0.0 : exact.lambda, l.mu});
    enqueue(ops::WSolve{s.gram, s.p_mean, s.t_mean, l.ridge, s.product, l.w, l.b, spec_.nodes, nu});
  }
  if (sharded()) share_weights(l);
}

void AdmmProgram::share_weights(Layer& l) {
  MessageGroup messages;
  messages.broadcast(group_, l.owner, as_bytes(l.w), {"W", l.index, 0, WireType::float32});
  messages.broadcast(group_, l.owner, as_bytes(l.b), {"b", l.index, 0, WireType::float32});
  l.weights_round->start(messages, "W and b, to be given to the other shards or replaced by the owner's");
}

// The same minimiser with a V × V factor.
void AdmmProgram::exact_w_narrow(Layer& l, const Products& s) {
  const double nu = *admm_.nu;
  const Mat error = workspace(l, 0, l.m), centred = workspace(l, 1, l.n), factor{s.gram.data, nodes_, nodes_};
  const auto& exact = admm_.exact;
  enqueue(ops::Centre{l.p, s.p_mean, centred});
  enqueue(ops::OuterGram{centred, factor});
  enqueue(ops::KernelFactor{factor, s.p_mean, l.ridge, nu, exact.kappa, l.last ? 0.0 : exact.lambda, l.mu});
  enqueue(ops::WAnchor{l.w, l.ridge, l.mu});
  enqueue(ops::Centre{l.t, s.t_mean, error});
  enqueue(ops::Gemm{centred, l.w, error, false, true, -1.0f, 1.0f});
  enqueue(ops::FactorSolve{factor, error});
  enqueue(ops::Gemm{error, centred, l.w, true, false, nu_, 1.0f});
  enqueue(ops::BiasOfMeans{l.w, s.p_mean, s.t_mean, l.b});
}

void AdmmProgram::exact_product(Layer& l, const Rows& rows) {
  if (l.kernel) return;  // carried along as admm_input_->a()
  enqueue(ops::Gemm{rows.of(l.input), l.w, rows.of(workspace(l, 0, l.m)), false, true});
}

void AdmmProgram::exact_zq(Layer& l, std::int64_t epoch, const Buffer* message, bool with_product) {
  const ConstMat product = l.kernel ? admm_input_->a() : workspace(l, 0, l.m);
  const float beta = static_cast<float>(admm_.exact.beta);
  const WireFormat format = format_of(exchange_.q, epoch);
  for (int block = 0; block < blocks_.count(); ++block) {
    const Rows& rows = blocks_[block];
    const Scalar linear2 = sum_of(l, block, kLinear2);
    if (with_product) exact_product(l, rows);
    if (l.last) {
      enqueue(ops::SoftmaxExact{rows.of(product), l.b, rows.of(l.z), rows.of(l.v), rows.of(l.t),
                                rows.of_labels(labels()), nu_, beta, sum_of(l, block, kRisk), linear2});
      continue;
    }
    enqueue(ops::ZqExact{rows.of(product), l.b, rows.of(l.p_next), rows.of(l.z), rows.of(l.v), rows.of(l.t),
                         rows.of(l.q), rows.of(l.u), spec_.activation, nu_, rho_, nu2_, beta,
                         quantize(exchange_.q, format, l, false, block, message), linear2, sum_of(l, block, kFit2, 4)});
  }
}

}  // namespace gamlp
