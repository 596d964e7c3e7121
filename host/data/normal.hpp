// Draws standard normal numbers that have the same bits on every platform. The log and cos of libm may differ in the
// last bit between systems. So this uses only operations that IEEE 754 rounds exactly, and the build forbids
// contraction to FMA.
#pragma once

#include <cmath>
#include <cstdint>

#include "host/math/random.hpp"

namespace gamlp {

// ln x for 0 < x < infinity, with an error below 1e-15 relative to max(1, |ln x|). With x = m·2^e and m in [√½, √2),
// ln m = 2 artanh((m-1)/(m+1)) is computed as a series.
inline double portable_log(double x) {
  int exponent = 0;
  double m = std::frexp(x, &exponent);
  if (m < 0.70710678118654752) {
    m *= 2.0;
    --exponent;
  }
  const double t = (m - 1.0) / (m + 1.0);
  const double t2 = t * t;
  double sum = 0.0;
  for (int k = 23; k >= 3; k -= 2) sum = (sum + 1.0 / k) * t2;
  return exponent * 0.69314718055994531 + 2.0 * t * (1.0 + sum);
}

// Draws by Marsaglia's polar method.
class NormalSource {
 public:
  explicit NormalSource(std::uint64_t key) : random_(key) {}

  double next() {
    if (have_spare_) {
      have_spare_ = false;
      return spare_;
    }
    double u = 0.0, v = 0.0, s = 0.0;
    do {
      u = 2.0 * random_.uniform() - 1.0;
      v = 2.0 * random_.uniform() - 1.0;
      s = u * u + v * v;
    } while (s >= 1.0 || s == 0.0);
    const double scale = std::sqrt(-2.0 * portable_log(s) / s);
    spare_ = v * scale;
    have_spare_ = true;
    return u * scale;
  }

 private:
  Random random_;
  double spare_ = 0.0;
  bool have_spare_ = false;
};

}  // namespace gamlp
