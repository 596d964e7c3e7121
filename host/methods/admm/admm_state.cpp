// What leaves the ADMM program and comes back: weights, and the training state of checkpoints.
#include "host/methods/admm/admm_layer.hpp"

namespace gamlp {

void AdmmProgram::enqueue_weights(Network& network) {
  for (auto& l : layers_) {
    LayerWeights& out = network.at(static_cast<std::size_t>(l->index) - 1);
    const ConstMat w = l->kernel ? ConstMat(admm_input_->c()) : ConstMat(l->w);
    enqueue(ops::Download{as_bytes(w), reinterpret_cast<std::byte*>(out.w.data())});
    enqueue(ops::Download{as_bytes(ConstMat(l->b)), reinterpret_cast<std::byte*>(out.b.data())});
  }
}

std::vector<StageProgram::Entry> AdmmProgram::entries() const {
  std::vector<Entry> list;
  const auto add = [&](const std::string& name, Mat m) { add_entry(list, name, m); };
  for (const auto& l : layers_) {
    const std::string id = std::to_string(l->index);
    add("W" + id, l->w);
    add("b" + id, l->b);
    add("p" + id, l->p);
    add("z" + id, l->z);
    add("q" + id, l->q);
    add("u" + id, l->u);
    add("r" + id, l->r);
    add("v" + id, l->v);
    add("t" + id, l->t);
    if (l->p_feedback) add("p_feedback" + id, l->p_feedback.mat(spec_.nodes, l->n));
    if (l->q_feedback) add("q_feedback" + id, l->q_feedback.mat(spec_.nodes, l->m));
  }
  if (layers_.front()->kernel) {
    add("input.a", admm_input_->a());
    add("input.c", admm_input_->c());
  }
  return list;
}

std::vector<StageProgram::Entry> AdmmProgram::neighbour_entries() const {
  std::vector<Entry> list;
  if (has_left()) {
    const Layer& l = *layers_.front();
    const std::string below = std::to_string(l.index - 1);
    add_entry(list, "q" + below, l.q_in);
    add_entry(list, "u" + below, l.u_in);
  }
  if (has_right()) {
    const Layer& l = *layers_.back();
    add_entry(list, "p" + std::to_string(l.index + 1), l.p_next);
  }
  return list;
}

}  // namespace gamlp
