// What the ADMM program allocates on its device.
#include <algorithm>

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
    l->narrow = exact_ && !l->first && blocks_.whole() && nodes_ < l->n;
    l->mu = weight_decay_of(admm_, index, spec_.layers());
    l->owner = (index - range_.first) % group_.size();
    l->product_row = products_row(*l, exact_);
    layers_.push_back(std::move(l));
  }
  allocate_workspace();  // first, since all layers use it: it had better be on the device
  for (auto& l : layers_) {
    allocate_variables(*l);
    allocate_codecs(*l);
    allocate_sums(*l);
  }
  for (std::size_t i = 0; i + 1 < layers_.size(); ++i) {
    layers_[i + 1]->q_in = layers_[i]->q;
    layers_[i + 1]->u_in = layers_[i]->u;
    layers_[i]->p_next = layers_[i + 1]->p;
  }
  allocate_boundaries();
  allocate_reductions();
  for (std::size_t i = 0; i < 2; ++i) {
    p_ready_[i] = device.create_event("p ready");
    p_exchanged_[i] = device.create_event("p exchanged");
    q_ready_[i] = device.create_event("q ready");
    q_exchanged_[i] = device.create_event("q exchanged");
  }
  tau_round_ = std::make_unique<Round>(context_, "sums for τ");
  sums_round_ = std::make_unique<Round>(context_, "scalars");
}

StageProgram::WeightViews AdmmProgram::weights_of(int index) const { return {layer(index).w, layer(index).b}; }

void AdmmProgram::allocate_variables(Layer& l) {
  const auto create = [&](Buffer& memory, Mat& view, std::int64_t rows, std::int64_t cols, const char* name,
                          MemoryKind kind) { view = allocate(memory, name, l.index, rows, cols, kind); };
  const auto create_nodes = [&](Buffer& memory, Mat& view, std::int64_t cols, const char* name,
                                MemoryKind kind = MemoryKind::variables) {
    view = allocate_nodes(memory, name, l.index, cols, kind);
  };
  if (!l.kernel) create(l.w_memory, l.w, l.m, l.n, "W", MemoryKind::weights);
  create(l.b_memory, l.b, 1, l.m, "b", MemoryKind::weights);
  if (!l.first) create_nodes(l.p_memory, l.p, l.n, "p");
  create_nodes(l.z_memory, l.z, l.m, "z");
  if (!l.last) {
    create_nodes(l.q_memory, l.q, l.m, "q");
    create_nodes(l.u_memory, l.u, l.m, "u");
    if (spec_.dual_residual) create_nodes(l.q_before_memory, l.q_before, l.m, "q before", MemoryKind::workspace);
  }
  if (exact_) {
    create_nodes(l.v_memory, l.v, l.m, "v");
    create_nodes(l.t_memory, l.t, l.m, "t");
    l.ridge_memory =
        context_.device->allocate(2 * sizeof(double), "ridge" + std::to_string(l.index), MemoryKind::variables);
    l.ridge = l.ridge_memory.view<double>(1, 2);
  } else {
    create_nodes(l.r_memory, l.r, l.m, "r");
    create(l.mean_memory, l.mean, 1, l.m, "mean", MemoryKind::variables);
  }
  if (!l.first) {
    l.input = l.p;
  } else if (!l.kernel) {
    l.input = input_->x();
  }
}

void AdmmProgram::allocate_codecs(Layer& l) {
  // Blocks take turns in the scales.
  std::int64_t block = 0;
  for (const Rows& rows : blocks_.rows()) block = std::max(block, rows.count);
  const auto create = [&](const CodecConfig& codec, std::int64_t width, const std::string& name, Buffer& scales,
                          Buffer& feedback) {
    if (codec.bits >= 32) return;
    const std::int64_t count =
        largest(codec, exchange_, [&](const WireFormat& format) { return format.scale_floats(block * width); });
    scales = floats(*context_.device, count, "scales of " + name, MemoryKind::exchange);
    if (codec.error_feedback) {
      feedback = floats_of_nodes(context_, nodes_ * width, "feedback of " + name, MemoryKind::exchange);
    }
  };
  const std::string id = std::to_string(l.index);
  if (!l.first) create(exchange_.p, l.n, "p" + id, l.p_scales, l.p_feedback);
  if (!l.last) create(exchange_.q, l.m, "q" + id, l.q_scales, l.q_feedback);
}

