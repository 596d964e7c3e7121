// The gradient update (docs/algorithm.md §3): p_l ← p_l − g/τ, W_l ← W_l − G/θ with exact τ and θ, four products of
// 2 n m V flops per layer. r = W p + b − z is carried along:  r ← r − (W g)/τ,  r ← r − (G p)/θ.
//
// A projected p needs W Δ of the projected change Δ. So that this is the only product, τ is then the curvature
// along the last change, (ν||W Δ||² + ρ||Δ||²)/||Δ||², lowered by at most a tenth per iteration.
#include "host/methods/admm/admm_layer.hpp"

namespace gamlp {
namespace {

constexpr double kTauFloor = 0.9;

// Of the sums of the p step.
Scalar at(const MatView<double>& sums, int which) { return {sums.data + (which - kGradientP2), 1, 1}; }

}  // namespace

// A p in float32 takes gradient_p_end() as well.
void AdmmProgram::gradient_p(Layer& l, std::int64_t epoch, const Buffer* message) {
  const Mat g = workspace(l, 0, l.n), image = workspace(l, 1, l.m);
  const WireFormat format = format_of(exchange_.p, epoch);

  const auto pull = [&](const Rows& rows) {  // νWᵀr
    enqueue(ops::Gemm{rows.of(l.r), l.w, rows.of(g), false, false, nu_});
  };

  // A stage starts at a stationary point of every layer but the last; from there the first gradient reaches
  // layer l after L − l + 1 iterations. There is no last change yet then: the exact τ of this gradient.
  // A 1-bit change has the gradient's signs but not its sizes, so its curvature says little: there τ is the
  // gradient's own, over a quarter of the nodes.
  const bool first = epoch == spec_.layers() - l.index + 1;
  const bool sampled = format.bits == 1 && !first;
  const bool exact = !format.quantized() || first || sampled;
  // The product needs nothing of the neighbour, and comes before its message is waited for. Otherwise the steps of one
  // block follow each other, while its rows are in caches, or in the staging memory.
  const bool before = exact || (l.index == range_.first && has_left());
  if (before) {
    for (const Rows& rows : blocks_.rows()) pull(rows);
  }
  if (l.index == range_.first) receive_q(epoch);
  if (exact) sum_gradient(l, epoch, g, image, sampled);
  if (!format.quantized()) return;
  if (exact) {
    l.p_sums->finish();
    update_tau(l, 0.0);
  }
  for (int block = 0; block < blocks_.count(); ++block) {
    const Rows& rows = blocks_[block];
    const MatView<double> sums = l.p_sums->of(block);
    if (!before) pull(rows);
    ops::PProject project{rows.of(l.p),
                          rows.of(g),
                          rows.of(l.u_in),
                          rows.of(l.q_in),
                          rho_,
                          scalar(l.index, kTau),
                          quantize(exchange_.p, format, l, true, block, message),
                          at(sums, kGradientP2)};
    if (exact) project.u = project.q = {};
    enqueue(project);
    enqueue(ops::Gemm{rows.of(g), l.w, rows.of(image), false, true});  // W Δ
    enqueue(ops::ResidualAdd{rows.of(image), rows.of(l.r), at(sums, kImageP2)});
  }
}

// The whole gradient, and what its τ is made of.
void AdmmProgram::sum_gradient(Layer& l, std::int64_t epoch, Mat g, Mat image, bool sampled) {
  for (int block = 0; block < blocks_.count(); ++block) {
    const Rows& rows = blocks_[block];
    const Rows part{rows.first, sampled ? (rows.count + 3) / 4 : rows.count};
    const Scalar gradient2 = at(l.p_sums->of(block), kGradientP2), image2 = at(l.p_sums->of(block), kImageP2);
    enqueue(ops::PGradient{rows.of(g), rows.of(l.u_in), rows.of(l.p), rows.of(l.q_in), rho_, gradient2});
    enqueue(ops::Gemm{part.of(g), l.w, part.of(image), false, true});  // W g
    enqueue(ops::Dot{part.of(image), part.of(image), image2});
    if (sampled) enqueue(ops::Dot{part.of(g), part.of(g), gradient2});
  }
  l.p_sums->start(epoch);
}

void AdmmProgram::gradient_p_end(Layer& l, std::int64_t epoch, const Buffer* message) {
  label("p", l, epoch);
  const Mat g = workspace(l, 0, l.n), image = workspace(l, 1, l.m);
  const StepSize step{scalar(l.index, kGradientP2), scalar(l.index, kImageP2), nu_, rho_};
  l.p_sums->finish();
  for (const Rows& rows : blocks_.rows()) {
    enqueue(ops::Descent{step, rows.of(image), rows.of(l.r), rows.first == 0 ? scalar(l.index, kTau) : Scalar{}});
    enqueue(ops::Descent{step, rows.of(g), rows.of(l.p), {}});
  }
  send_float32(l, format_of(exchange_.p, epoch), message);
}

void AdmmProgram::update_tau(const Layer& l, double floor) {
  enqueue(
      ops::TauUpdate{scalar(l.index, kGradientP2), scalar(l.index, kImageP2), scalar(l.index, kTau), nu_, rho_, floor});
}

void AdmmProgram::lower_tau(const Layer& l) { update_tau(l, kTauFloor); }

void AdmmProgram::gradient_products(Layer& l, std::int64_t epoch) {
  const Mat sums = blocks_.sum(*context_.compute, partials(l), [&](const Rows& rows, Mat sum) {
    const Mat product = products_in(l, exact_, sum.data).product;
    enqueue(ops::Gemm{rows.of(l.r), rows.of(l.input), product, true, false, nu_});  // ν r pᵀ
  });
  if (l.reduction) l.reduction->scatter(sums, epoch);
}

void AdmmProgram::gradient_image(Layer& l, std::int64_t epoch) {
  const Mat g = summed(l).product, image = workspace(l, 0, l.m);
  if (l.reduction) l.reduction->finish();
  enqueue(ops::WGradient{l.w, g, static_cast<float>(l.mu), scalar(l.index, kGradientW2)});
  for (int block = 0; block < blocks_.count(); ++block) {
    const Rows& rows = blocks_[block];
    enqueue(ops::Gemm{rows.of(l.input), g, rows.of(image), false, true});  // G p
    enqueue(ops::Dot{rows.of(image), rows.of(image), l.image_sums->of(block)});
  }
  l.image_sums->start(epoch);
}

void AdmmProgram::gradient_w(Layer& l, std::int64_t epoch) {
  const Mat image = workspace(l, 0, l.m);
  const StepSize step{scalar(l.index, kGradientW2), scalar(l.index, kImageW2), nu_, l.mu};
  l.image_sums->finish();
  enqueue(ops::Descent{step, summed(l).product, l.w, {}});
  if (blocks_.whole()) return enqueue(ops::ResidualBias{step, image, l.r, l.mean, l.b});
  for (int block = 0; block < blocks_.count(); ++block) {
    const Rows& rows = blocks_[block];
    enqueue(ops::ResidualBias{step, rows.of(image), rows.of(l.r), {}, {}, l.column_sums->of(block)});
  }
  l.column_sums->start(epoch);
}

void AdmmProgram::gradient_b(Layer& l) {
  if (blocks_.whole()) return;
  l.column_sums->finish();
  enqueue(ops::BiasStep{l.columns, l.mean, l.b, spec_.nodes});
}

void AdmmProgram::gradient_zq(Layer& l, std::int64_t epoch, const Buffer* message) {
  const WireFormat format = format_of(exchange_.q, epoch);
  for (int block = 0; block < blocks_.count(); ++block) {
    const Rows& rows = blocks_[block];
    const Scalar linear2 = sum_of(l, block, kLinear2);
    if (l.last) {
      enqueue(ops::SoftmaxStep{rows.of(l.r), rows.of(l.z), l.mean, rows.of_labels(labels()), nu_,
                               sum_of(l, block, kRisk), linear2});
      continue;
    }
    const ConstMat q = rows.of(l.q);
    enqueue(ops::ZStep{rows.of(l.r), rows.of(l.z), l.mean, q, spec_.activation, linear2});
    enqueue(ops::QDual{rows.of(l.p_next), rows.of(l.z), rows.of(l.q), rows.of(l.u), spec_.activation, rho_, nu_,
                       quantize(exchange_.q, format, l, false, block, message), sum_of(l, block, kFit2, 4)});
  }
}

}  // namespace gamlp
