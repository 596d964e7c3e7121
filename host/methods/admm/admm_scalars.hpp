// The scalars that ADMM keeps for each layer in device memory, as doubles: those that step sizes come from, and the
// sums that the objective and the residuals are made of.
#pragma once

namespace gamlp {

enum AdmmScalar : int {
  // Step sizes.
  kGradientP2,
  kImageP2,
  kTau,
  kGradientW2,
  kImageW2,
  kLinear2,  // ||z − W p − b||²
  // Contiguous: QDual.sums.
  kFit2,     // ||q − f(z)||²
  kDualGap,  // <u, p − q>
  kGap2,     // ||p − q||²
  kQ2,       // ||q||²
  kRisk,     // last layer: Σ cross-entropy
  kWeight2,  // ||W||²
  kQStep2,   // ||q − the q before||², where the spec asks for it
  // Contiguous: WFactor.ridge.
  kRidge,          // θ
  kRidgeIdentity,  // λ'
  kAdmmScalars
};

}  // namespace gamlp
