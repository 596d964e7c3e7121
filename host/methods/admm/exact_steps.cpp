// The exact update (docs/algorithm.md §4): p, and W with b, as exact block minimisers through n × n Cholesky factors;
// z and q jointly. t = z − v. 4.5 products of 2n²V flops per layer and about 7n³ for the factors.
//
// The bias is minimised with W without a ridge of its own: inputs and targets are centred by their column
// means, which is the limit of a vanishing ridge on the bias column.
#include "host/methods/admm/admm_layer.hpp"

namespace gamlp {

void AdmmProgram::exact_p(Layer& l, std::int64_t epoch, Bytes message) {
  const std::int64_t v = spec_.nodes;
  const Mat k1 = workspace(l, 2, l.m, l.n), k2 = workspace(l, 3, l.n, l.n);
  const Mat x1 = workspace(l, 0, v, l.m), x2 = workspace(l, 1, v, l.n);
  const WireFormat format = format_of(exchange_.p, epoch);
  enqueue(ops::POperators{l.w, k1, k2, nu_, rho_});
  if (l.index == range_.first) receive_q(epoch);
  enqueue(ops::PInputs{l.t, l.b, l.q_in, l.u_in, x1, x2, rho_});
  const Mat target = format.quantized() ? workspace(l, 4, v, l.n) : l.p;
  enqueue(ops::Gemm{x1, k1, target});
  enqueue(ops::Gemm{x2, k2, target, false, false, 1.0f, 1.0f});
  if (format.quantized()) {
    enqueue(ops::PTarget{target, l.p, quantize(exchange_.p, format, l, true, message)});
  } else if (message.data) {
    enqueue(ops::Copy{as_bytes(ConstMat(l.p)), {message.data, 1, as_bytes(l.p).size()}});
  }
}

void AdmmProgram::exact_w(Layer& l) {
  const std::int64_t v = spec_.nodes;
  const double nu = *admm_.nu;
  const Mat t_mean = l.t_mean, p_mean = l.p_mean;
  enqueue(ops::ColumnMean{l.t, t_mean});
  if (l.kernel) {
    enqueue(ops::KernelSolve{admm_input_->factor(), l.t, t_mean, admm_input_->ridge(), workspace(l, 0, v, l.m),
                             admm_input_->a(), admm_input_->c(), l.b, nu, l.mu});
    return;
  }
  if (!l.first && v < l.n) {
    exact_w_kernel(l);
    return;
  }
  const Mat rhs = workspace(l, 2, l.m, l.n);
  enqueue(ops::Gemm{l.t, l.input, rhs, true, false});
  if (l.first) {
    enqueue(
        ops::WSolve{admm_input_->factor(), admm_input_->mean(), t_mean, admm_input_->ridge(), rhs, l.w, l.b, v, nu});
    return;
  }
  const Mat factor = workspace(l, 3, l.n, l.n);
  const MatView<double> ridge = scalars(l.index, kRidge, 2);
  const auto& exact = admm_.exact;
  enqueue(ops::ColumnMean{l.p, p_mean});
  enqueue(ops::Gram{l.p, factor});
  enqueue(ops::WFactor{factor, p_mean, ridge, v, nu, exact.kappa, l.last ? 0.0 : exact.lambda, l.mu});
  enqueue(ops::WSolve{factor, p_mean, t_mean, ridge, rhs, l.w, l.b, v, nu});
}

// The same minimiser with a V × V factor. t̄ is in the layer's mean already.
void AdmmProgram::exact_w_kernel(Layer& l) {
  const std::int64_t v = spec_.nodes;
  const double nu = *admm_.nu;
  const Mat t_mean = l.t_mean, p_mean = l.p_mean;
  const Mat error = workspace(l, 0, v, l.m), centred = workspace(l, 1, v, l.n), factor = workspace(l, 3, v, v);
  const MatView<double> ridge = scalars(l.index, kRidge, 2);
  const auto& exact = admm_.exact;
  enqueue(ops::ColumnMean{l.p, p_mean});
  enqueue(ops::Centre{l.p, p_mean, centred});
  enqueue(ops::OuterGram{centred, factor});
  enqueue(ops::KernelFactor{factor, p_mean, ridge, nu, exact.kappa, l.last ? 0.0 : exact.lambda, l.mu});
  enqueue(ops::WAnchor{l.w, ridge, l.mu});
  enqueue(ops::Centre{l.t, t_mean, error});
  enqueue(ops::Gemm{centred, l.w, error, false, true, -1.0f, 1.0f});
  enqueue(ops::FactorSolve{factor, error});
  enqueue(ops::Gemm{error, centred, l.w, true, false, nu_, 1.0f});
  enqueue(ops::BiasOfMeans{l.w, p_mean, t_mean, l.b});
}

void AdmmProgram::exact_product(Layer& l) {
  if (l.kernel) return;  // carried along as admm_input_->a()
  enqueue(ops::Gemm{l.input, l.w, workspace(l, 0, spec_.nodes, l.m), false, true});
}

void AdmmProgram::exact_zq(Layer& l, std::int64_t epoch, Bytes message) {
  const Mat product = l.kernel ? admm_input_->a() : workspace(l, 0, spec_.nodes, l.m);
  const Scalar linear2 = scalar(l.index, kLinear2);
  const float beta = static_cast<float>(admm_.exact.beta);
  if (l.last) {
    enqueue(ops::SoftmaxExact{product, l.b, l.z, l.v, l.t, labels(), nu_, beta, scalar(l.index, kRisk), linear2});
    return;
  }
  const WireFormat format = format_of(exchange_.q, epoch);
  enqueue(ops::ZqExact{product, l.b, l.p_next, l.z, l.v, l.t, l.q, l.u, spec_.activation, nu_, rho_, nu2_, beta,
                       quantize(exchange_.q, format, l, false, message), linear2, scalars(l.index, kFit2, 4)});
}

}  // namespace gamlp