void AdmmProgram::allocate_sums(Layer& l) {
  const auto sums = [&](MatView<double> out, const char* what) {
    return std::make_unique<NodeSums>(context_, group_, blocks_, out, MessageLabel{what, l.index});
  };
  l.sums = sums(scalars(l.index, kLinear2, kEndOfSums - kLinear2), "scalars");
  if (!exact_) {
    if (!l.first) l.p_sums = sums(scalars(l.index, kGradientP2, 2), "scalars of p");
    l.image_sums = sums(scalar(l.index, kImageW2), "scalars of W");
    if (!blocks_.whole()) {
      l.column_memory = context_.device->allocate(static_cast<std::size_t>(l.m) * sizeof(double),
                                                  "column sums of r" + std::to_string(l.index), MemoryKind::workspace);
      l.columns = l.column_memory.view<double>(1, l.m);
      l.column_sums = sums(l.columns, "column sums of r");
    }
  }
}

// What the devices of a range add up, and in the exact update give each other. Few layers at a time are under way
// (w_steps(), p_steps()), so layers take turns in memory.
void AdmmProgram::allocate_reductions() {
  if (!sharded()) return;
  Device& device = *context_.device;
  const BlockSums sums(blocks_.shares());
  const auto parts = [&](const Layer& l) {
    if (!exact_) return Reduction::even_parts(l.product_row, group_);
    std::vector<std::int64_t> sizes(static_cast<std::size_t>(group_.size()), 0);
    sizes[static_cast<std::size_t>(l.owner)] = l.product_row;  // all of it to the owner
    return Parts(sizes);
  };
  std::int64_t received = 0, operators = 0, owned = 0;
  for (const auto& l : layers_) {
    received = std::max(received, Reduction::memory_floats(group_, sums, parts(*l)));
    if (exact_ && l->owner == group_.own()) operators = std::max(operators, l->product_row), ++owned;
  }
  // In the exact update one layer of S is this device's, and where sums are within hosts first, one of a host's G.
  const int per_host = group_.per_host();
  const int exact_turns = per_host > 0 ? group_.size() / per_host : 1;
  received_.resize(static_cast<std::size_t>(std::min(range_.count(), exact_ ? exact_turns : 2)));
  for (Buffer& buffer : received_) buffer = floats(device, received, "received products", MemoryKind::exchange);
  // A layer's are computed while those of the layer before it are still used.
  operators_.resize(static_cast<std::size_t>(std::min<std::int64_t>(owned, 2)));
  for (Buffer& buffer : operators_) buffer = floats(device, operators, "operators", MemoryKind::workspace);
  for (const auto& l : layers_) {
    const std::string name = "layer " + std::to_string(l->index);
    const int number = l->index - range_.first, turn = exact_ && per_host > 0 ? number / per_host : number;
    l->reduction = std::make_unique<Reduction>(
        context_, group_, sums, parts(*l), MessageLabel{exact_ ? "products" : "gradient of W", l->index},
        received_[static_cast<std::size_t>(turn) % received_.size()].mat(1, received));
    if (!exact_) continue;
    l->weights_round = std::make_unique<Round>(context_, "W and b of " + name);
    if (!l->first) l->operators_round = std::make_unique<Round>(context_, "operators of " + name);
  }
}

