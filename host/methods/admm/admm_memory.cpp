// What the ADMM program allocates on its device.
#include <algorithm>

#include "host/core/error.hpp"
#include "host/methods/admm/admm_layer.hpp"

namespace gamlp {
namespace {

Buffer floats(Device& device, std::int64_t count, const std::string& what, MemoryKind kind) {
  return device.allocate(static_cast<std::size_t>(count) * sizeof(float), what, kind);
}

// The largest value of `measure` over the formats of the stage.
template <class Measure>
std::int64_t largest(const CodecConfig& codec, const ExchangeConfig& exchange, Measure measure) {
  std::int64_t size = measure(wire_format(codec));
  for (const auto& entry : exchange.schedule) size = std::max(size, measure(wire_format(codec, entry.bits)));
  return size;
}

}  // namespace

void AdmmProgram::allocate_all() {
  Device& device = *context_.device;
  for (int index = range_.first; index <= range_.last; ++index) {
    auto l = std::make_unique<Layer>();
    l->index = index;
    l->first = index == 1;
    l->last = index == spec_.layers();
    l->kernel = l->first && input_->kind() == InputKind::kernel;
    l->n = spec_.widths[static_cast<std::size_t>(index) - 1];
    l->m = spec_.widths[static_cast<std::size_t>(index)];
    l->mu = weight_decay_of(admm_, index, spec_.layers());
    allocate_variables(*l);
    allocate_codecs(*l);
    layers_.push_back(std::move(l));
  }
  for (std::size_t i = 0; i + 1 < layers_.size(); ++i) {
    layers_[i + 1]->q_in = layers_[i]->q;
    layers_[i + 1]->u_in = layers_[i]->u;
    layers_[i]->p_next = layers_[i + 1]->p;
  }
  allocate_boundaries();
  allocate_workspace();
  for (std::size_t i = 0; i < 2; ++i) {
    p_ready_[i] = device.create_event("p ready");
    p_exchanged_[i] = device.create_event("p exchanged");
    q_ready_[i] = device.create_event("q ready");
    q_exchanged_[i] = device.create_event("q exchanged");
  }
}

StageProgram::WeightViews AdmmProgram::weights_of(int index) const { return {layer(index).w, layer(index).b}; }

void AdmmProgram::allocate_variables(Layer& l) {
  const std::int64_t v = spec_.nodes;
  const auto create = [&](Buffer& memory, Mat& view, std::int64_t rows, std::int64_t cols, const char* name,
                          MemoryKind kind = MemoryKind::variables) {
    view = allocate(memory, name, l.index, rows, cols, kind);
  };
  if (!l.kernel) create(l.w_memory, l.w, l.m, l.n, "W", MemoryKind::weights);
  create(l.b_memory, l.b, 1, l.m, "b", MemoryKind::weights);
  if (!l.first) create(l.p_memory, l.p, v, l.n, "p");
  create(l.z_memory, l.z, v, l.m, "z");
  if (!l.last) {
    create(l.q_memory, l.q, v, l.m, "q");
    create(l.u_memory, l.u, v, l.m, "u");
    if (spec_.dual_residual) create(l.q_before_memory, l.q_before, v, l.m, "q before", MemoryKind::workspace);
  }
  if (exact_) {
    create(l.v_memory, l.v, v, l.m, "v");
    create(l.t_memory, l.t, v, l.m, "t");
  } else {
    create(l.r_memory, l.r, v, l.m, "r");
  }
  // Each mean at a multiple of 64 bytes: devices read 16 bytes at a time.
  const std::int64_t second = (l.m + 15) / 16 * 16;
  create(l.mean_memory, l.mean, 1, exact_ ? second + l.n : l.m, "mean");
  if (exact_) {
    l.t_mean = {l.mean.data, 1, l.m};
    l.p_mean = {l.mean.data + second, 1, l.n};
  }
  if (!l.first) {
    l.input = l.p;
  } else if (!l.kernel) {
    l.input = input_->x();
  }
}

void AdmmProgram::allocate_codecs(Layer& l) {
  const auto create = [&](const CodecConfig& codec, std::int64_t values, const std::string& name, Buffer& scales,
                          Buffer& feedback) {
    if (codec.bits >= 32) return;
    const std::int64_t count =
        largest(codec, exchange_, [&](const WireFormat& format) { return format.scale_floats(values); });
    scales = floats(*context_.device, count, "scales of " + name, MemoryKind::exchange);
    if (codec.error_feedback) {
      feedback = floats(*context_.device, values, "feedback of " + name, MemoryKind::exchange);
    }
  };
  const std::string id = std::to_string(l.index);
  if (!l.first) create(exchange_.p, spec_.nodes * l.n, "p" + id, l.p_scales, l.p_feedback);
  if (!l.last) create(exchange_.q, spec_.nodes * l.m, "q" + id, l.q_scales, l.q_feedback);
}

void AdmmProgram::allocate_boundaries() {
  Device& device = *context_.device;
  const std::int64_t v = spec_.nodes;
  const auto messages = [&](Boundary& boundary) {
    const auto bytes = [&](const CodecConfig& codec) {
      return static_cast<std::size_t>(
          largest(codec, exchange_, [&](const WireFormat& format) { return format.message_bytes(boundary.values); }));
    };
    boundary.p_bytes = bytes(exchange_.p);
    boundary.q_bytes = bytes(exchange_.q);
    for (std::size_t i = 0; i < 2; ++i) {
      const std::string name = " message " + std::to_string(i) + " with device " + std::to_string(boundary.peer);
      boundary.p_message[i] = device.allocate(boundary.p_bytes, "p" + name, MemoryKind::exchange);
      boundary.q_message[i] = device.allocate(boundary.q_bytes, "q" + name, MemoryKind::exchange);
    }
  };
  const auto copy = [&](const Boundary& boundary, const char* variable, int index) {
    return floats(device, boundary.values, std::string("copy of ") + variable + std::to_string(index),
                  MemoryKind::exchange);
  };
  if (has_left()) {
    Layer& l = *layers_.front();
    left_ = std::make_unique<Boundary>();
    left_->peer = rank_ - 1;
    left_->values = v * l.n;
    left_->q_copy = copy(*left_, "q", l.index - 1);
    left_->u_copy = copy(*left_, "u", l.index - 1);
    l.q_in = left_->q_copy.mat(v, l.n);
    l.u_in = left_->u_copy.mat(v, l.n);
    messages(*left_);
  }
  if (has_right()) {
    Layer& l = *layers_.back();
    right_ = std::make_unique<Boundary>();
    right_->peer = rank_ + 1;
    right_->values = v * l.m;
    right_->p_copy = copy(*right_, "p", l.index + 1);
    l.p_next = right_->p_copy.mat(v, l.m);
    messages(*right_);
  }
}

// Shared by the layers, which run one after the other; where a device runs small ops beside each other, as many layers
// as it runs have their own. Who uses which part: workspace().
void AdmmProgram::allocate_workspace() {
  const std::int64_t v = spec_.nodes;
  const bool p_quantized = exchange_.p.bits < 32;
  std::array<std::int64_t, 5> sizes{};
  const auto grow = [&](std::size_t which, std::int64_t count) { sizes[which] = std::max(sizes[which], count); };
  for (const auto& l : layers_) {
    grow(0, v * l->m);
    grow(1, v * l->m);
    if (!l->kernel) grow(2, l->m * l->n);
    if (l->first) continue;
    grow(exact_ ? 1 : 0, v * l->n);
    if (exact_) grow(3, l->n * l->n);
    if (exact_ && p_quantized) grow(4, v * l->n);
  }
  const bool small = *std::max_element(sizes.begin(), sizes.end()) <= kSmallTensor;
  const int copies = small ? std::min(context_.device->parallel_ops(), range_.count()) : 1;
  workspace_.resize(static_cast<std::size_t>(copies));
  for (std::array<Buffer, 5>& buffers : workspace_) {
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      buffers[i] = floats(*context_.device, sizes[i], "workspace " + std::to_string(i), MemoryKind::workspace);
    }
  }
}

}  // namespace gamlp
