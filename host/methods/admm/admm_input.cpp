#include "host/methods/admm/admm_input.hpp"

#include <algorithm>

namespace gamlp {
namespace {

constexpr std::int64_t kRows = 256;

}  // namespace

AdmmInput::AdmmInput(const DeviceContext& context, const StageSpec& spec, int rank, const InputShape& shape,
                     const AdmmConfig& admm)
    : DeviceInput(context, shape),
      admm_(admm),
      blocks_(spec.blocks_of(rank)),
      solves_(spec.placement.shard_of(rank) == 0),
      all_nodes_(spec.nodes) {
  if (admm.update != Update::exact) return;
  Device& device = *context.device;
  const bool kernel = shape.kind == InputKind::kernel;
  const std::int64_t sums = kernel ? 1 : blocks_.partial_sums();
  partials_ = floats(device, sums * row_floats(), "the factor of layer 1", MemoryKind::data);
  ridge_ = device.allocate(2 * sizeof(double), "the ridge of layer 1", MemoryKind::data);
  if (const RankGroup group = spec.shard_group(rank); group.size() > 1) {
    std::vector<std::int64_t> to_first(static_cast<std::size_t>(group.size()), 0);
    to_first.front() = row_floats();
    reduction_ = std::make_unique<Reduction>(context, group, BlockSums(blocks_.shares()), Parts(to_first),
                                             MessageLabel{"products of the inputs", 1});
    if (solves_) summed_ = floats(device, row_floats(), "the factor of layer 1", MemoryKind::data);
  }
  if (kernel) {
    a_ = floats(device, shape.nodes * shape.width, "a of layer 1", MemoryKind::variables);
    c_ = floats(device, shape.nodes * shape.width, "c of layer 1", MemoryKind::weights);
    rows_ = floats(device, std::min(kRows, shape.nodes) * shape.nodes, "rows of K", MemoryKind::data);
  }
}

void AdmmInput::enqueue_upload(Stream& stream, const TrainingInput& input, int layers) {
  DeviceInput::enqueue_upload(stream, input, layers);
  if (admm_.update != Update::exact) return;
  const double nu = *admm_.nu, mu = weight_decay_of(admm_, 1, layers);
  const MatView<double> ridge = ridge_.view<double>(1, 2);
  const Mat row = summed_row(), factor{row.data, shape_.inputs, shape_.inputs},
            mean{row.data + gram_floats(), 1, shape_.features};
  if (shape_.kind == InputKind::kernel) {
    const auto upload_to = [&](ConstMat from, Mat to) {
      stream.enqueue(ops::Upload{as_bytes(from).data, as_bytes(to)});
    };
    upload_to({input.mean.data(), 1, input.basis.cols()}, mean);
    upload_to(input.train.view(), factor);
    stream.enqueue(ops::KernelFactor{factor, mean, ridge, nu, admm_.exact.kappa, 0.0, mu});
    return;
  }
  const Mat memory = partials_.mat(blocks_.partial_sums(), row_floats());
  const Mat sums = blocks_.sum(stream, memory, [&](const Rows& rows, Mat sum) {
    stream.enqueue(ops::ColumnMean{rows.of(x()), {sum.data + gram_floats(), 1, shape_.features}, all_nodes_});
    stream.enqueue(ops::Gram{rows.of(x()), {sum.data, shape_.inputs, shape_.inputs}});
  });
  if (reduction_) {
    reduction_->scatter(sums, 0);
    reduction_->sum(row);
  }
  if (solves_) stream.enqueue(ops::WFactor{factor, mean, ridge, all_nodes_, nu, admm_.exact.kappa, 0.0, mu});
}

void AdmmInput::enqueue_stage(Stream& stream, const TrainingInput& input, const LayerWeights& first) {
  if (shape_.kind != InputKind::kernel) return;
  stream.label({"input", 1, 0});
  c_start_ = Matrix(shape_.nodes, shape_.width);
  for (std::int64_t i = 0; i < shape_.nodes; ++i) {
    for (std::int64_t j = 0; j < shape_.width; ++j) c_start_(i, j) = first.w(j, i);
  }
  upload(stream, c_start_.view(), c_);
  for (std::int64_t row = 0; row < shape_.nodes; row += kRows) {
    const std::int64_t count = std::min(kRows, shape_.nodes - row);
    upload(stream, {input.train.row(row), count, shape_.nodes}, rows_);
    stream.enqueue(ops::Gemm{rows_.mat(count, shape_.nodes), c(), {a().row(row), count, shape_.width}});
  }
}

}  // namespace gamlp
