// Makes the propagation operator Ã of a stored adjacency (docs/algorithm.md §1). Adjacencies are square. In one without
// values every entry weighs 1. The rows of every result are sorted and free of duplicates.
//
// An adjacency is stored with row u and column v for an edge "u v". But row i of an operator is what node i gathers
// from. So gathering() first transposes a directed graph where features pass along the edges, from u to v, as they do
// in PyG and DGL.
#pragma once

#include "host/config/dataset.hpp"
#include "host/graph/csr.hpp"

namespace gamlp {

// Returns A ∪ Aᵀ with the values max(A, Aᵀ), so that an edge that is stored in both directions keeps its weight. A
// self-loop stays, once.
Csr symmetrized(const Csr& adjacency);

// Returns what each node gathers from: Aᵀ for Direction::in, A for Direction::out.
Csr gathering(Csr adjacency, Direction direction);

// Returns A without its diagonal.
Csr without_self_loops(const Csr& adjacency);

// Returns the propagation operator:
//   symmetric:   Ã = (D+I)^-1/2 (A+I) (D+I)^-1/2
//   random_walk: Ã = (D+I)^-1 (A+I)
// In A+I every node has exactly one loop. Its weight is 1, or the weight that A holds, as in PyG's gcn_norm. D+I are
// the row sums of A+I. So the symmetric operator of a directed graph has the degrees of one direction on both sides.
// Weights must not be negative. Values are computed in double precision and rounded once.
Csr propagation_matrix(const Csr& adjacency, PropagationOperator op);

}  // namespace gamlp
