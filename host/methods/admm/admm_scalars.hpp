// The scalars that ADMM keeps for each layer in device memory, as doubles: those that step sizes come from, and the
// sums that the objective and the residuals are made of.
#pragma once

namespace gamlp {

enum AdmmScalar : int {
  // Sums over nodes, of the p step. Contiguous: NodeSums.
  kGradientP2,
  kImageP2,
  // Sums over nodes that only figures() reads. Contiguous: NodeSums.
  kLinear2,  // ||z − W p − b||²
  kFit2,     // ||q − f(z)||²; the first of QDual.sums
  kDualGap,  // <u, p − q>
  kGap2,     // ||p − q||²
  kQ2,       // ||q||²
  kRisk,     // last layer: Σ cross-entropy
  kQStep2,   // ||q − the q before||², where the spec asks for it
  kEndOfSums,
  // Others, and a sum over nodes that is added up by itself (kImageW2).
  kTau = kEndOfSums,  // of p
  kGradientW2,
  kImageW2,
  kWeight2,  // ||W||²
  kAdmmScalars
};

}  // namespace gamlp
