#include "host/method/method.hpp"

namespace gamlp {

BoundaryBytes sum_of(const std::vector<BoundaryMessage>& messages) {
  BoundaryBytes sum;
  for (const BoundaryMessage& one : messages) (one.up ? sum.up : sum.down) += one.bytes;
  return sum;
}

}  // namespace gamlp
