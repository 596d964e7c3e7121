#include <map>

#include "tests/conformance/suite.hpp"
#include "tests/gpu/check.hpp"

namespace gamlp::gpu {

Table check_conformance(const Scope& scope) {
  Table table{"conformance",
              "Every op against the CPU: sentinels, NaN first, bound per output",
              {"products", "op", "cases", "failed", "worst error / bound"},
              {},
              {}};
  struct Mode {
    const char* name;
    ProductPrecision precision;
    double product_eps;
  };
  // TF32 keeps 10 bits of mantissa and BF16 7, where float32 has 23.
  for (const Mode& mode :
       {Mode{"float32", ProductPrecision::float32, 1.0}, Mode{"tf32", ProductPrecision::tf32, 8192.0},
        Mode{"bf16", ProductPrecision::bf16, 65536.0}}) {
    const bool products_only = mode.precision != ProductPrecision::float32;
    CudaDevice device(scope.ordinal, {mode.precision, true});
    const auto stream = device.create_stream("compute", StreamKind::compute);
    struct Sum {
      int cases = 0, failed = 0;
      double worst = 0;
    };
    std::map<std::string, Sum> sums;
    std::uint64_t seed = 1;
    for (const conformance::Case& one : conformance::all_cases({scope.large, mode.product_eps})) {
      if (products_only && one.op != "gemm" && one.op != "gram" && one.op != "outer_gram") continue;
      const conformance::Result result = conformance::compare(one, seed++, device, *stream, false);
      Sum& sum = sums[result.op];
      ++sum.cases;
      sum.worst = std::max(sum.worst, result.worst);
      if (result.passed) continue;
      ++sum.failed;
      table.failures.push_back(std::string(mode.name) + ", " + result.op + ", " + result.what + ": " + result.failure);
    }
    for (const auto& [op, sum] : sums) {
      table.rows.push_back(
          {mode.name, op, std::to_string(sum.cases), std::to_string(sum.failed), number(sum.worst, "%.2g")});
    }
  }
  return table;
}

}  // namespace gamlp::gpu
