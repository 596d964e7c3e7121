#include "host/plan/op_shape.hpp"

#include <algorithm>
#include <type_traits>

namespace gamlp {
namespace {

double d(std::int64_t value) { return static_cast<double>(value); }

// Sizes of products and factorisations; the others are described by their views.
void describe(const ops::Gemm& op, OpShape& s) {
  s.family += std::string(":") + (op.ta ? 't' : 'n') + (op.tb ? 't' : 'n');
  s.dims = {d(op.c.rows), d(op.c.cols), d(op.ta ? op.a.rows : op.a.cols)};
}
void describe(const ops::Gram& op, OpShape& s) { s.dims = {d(op.x.cols), d(op.x.rows), 1}; }
void describe(const ops::OuterGram& op, OpShape& s) { s.dims = {d(op.x.rows), d(op.x.cols), 1}; }
void describe(const ops::POperators& op, OpShape& s) {
  const double n = d(op.w.cols), m = d(op.w.rows);
  s.dims = {n, m, 1};
  s.columns = 3.0 * n;  // the factor, its inverse, their product
}
void describe(const ops::WFactor& op, OpShape& s) {
  const double n = d(op.factor.rows);
  s.dims = {n, 1, 1};
  s.columns = n;
}
void describe(const ops::KernelFactor& op, OpShape& s) {
  const double v = d(op.factor.rows);
  s.dims = {v, 1, 1};
  s.columns = v;
}
// A reduction for each pair of columns, one after the other.
void describe(const ops::Orthogonalize& op, OpShape& s) {
  s.dims = {d(op.x.rows), d(op.x.cols), 1};
  s.columns = s.dims[1] * (s.dims[1] + 3.0);
}
void describe(const ops::WSolve& op, OpShape& s) { s.dims = {d(op.w.cols), d(op.w.rows), 1}; }
void describe(const ops::FactorSolve& op, OpShape& s) { s.dims = {d(op.x.rows), d(op.x.cols), 1}; }
void describe(const ops::KernelSolve& op, OpShape& s) { s.dims = {d(op.t.rows), d(op.t.cols), 1}; }
template <class AnyOp>
void describe(const AnyOp& op, OpShape& s) {
  if constexpr (std::is_same_v<AnyOp, ops::PProject>) {
    if (op.u.data != nullptr) s.family = kPProjectFinished;
  }
  if constexpr (std::is_same_v<AnyOp, ops::OptimizerStep>) {
    s.family += std::string(":") + name_of(op.rule.kind);
  }
  if constexpr (requires { op.at.bits; }) s.family += ":" + std::to_string(op.at.bits);
  double largest = 0;
  op.views([&](const char*, const auto& view) {
    if (d(view.size()) <= largest || view.data == nullptr) return;
    largest = d(view.size());
    s.dims = {d(view.rows), d(view.cols), 1};
  });
  if constexpr (requires { op.quantize; }) {
    s.dims = {d(op.p.rows), d(op.p.cols), 1};  // not those of the message, which has more bytes than there are values
    s.family += ":" + codec_name(op.quantize.format, op.quantize.rounding);
    if (op.quantize.message.data != nullptr) s.family += "+message";
  } else if constexpr (requires { op.format; }) {
    s.family += ":" + codec_name(op.format);
    s.dims = {d(op.p.rows), d(op.p.cols), 1};
  }
}

}  // namespace

std::string codec_name(const WireFormat& format, Rounding rounding) {
  if (!format.quantized()) return "32";
  const char* range = format.range == Range::fixed ? "/fixed" : format.range == Range::block ? "/block" : "/tensor";
  return std::to_string(format.bits) + (format.coding == Coding::difference ? "/difference" : "/value") + range +
         (rounding == Rounding::stochastic ? "/stochastic" : "");
}

double flops_of(std::string_view family, const std::array<double, 3>& dims) {
  const auto [a, b, c] = dims;
  if (family.starts_with("gemm")) return 2.0 * a * b * c;
  if (family == ops::Gram::name || family == ops::OuterGram::name) return a * a * b;
  if (family == ops::Orthogonalize::name) return 4.0 * a * b * (b + 2.0);
  if (family == ops::POperators::name) return 4.0 * a * a * b + a * a * a;
  if (family == ops::WFactor::name || family == ops::KernelFactor::name) return a * a * a / 3.0;
  if (family == ops::WSolve::name || family == ops::FactorSolve::name || family == ops::KernelSolve::name) {
    return 2.0 * a * a * b;
  }
  return 0.0;
}

OpShape shape_of(const Op& op) {
  return std::visit(
      [](const auto& o) {
        OpShape s;
        s.family = o.name;
        s.dims = {1, 1, 1};
        describe(o, s);
        o.views([&](const char*, const auto& view) {
          if (view.data == nullptr) return;
          using Value = std::remove_pointer_t<decltype(view.data)>;
          // Elementwise passes read what they write; products, copies and factorisations overwrite.
          const bool both = !std::is_const_v<Value> && (o.phase == Phase::elementwise || o.phase == Phase::codec);
          s.bytes += d(view.size()) * static_cast<double>(sizeof(Value)) * (both ? 2.0 : 1.0);
        });
        s.flops = flops_of(s.family, s.dims);
        s.work = s.flops > 0 ? s.flops : s.dims[0] * s.dims[1];
        return s;
      },
      op.variant());
}

}  // namespace gamlp
