// Per-layer scalars of ADMM in device memory (double): step sizes, and what the objective and the residuals are sums
// of.
#pragma once

namespace gamlp {

enum AdmmScalar : int {
  kGradientP2,
  kImageP2,
  kTau,
  kGradientW2,
  kImageW2,  // step sizes
  kLinear2,  // ||z − W p − b||²
  kFit2,
  kDualGap,
  kGap2,
  kQ2,       // ||q − f(z)||², <u, p − q>, ||p − q||², ||q||² (contiguous: QDual.sums)
  kRisk,     // last layer: Σ cross-entropy
  kWeight2,  // ||W||²
  kQStep2,   // ||q − the q before||², where the spec asks for it
  kRidge,
  kRidgeIdentity,  // θ, λ' (contiguous: WFactor.ridge)
  kAdmmScalars
};

}  // namespace gamlp
