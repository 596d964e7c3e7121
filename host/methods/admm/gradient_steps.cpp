// The gradient update (docs/algorithm.md §3): p_l ← p_l − g/τ, W_l ← W_l − G/θ with exact τ and θ, four products of
// 2 n m V flops per layer. r = W p + b − z is carried along:  r ← r − (W g)/τ,  r ← r − (G p)/θ.
//
// A projected p needs W Δ of the projected change Δ. So that this is the only product, τ is then the curvature
// along the last change, (ν||W Δ||² + ρ||Δ||²)/||Δ||², lowered by at most a tenth per iteration.
#include "host/methods/admm/admm_layer.hpp"

namespace gamlp {
namespace {

constexpr double kTauFloor = 0.9;

}  // namespace

void AdmmProgram::gradient_p(Layer& l, std::int64_t epoch, Bytes message) {
  const std::int64_t v = spec_.nodes;
  const Mat g = workspace(l, 0, v, l.n), image = workspace(l, 1, v, l.m);
  const Scalar gradient2 = scalar(l.index, kGradientP2), image2 = scalar(l.index, kImageP2);
  const Scalar tau = scalar(l.index, kTau);
  const WireFormat format = format_of(exchange_.p, epoch);

  enqueue(ops::Gemm{l.r, l.w, g, false, false, nu_});  // νWᵀr: needs nothing of the neighbour
  if (l.index == range_.first) receive_q(epoch);
  const auto finish_gradient = [&] { enqueue(ops::PGradient{g, l.u_in, l.p, l.q_in, rho_, gradient2}); };

  if (!format.quantized()) {
    finish_gradient();
    const StepSize step{gradient2, image2, nu_, rho_};
    enqueue(ops::Gemm{g, l.w, image, false, true});  // W g
    enqueue(ops::Dot{image, image, image2});
    enqueue(ops::Descent{step, image, l.r, tau});
    enqueue(ops::Descent{step, g, l.p, {}});
    if (message.data) {
      enqueue(ops::Copy{as_bytes(ConstMat(l.p)), {message.data, 1, as_bytes(l.p).size()}});
    }
    return;
  }
  // A stage starts at a stationary point of every layer but the last; from there the first gradient reaches
  // layer l after L − l + 1 iterations. There is no last change yet then: the exact τ of this gradient.
  // A 1-bit change has the gradient's signs but not its sizes, so its curvature says little: there τ is the
  // gradient's own, over a quarter of the nodes.
  const bool first = epoch == spec_.layers() - l.index + 1;
  const bool sampled = format.bits == 1;
  ops::PProject project{l.p, g, l.u_in, l.q_in, rho_, tau, quantize(exchange_.p, format, l, true, message), gradient2};
  if (first || sampled) {
    finish_gradient();
    project.u = project.q = {};
    const std::int64_t rows = first ? v : (v + 3) / 4;
    const Mat part{g.data, rows, l.n}, part_image{image.data, rows, l.m};
    enqueue(ops::Gemm{part, l.w, part_image, false, true});
    enqueue(ops::Dot{part_image, part_image, image2});
    enqueue(ops::Dot{part, part, gradient2});
    enqueue(ops::TauUpdate{gradient2, image2, tau, nu_, rho_, 0.0});
  }
  enqueue(project);
  enqueue(ops::Gemm{g, l.w, image, false, true});  // W Δ
  enqueue(ops::ResidualAdd{image, l.r, image2});
  if (!sampled) enqueue(ops::TauUpdate{gradient2, image2, tau, nu_, rho_, kTauFloor});
}

void AdmmProgram::gradient_w(Layer& l) {
  const Mat g = workspace(l, 2, l.m, l.n), image = workspace(l, 0, spec_.nodes, l.m);
  const Scalar gradient2 = scalar(l.index, kGradientW2), image2 = scalar(l.index, kImageW2);
  const StepSize step{gradient2, image2, nu_, l.mu};
  enqueue(ops::Gemm{l.r, l.input, g, true, false, nu_});  // ν r pᵀ
  enqueue(ops::WGradient{l.w, g, static_cast<float>(l.mu), gradient2});
  enqueue(ops::Gemm{l.input, g, image, false, true});  // G p
  enqueue(ops::Dot{image, image, image2});
  enqueue(ops::Descent{step, g, l.w, {}});
  enqueue(ops::ResidualBias{step, image, l.r, l.mean, l.b});
}

void AdmmProgram::gradient_zq(Layer& l, std::int64_t epoch, Bytes message) {
  const Scalar linear2 = scalar(l.index, kLinear2);
  if (l.last) {
    enqueue(ops::SoftmaxStep{l.r, l.z, l.mean, labels(), nu_, scalar(l.index, kRisk), linear2});
    return;
  }
  enqueue(ops::ZStep{l.r, l.z, l.mean, l.q, spec_.activation, linear2});
  const WireFormat format = format_of(exchange_.q, epoch);
  enqueue(ops::QDual{l.p_next, l.z, l.q, l.u, spec_.activation, rho_, nu_,
                     quantize(exchange_.q, format, l, false, message), scalars(l.index, kFit2, 4)});
}

}  // namespace gamlp
