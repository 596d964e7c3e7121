// What leaves the stage program and comes back: weights, and the training state of checkpoints.
#include "host/admm/stage_layer.hpp"
#include "host/core/error.hpp"

namespace gamlp {

void StageProgram::enqueue_weights(Network& network) {
  for (auto& l : layers_) {
    LayerWeights& out = network.at(static_cast<std::size_t>(l->index) - 1);
    const ConstMat w = l->kernel ? ConstMat(input_->c()) : ConstMat(l->w);
    enqueue(ops::Download{as_bytes(w), reinterpret_cast<std::byte*>(out.w.data())});
    enqueue(ops::Download{as_bytes(ConstMat(l->b)), reinterpret_cast<std::byte*>(out.b.data())});
  }
}

std::vector<StageProgram::Entry> StageProgram::entries() const {
  std::vector<Entry> list;
  const auto add = [&](const std::string& name, Mat m) {
    if (m.data) list.push_back({name, as_bytes(m), m.rows, m.cols, 4});
  };
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
    const MatView<double> s = scalars(l->index, static_cast<LayerScalar>(0), kLayerScalars);
    list.push_back({"scalars" + id, {reinterpret_cast<std::byte*>(s.data), 1, s.size() * 8}, 1, s.size(), 8});
  }
  if (layers_.front()->kernel) {
    add("input.a", input_->a());
    add("input.c", input_->c());
  }
  if (rank_ == 0) list.push_back({"iteration", iteration_.raw(4), 1, 1, 4});
  return list;
}

std::vector<StageProgram::Entry> StageProgram::restored_entries() const {
  std::vector<Entry> list = entries();
  if (rank_ != 0) list.push_back({"iteration", iteration_.raw(4), 1, 1, 4});
  if (has_left()) {
    const Layer& l = *layers_.front();
    const std::string below = std::to_string(l.index - 1);
    list.push_back({"q" + below, as_bytes(l.q_in), spec_.nodes, l.n, 4});
    list.push_back({"u" + below, as_bytes(l.u_in), spec_.nodes, l.n, 4});
  }
  if (has_right()) {
    const Layer& l = *layers_.back();
    list.push_back({"p" + std::to_string(l.index + 1), as_bytes(l.p_next), spec_.nodes, l.m, 4});
  }
  return list;
}

std::vector<std::string> StageProgram::restored_names() const {
  std::vector<std::string> names;
  for (const Entry& entry : restored_entries()) names.push_back(entry.name);
  return names;
}

void StageProgram::describe_state(TrainingState& state) const {
  for (const Entry& entry : entries()) {
    HostTensor& tensor = state[entry.name];
    tensor.rows = entry.rows;
    tensor.cols = entry.cols;
    tensor.item_bytes = entry.item_bytes;
    tensor.data.resize(static_cast<std::size_t>(entry.memory.size()));
  }
}

void StageProgram::enqueue_save(TrainingState& state) {
  for (const Entry& entry : entries()) enqueue(ops::Download{entry.memory, state.at(entry.name).data.data()});
}

void StageProgram::enqueue_restore(const TrainingState& state) {
  for (const auto& [name, memory, rows, cols, item_bytes] : restored_entries()) {
    const auto found = state.find(name);
    if (found == state.end()) throw DataError("checkpoint: tensor \"" + name + "\" is missing");
    const HostTensor& tensor = found->second;
    if (tensor.rows != rows || tensor.cols != cols || tensor.data.size() != static_cast<std::size_t>(memory.size())) {
      throw DataError("checkpoint: tensor \"" + name + "\" is " + std::to_string(tensor.rows) + " × " +
                      std::to_string(tensor.cols) + ", expected " + std::to_string(rows) + " × " +
                      std::to_string(cols));
    }
    enqueue(ops::Upload{tensor.data.data(), memory});
  }
  q_pending_ = false;
}

}  // namespace gamlp
