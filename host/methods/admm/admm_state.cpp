// What leaves the ADMM program and comes back: weights, and the training state of checkpoints.
#include "host/methods/admm/admm_layer.hpp"

namespace gamlp {

void AdmmProgram::enqueue_weights(Network& network) {
  if (!spec_.placement.speaks(rank_)) return;
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
  const auto add_nodes = [&](const std::string& name, Mat m) { add_node_entry(list, name, m); };
  for (const auto& l : layers_) {
    const std::string id = std::to_string(l->index);
    add("W" + id, l->w);
    add("b" + id, l->b);
    add_nodes("p" + id, l->p);
    add_nodes("z" + id, l->z);
    add_nodes("q" + id, l->q);
    add_nodes("u" + id, l->u);
    add_nodes("r" + id, l->r);
    add_nodes("v" + id, l->v);
    add_nodes("t" + id, l->t);
    if (l->p_feedback) add_nodes("p_feedback" + id, l->p_feedback.mat(nodes_, l->n));
    if (l->q_feedback) add_nodes("q_feedback" + id, l->q_feedback.mat(nodes_, l->m));
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
    add_node_entry(list, "q" + below, l.q_in);
    add_node_entry(list, "u" + below, l.u_in);
  }
  if (has_right()) {
    const Layer& l = *layers_.back();
    add_node_entry(list, "p" + std::to_string(l.index + 1), l.p_next);
  }
  return list;
}

}  // namespace gamlp
