// From a stored adjacency to the propagation operator Ã (docs/algorithm.md §1). Adjacencies are square; without values
// every entry weighs 1. Rows of every result are sorted and free of duplicates.
//
// An adjacency is stored with row u and column v for an edge "u v". Row i of an operator is what node i gathers from,
// so that a directed graph is transposed first (gathering) where features pass along the edges, from u to v, as they do
// in PyG and DGL.
#pragma once

#include "host/config/dataset.hpp"
#include "host/graph/csr.hpp"

namespace gamlp {

// A ∪ Aᵀ: max(A, Aᵀ), so that an edge that is stored in both directions keeps its weight. Self-loops stay, once.
Csr symmetrized(const Csr& adjacency);

// What each node gathers from: Aᵀ for Direction::in, A for Direction::out.
Csr gathering(Csr adjacency, Direction direction);

// A without its diagonal.
Csr without_self_loops(const Csr& adjacency);

// symmetric:   Ã = (D+I)^-1/2 (A+I) (D+I)^-1/2
// random_walk: Ã = (D+I)^-1 (A+I)
// where every node has exactly one loop in A+I, and D+I are the row sums of that matrix: of weight 1, or of the weight
// that A holds, as PyG's gcn_norm has it. So the symmetric operator of a directed graph has the degrees of one
// direction on both sides. Weights are not negative. Values are computed in double precision and rounded once.
Csr propagation_matrix(const Csr& adjacency, PropagationOperator op);

}  // namespace gamlp
