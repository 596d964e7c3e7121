// The variables of one layer, and those of a boundary to another device. Only the ADMM program includes this.
#pragma once

#include "host/methods/admm/admm_program.hpp"
#include "host/methods/admm/admm_scalars.hpp"

namespace gamlp {

// One layer of n inputs and m outputs. q, u and what the layer reads of its neighbours are views. They show its own
// buffers, the neighbouring layer of the same device, or the boundary's copies.
struct AdmmProgram::Layer {
  int index = 0;
  bool first = false, last = false;
  bool kernel = false;  // layer 1 in the V × V form: its weights are input_->c(), its product input_->a()
  std::int64_t n = 0, m = 0;
  double mu = 0.0;

  Buffer w_memory, b_memory, p_memory, z_memory, q_memory, u_memory;
  Buffer r_memory, mean_memory;                       // gradient: residual W p + b − z; its column mean
  Buffer v_memory, t_memory;                          // exact: multiplier, z − v
  Buffer q_before_memory;                             // where the dual residual is asked for
  Buffer p_feedback, q_feedback, p_scales, q_scales;  // quantisation

  Mat w, b, p, z, q, q_before, u, r, mean, v, t;
  Mat t_mean, p_mean;  // exact: the column means, both in `mean`
  ConstMat input;      // p, or the first layer's x
  Mat q_in, u_in;      // of the boundary below
  Mat p_next;          // p of the layer above
};

// The boundary to a neighbouring device: copies of what the neighbour owns, and the message buffers.
struct AdmmProgram::Boundary {
  int peer = 0;
  std::int64_t values = 0;
  Buffer q_copy, u_copy;                 // left boundary: q and u of the layer below
  Buffer p_copy;                         // right boundary: p of the layer above
  std::size_t p_bytes = 0, q_bytes = 0;  // the largest messages of the stage
  std::array<Buffer, 2> p_message, q_message;
};

}  // namespace gamlp