void AdmmProgram::allocate_boundaries() {
  Device& device = *context_.device;
  const std::int64_t v = nodes_;
  const auto messages = [&](Boundary& boundary) {
    const auto bytes = [&](const CodecConfig& codec) {
      return static_cast<std::size_t>(largest(
          codec, exchange_, [&](const WireFormat& format) { return message_parts(format, boundary.width).total(); }));
    };
    for (std::size_t i = 0; i < 2; ++i) {
      const std::string name = " message " + std::to_string(i) + " with device " + std::to_string(boundary.peer);
      boundary.p_message[i] = device.allocate(bytes(exchange_.p), "p" + name, MemoryKind::exchange);
      boundary.q_message[i] = device.allocate(bytes(exchange_.q), "q" + name, MemoryKind::exchange);
    }
  };
  const auto copy = [&](const Boundary& boundary, const char* variable, int index) {
    return floats_of_nodes(context_, v * boundary.width, std::string("copy of ") + variable + std::to_string(index),
                           MemoryKind::exchange);
  };
  if (has_left()) {
    Layer& l = *layers_.front();
    left_ = std::make_unique<Boundary>();
    left_->peer = left();
    left_->width = l.n;
    left_->q_copy = copy(*left_, "q", l.index - 1);
    left_->u_copy = copy(*left_, "u", l.index - 1);
    l.q_in = left_->q_copy.mat(v, l.n);
    l.u_in = left_->u_copy.mat(v, l.n);
    messages(*left_);
  }
  if (has_right()) {
    Layer& l = *layers_.back();
    right_ = std::make_unique<Boundary>();
    right_->peer = right();
    right_->width = l.m;
    right_->p_copy = copy(*right_, "p", l.index + 1);
    l.p_next = right_->p_copy.mat(v, l.m);
    messages(*right_);
  }
}

// Layers take turns in it, one after the other. Where a device runs small ops beside each other, as many layers as it
// runs have their own. With shards the next layer goes on while sums of the last one are under way. Who uses which
// part: workspace().
void AdmmProgram::allocate_workspace() {
  const std::int64_t v = nodes_;
  const bool p_quantized = exchange_.p.bits < 32;
  bool p_float32 = !p_quantized;
  for (const BitScheduleEntry& entry : exchange_.schedule) p_float32 |= entry.bits >= 32;
  std::array<std::int64_t, 3> sizes{};
  std::int64_t product = 0;
  const auto grow = [&](std::size_t which, std::int64_t count) { sizes[which] = std::max(sizes[which], count); };
  for (const auto& l : layers_) {
    grow(0, v * l->m);
    grow(1, v * l->m);
    product = std::max(product, l->product_row);
    if (l->first) continue;
    grow(exact_ ? 1 : 0, v * l->n);
    if (exact_ && p_quantized) grow(2, v * l->n);
  }
  const bool small = std::max(product, *std::max_element(sizes.begin(), sizes.end())) <= kSmallTensor;
  const int beside = small ? context_.device->parallel_ops() : 1;
  const auto copies = [&](int least) {
    return static_cast<std::size_t>(std::min(std::max(beside, least), range_.count()));
  };
  const auto rows = [&](std::vector<Buffer>& buffers, int count, const char* what) {
    for (Buffer& buffer : buffers) buffer = floats(*context_.device, count * product, what, MemoryKind::workspace);
  };
  workspace_.resize(copies(sharded() && !exact_ && p_float32 ? 2 : 1));
  for (std::array<Buffer, 3>& buffers : workspace_) {
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      buffers[i] = floats_of_nodes(context_, sizes[i], "workspace " + std::to_string(i), MemoryKind::workspace);
    }
  }
  partials_.resize(copies(!sharded() ? 1 : exact_ ? exact_lag() + 1 : 2));
  rows(partials_, blocks_.partial_sums(), "products");
  if (sharded() && !exact_) {
    summed_.resize(copies(2));
    rows(summed_, 1, "summed products");
  }
}

}  // namespace gamlp
