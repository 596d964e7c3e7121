// Op, which is what a stream runs: it holds any one of the ops of host/device/ops/list.hpp.
#pragma once

#include <variant>

#include "host/device/ops/list.hpp"

namespace gamlp {

template <class, class... Ops>
using VariantOfOps = std::variant<Ops...>;
#define GAMLP_NAME(name) , ops::name
using OpVariant = VariantOfOps<void GAMLP_OPS(GAMLP_NAME)>;
#undef GAMLP_NAME

struct Op : OpVariant {
  using OpVariant::OpVariant;
  const OpVariant& variant() const { return *this; }
  bool operator==(const Op& other) const { return variant() == other.variant(); }
};

inline Phase phase_of(const Op& op) {
  return std::visit([](const auto& o) { return o.phase; }, op.variant());
}
inline const char* name_of(const Op& op) {
  return std::visit([](const auto& o) { return o.name; }, op.variant());
}

}  // namespace gamlp
