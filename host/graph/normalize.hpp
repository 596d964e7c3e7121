// From a stored adjacency to the propagation operator Ã (algorithm.md §1). Adjacencies are square and read as
// unweighted: an entry is an edge, whatever its value. Rows of every result are sorted and free of duplicates.
#pragma once

#include "host/config/config.hpp"
#include "host/graph/csr.hpp"

namespace gamlp {

// A ∪ Aᵀ, every value 1 (`values` empty). Self-loops stay, once.
Csr symmetrized(const Csr& adjacency);

// A without its diagonal.
Csr without_self_loops(const Csr& adjacency);

// symmetric:   Ã = (D+I)^-1/2 (A+I) (D+I)^-1/2
// random_walk: Ã = (D+I)^-1 (A+I)
// where every node has exactly one loop of weight 1 in A+I, whether A holds it or not, and D+I are the row sums of
// that matrix. Values are computed in double precision and rounded once.
Csr propagation_matrix(const Csr& adjacency, PropagationOperator op);

}  // namespace gamlp
