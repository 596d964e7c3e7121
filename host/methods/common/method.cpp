#include "host/methods/common/method.hpp"

#include "host/config/config.hpp"

namespace gamlp {

BoundaryBytes sum_of(const std::vector<BoundaryMessage>& messages) {
  BoundaryBytes sum;
  for (const BoundaryMessage& one : messages) (one.up ? sum.up : sum.down) += one.bytes;
  return sum;
}

std::vector<double> Method::layer_costs(const std::vector<std::int64_t>& widths, std::int64_t nodes,
                                        InputKind input) const {
  std::vector<double> costs;
  for (std::size_t l = 1; l < widths.size(); ++l) {
    const std::int64_t n = widths[l - 1], m = widths[l];
    costs.push_back(product_flops(n, m, nodes, l == 1, input) + kFloatFlops * moved_floats(n, m, nodes));
  }
  return costs;
}

std::vector<std::pair<std::string, Config>> Method::lighter(const Config&) const { return {}; }

}  // namespace gamlp
