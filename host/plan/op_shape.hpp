// Describes an op as a cost model sees it: of what kind it is, how large, and how much work.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "host/device/ops.hpp"

namespace gamlp {

struct OpShape {
  std::string family;            // "gemm:nt", "z_step", "q_dual:8/value/tensor+message"
  std::array<double, 3> dims{};  // sizes of products and factorisations, else rows and columns; unused ones are 1
  double work = 0;               // what the time is proportional to at one rate: flops, or values
  double flops = 0;              // of products and factorisations
  double columns = 0;            // of factorisations: columns eliminated one after the other
  double bytes = 0;              // memory read and written, each view counted once
};

// The family of an ops::PProject that also finishes the gradient in the same pass.
inline constexpr std::string_view kPProjectFinished = "p_project_finished";

OpShape shape_of(const Op& op);
// Returns the flops of a product or factorisation of these sizes. 0 for other families.
double flops_of(std::string_view family, const std::array<double, 3>& dims);

// Names the codec of an op that quantises or dequantises: "8/value/tensor".
std::string codec_name(const WireFormat& format, Rounding rounding = Rounding::nearest);

}  // namespace gamlp
