// The variables of one layer, and those of a boundary to another device. Only the ADMM program includes this.
#pragma once

#include "host/methods/admm/admm_program.hpp"
#include "host/methods/admm/admm_scalars.hpp"

namespace gamlp {

// What the W step of a layer sums up over the training nodes, in one row of memory, so that one reduction adds it up.
// What a layer does not need is empty. What solves for p has the same place (operators_of()).
struct AdmmProgram::Products {
  Mat gram;            // exact, but layer 1: PᵀP, n × n
  Mat product;         // gradient: ν RᵀP; exact: TᵀP. m × n
  Mat p_mean, t_mean;  // exact
};

// One layer of n inputs and m outputs. q, u and what the layer reads of its neighbours are views. They show its own
// buffers, the neighbouring layer of the same device, or the boundary's copies.
struct AdmmProgram::Layer {
  int index = 0;
  bool first = false, last = false;
  bool kernel = false;  // layer 1 in the V × V form: its weights are input_->c(), its product input_->a()
  bool narrow = false;  // exact, above layer 1, V < n in one block: W by a V × V factor
  std::int64_t n = 0, m = 0;
  double mu = 0.0;

  Buffer w_memory, b_memory, p_memory, z_memory, q_memory, u_memory;
  Buffer r_memory, mean_memory, column_memory;        // gradient: residual W p + b − z; its column mean; sums for it
  Buffer v_memory, t_memory;                          // exact: multiplier, z − v
  Buffer q_before_memory;                             // where the dual residual is asked for
  Buffer p_feedback, q_feedback, p_scales, q_scales;  // quantisation
  Buffer ridge_memory;                                // exact: θ, λ' of WFactor

  Mat w, b, p, z, q, q_before, u, r, mean, v, t;
  ConstMat input;            // p, or the first layer's x
  Mat q_in, u_in;            // of the boundary below
  Mat p_next;                // p of the layer above
  MatView<double> columns;   // column sums of r
  MatView<double> ridge;     // 1 × 2
  std::int64_t product_row;  // floats in a row of Products

  // Sums over the training nodes. Null where the layer has none of them.
  std::unique_ptr<NodeSums> p_sums, image_sums, column_sums, sums;
  int owner = 0;  // exact: which shard's device factors the layer
  // With shards: the sum of Products, and what the owner gives to the others.
  std::unique_ptr<Reduction> reduction;
  std::unique_ptr<Round> operators_round, weights_round;
};

template <class T>
const T& AdmmProgram::turn(const Layer& l, const std::vector<T>& of) const {
  return of[static_cast<std::size_t>(l.index - range_.first) % of.size()];
}

// The boundary to a neighbouring device: copies of what the neighbour owns, and the message buffers.
struct AdmmProgram::Boundary {
  int peer = 0;
  std::int64_t width = 0;  // values of a node
  Buffer q_copy, u_copy;   // left boundary: q and u of the layer below
  Buffer p_copy;           // right boundary: p of the layer above
  std::array<Buffer, 2> p_message, q_message;
};

}  // namespace gamlp
