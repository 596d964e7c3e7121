#include "host/methods/gradient/compressed_mean.hpp"

#include "host/core/sum_tree.hpp"

namespace gamlp {
namespace {

CompressLayout layout_of(const LayerRow& row, const CompressedMean::Coding& coding, int workers) {
  return {row.tensors(), coding.block, coding.bits, workers};
}

// The workers first, first + step, …, `count` of them. `own` is one of them.
RankGroup every(const RankGroup& workers, int first, int step, int count) {
  std::vector<int> ranks;
  for (int i = 0; i < count; ++i) ranks.push_back(workers.rank(first + i * step));
  return {std::move(ranks), workers.rank(workers.own())};
}

int checked(int each, int workers) {
  if (workers % each == 0) return each;
  throw ConfigError("`method.squeeze.group` is " + std::to_string(each) + ": must divide the " +
                    std::to_string(workers) + " workers");
}

// Some parts of `of`, of which each place has as many.
Parts places_of(const Parts& of, int groups) {
  std::vector<std::int64_t> sizes;
  for (int first = 0; first < of.count(); first += groups) sizes.push_back(of.first(first + groups) - of.first(first));
  return Parts(sizes);
}
Parts shares_of(const Parts& of, int first, int groups) {
  std::vector<std::int64_t> sizes;
  for (int i = first; i < first + groups; ++i) sizes.push_back(of.size(i));
  return Parts(sizes);
}

}  // namespace

std::vector<CompressedMean::Sent> CompressedMean::bytes_sent(const LayerRow& row, const Coding& coding, int workers,
                                                             int each) {
  const CompressLayout layout = layout_of(row, coding, workers);
  const int groups = workers / each;
  const Parts values = places_of(layout.values(), groups), bytes = places_of(layout.bytes(), groups);
  std::vector<Sent> all;
  for (int worker = 0; worker < workers; ++worker) {
    const int place = worker % each, share = place * groups + worker / each;
    all.push_back({4 * (values.total() - values.size(place)), (each - 1) * bytes.size(place),
                   bytes.size(place) - layout.bytes().size(share) + (groups - 1) * layout.bytes().size(share)});
  }
  return all;
}

CompressedMean::CompressedMean(const DeviceContext& context, const RankGroup& workers, const LayerRow& row,
                               const Coding& coding, int each)
    : context_(context),
      members_(every(workers, workers.own() - workers.own() % checked(each, workers.size()), 1, each)),
      groups_(every(workers, workers.own() % each, each, workers.size() / each)),
      layout_(layout_of(row, coding, workers.size())),
      place_values_(places_of(layout_.values(), groups_.size())),
      place_bytes_(places_of(layout_.bytes(), groups_.size())),
      added_(context, "rows of the group"),
      gathered_(context, "compressed rows of groups"),
      spread_(context, "compressed means"),
      shared_(context, "compressed means of the group") {
  const auto allocate = [&](std::int64_t count, const char* what, MemoryKind kind) {
    return context_.device->allocate(static_cast<std::size_t>(count), what, kind);
  };
  const int place = members_.own();
  const std::int64_t values = place_values_.size(place), own = layout_.bytes().size(share());
  table_memory_ = allocate(static_cast<std::int64_t>(layout_.table().size() * sizeof(std::int32_t)),
                           "blocks of compressed rows", MemoryKind::data);
  table_ = table_memory_.view<std::int32_t>(layout_.blocks(), ops::CompressBlocks::kColumns);
  if (each > 1) {
    sum_memory_ = allocate((each + 1) * values * 4, "rows of the group", MemoryKind::exchange);
    const Mat all = sum_memory_.mat(each + 1, values);
    rows_ = {all.data, each, values};
    sum_ = {all.data + each * values, 1, values};
  }
  out_memory_ = allocate(place_bytes_.size(place), "compressed row of this group", MemoryKind::exchange);
  in_memory_ = allocate(groups_.size() * own, "compressed rows of groups", MemoryKind::exchange);
  all_memory_ = allocate(layout_.bytes().total(), "compressed means", MemoryKind::exchange);
  out_ = out_memory_.raw(out_memory_.bytes());
  in_ = in_memory_.view<std::byte>(groups_.size(), own);
  all_ = all_memory_.raw(all_memory_.bytes());
  if (!coding.error_feedback) return;
  const std::int64_t served = layout_.values().size(share());
  error_memory_ = allocate(values * 4, "errors of this group", MemoryKind::weights);
  mean_error_memory_ = allocate(served * 4, "errors of the mean", MemoryKind::weights);
  error_ = error_memory_.mat(1, values);
  mean_error_ = mean_error_memory_.mat(1, served);
}

void CompressedMean::enqueue_table() {
  enqueue(ops::Upload{reinterpret_cast<const std::byte*>(layout_.table().data()),
                      table_memory_.raw(table_memory_.bytes())});
}

void CompressedMean::enqueue_reset() {
  for (const Mat& error : {error_, mean_error_}) {
    if (!error.empty()) enqueue(ops::Zero{as_bytes(error)});
  }
}

void CompressedMean::enqueue(ConstMat momentum, float keep, ConstMat gradient, float take, std::int64_t epoch) {
  const int place = members_.own(), each = members_.size(), groups = groups_.size();
  MessageGroup messages;
  ConstMat own = place_values_.of(gradient, place);
  if (each > 1) {
    const Parts rows(std::vector<std::int64_t>(static_cast<std::size_t>(each), rows_.cols * 4));
    messages.all_to_all(members_, as_bytes(gradient), place_values_.times(4), as_bytes(rows_), rows,
                        {"rows of the group", 0, epoch, WireType::float32});
    added_.start(messages, "rows that the workers of a group send each other");
    if (!own.empty()) enqueue(ops::Copy{as_bytes(own), as_bytes(Mat{rows_.row(place), 1, rows_.cols})});
    added_.finish("rows of the group");
    if (!own.empty())
      enqueue(ops::SumParts{rows_, sum_, sum_tree(std::vector<int>(static_cast<std::size_t>(each), 1))});
    own = sum_;
    take /= static_cast<float>(each);  // the mean of the groups' sums, over all workers
  }
  const ops::CompressBlocks shares = layout_.parts(table_, first_share(), groups);
  const ConstMat kept = momentum.data != nullptr ? place_values_.of(momentum, place) : ConstMat{};
  enqueue(ops::CompressMomentum{kept, own, error_, shares, out_, keep, take});
  const Parts bytes = shares_of(layout_.bytes(), first_share(), groups);
  messages.all_to_all(groups_, out_, bytes, {in_.data, 1, in_.size()},
                      Parts(std::vector<std::int64_t>(static_cast<std::size_t>(groups), in_.cols)),
                      {"rows of workers", 0, epoch});
  gathered_.start(messages, "compressed rows that the groups send each other");
  gathered_.finish("compressed rows of the groups");
  const Bytes means = place_bytes_.of(all_, place);
  const int group = groups_.own();
  enqueue(ops::CompressMean{bytes.of(out_, group), in_, mean_error_, layout_.parts(table_, share(), 1),
                            bytes.of(means, group), group});
  messages.all_gather(groups_, means, bytes, {"means", 0, epoch});
  spread_.start(messages, "the compressed mean, which every group gets");
  spread_.finish("the compressed means of the others");
  messages.all_gather(members_, all_, place_bytes_, {"means of the group", 0, epoch});
  shared_.start(messages, "the compressed mean, which the whole group gets");
  shared_.finish("the compressed means of the group");
}

}  // namespace gamlp
