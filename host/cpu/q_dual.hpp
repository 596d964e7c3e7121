// The q and dual step, which both updates share: q ← x̂ of (ρ p + u + ν2 f(z))/(ρ + ν2), u ← u + ρ (p − q), and the
// sums of the objective (QDual of host/device/ops/gradient.hpp). It makes one pass over p, z, u, q, or two when one
// range covers the tensor.
#pragma once

#include <cstring>

#include "host/cpu/quantize_loop.hpp"

namespace gamlp::cpu {

// Op is QDual or ZqExact. F is the activation.
template <class Op, class F>
void q_dual(const Op& op, F f) {
  const float rho = op.rho, nu2 = op.nu2, inverse = 1.0f / (rho + nu2);
  const float *p = op.p.data, *z = op.z.data;
  float *q = op.q.data, *u = op.u.data;
  double sums[4] = {};
  quantize_store(
      op.quantize, q, op.q.size(),
      [&](std::int64_t first, std::int64_t count, float* x) {
        // Copies, so that the compiler need not reload them after every store.
        const float rho_v = rho, nu2_v = nu2, inverse_v = inverse;
        const F rule = f;
        const float *ps = p + first, *zs = z + first, *us = u + first;
#pragma omp simd
        for (std::int64_t i = 0; i < count; ++i) x[i] = q_target(ps[i], us[i], rule(zs[i]), rho_v, nu2_v, inverse_v);
      },
      [&](std::int64_t first, std::int64_t count, const float*) {
        const float rho_v = rho;
        const F rule = f;
        const float *ps = p + first, *zs = z + first, *qs = q + first;
        float* us = u + first;
        float fit = 0.0f, dual = 0.0f, gap2 = 0.0f, norm = 0.0f;
#pragma omp simd reduction(+ : fit, dual, gap2, norm)
        for (std::int64_t i = 0; i < count; ++i) {
          const float fresh = dual_step(us[i], ps[i], qs[i], rho_v);
          const float gap = ps[i] - qs[i], miss = qs[i] - rule(zs[i]);
          us[i] = fresh;
          fit += miss * miss;
          dual += fresh * gap;
          gap2 += gap * gap;
          norm += qs[i] * qs[i];
        }
        sums[0] += static_cast<double>(fit), sums[1] += static_cast<double>(dual);
        sums[2] += static_cast<double>(gap2), sums[3] += static_cast<double>(norm);
      });
  std::memcpy(op.sums.data, sums, sizeof sums);
}

}  // namespace gamlp::cpu
