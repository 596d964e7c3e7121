// w by a step of GD, Nesterov's momentum, Adagrad, Adadelta or Adam along g (host/math/optimizer.hpp), which keep 0, 1,
// 1, 2, 2 numbers of each weight. Reads g, w and what is kept, writes w and what is kept: 12, 20, 20, 28, 28 bytes per
// weight.
#include "cuda/core/map.hpp"
#include "cuda/kernels/ops.hpp"

namespace gamlp::cuda {
namespace {

template <class Step>
struct OptimizerBody {
  static constexpr int kSums = 0;
  OptimizerRule rule;
  const std::uint32_t* iteration;
  const double* rates;
  Index steps;  // that rates has
  const float* g;
  float *w, *kept[2];
  Step step;

  __device__ void start() { step = Step(rule_at(rule, rates, steps, *iteration), *iteration); }
  __device__ void each(Index first, Index n, float*) const {
    const Eight gs = load8(g, first, n);
    Eight ws = load8(w, first, n), moments[2] = {};
    for (int m = 0; m < Step::kKept; ++m) moments[m] = load8(kept[m], first, n);
    for (int k = 0; k < 8; ++k) step(gs.v[k], ws.v[k], moments[0].v[k], moments[1].v[k]);
    store8(w, first, n, ws);
    for (int m = 0; m < Step::kKept; ++m) store8(kept[m], first, n, moments[m]);
  }
};

}  // namespace

void run(const ops::OptimizerStep& op, Queue& queue) {
  with_optimizer(op.rule, 0, [&]<class Step>(Step step) {
    const OptimizerBody<Step> body{op.rule,
                                   op.iteration.data,
                                   op.rates.data,
                                   op.rates.size(),
                                   op.g.data,
                                   op.w.data,
                                   {op.first.data, op.second.data},
                                   step};
    map(queue, ops::OptimizerStep::name, body, op.w.size());
  });
}

}  // namespace gamlp::cuda
