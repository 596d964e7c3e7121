#include <cstring>

#include "tests/collectives/checks.hpp"

namespace gamlp::collectives {
namespace {

// Each member adds up the parts of `values` that are dealt to it: all to one member, or evenly.
class ReduceScatter {
 public:
  ReduceScatter(const DeviceContext& on, const RankGroup& group, const SumCase& one, int only)
      : one_(one),
        own_(group.own()),
        values_(parts_of(one.values, group, only)),
        partials_(on, BlockSums(one.parts(group.size())).given().size(group.own()), one.values),
        out_(on, 1, one.values),
        reduction_(on, group, BlockSums(one.parts(group.size())), values_, {"sums"}) {
    partials_.host = partial_sums(one, group, 0);
    std::fill(out_.host.begin(), out_.host.end(), -1.0f);
    partials_.upload(on);
    out_.upload(on);
    reduction_.scatter(partials_.view(), 0);
    reduction_.sum(out_.view());
    out_.download(on);
  }

  std::string problem() const {
    if (!out_.guard_intact()) return "wrote behind the tensor";
    const int blocks = static_cast<int>(one_.parts(values_.count()).total());
    const std::vector<float>& sums = sums_of_blocks(0, blocks, one_.values, one_.ordered, 0);
    for (std::int64_t j = 0; j < one_.values; ++j) {
      const bool mine = j >= values_.first(own_) && j < values_.first(own_ + 1);
      const float expected = mine ? sums[static_cast<std::size_t>(j)] : -1.0f;
      if (std::memcmp(&out_.host[static_cast<std::size_t>(j)], &expected, sizeof expected) == 0) continue;
      return "reduce-scatter of " + std::to_string(one_.values) + " values over " + std::to_string(blocks) +
             " blocks: value " + std::to_string(j) + " is wrong";
    }
    return "";
  }

 private:
  static Parts parts_of(std::int64_t values, const RankGroup& group, int only) {
    if (only < 0) return Reduction::even_parts(values, group);
    std::vector<std::int64_t> sizes(static_cast<std::size_t>(group.size()));
    sizes[static_cast<std::size_t>(only % group.size())] = values;
    return Parts(sizes);
  }

  SumCase one_;
  int own_;
  Parts values_;
  Tensor<float> partials_, out_;
  Reduction reduction_;
};

}  // namespace

std::string reduce_scatter(Fleet& fleet) {
  for (const SumCase& one : sum_cases()) {
    for (const int only : {-1, 0, 2}) {
      const std::string found = run_on_layouts<ReduceScatter>(fleet, one, only);
      if (!found.empty()) return found;
    }
  }
  return "";
}

}  // namespace gamlp::collectives
