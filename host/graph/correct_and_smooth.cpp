#include "host/graph/correct_and_smooth.hpp"

#include <algorithm>
#include <cmath>

#include "host/core/error.hpp"
#include "host/graph/augment.hpp"

namespace gamlp {
namespace {

// x ← (1 − α) start + α Ã x, `iterations` times, from x = start.
Matrix propagated(const Csr& propagation, const Matrix& start, double alpha, const CorrectAndSmooth& options) {
  const float keep = static_cast<float>(1.0 - alpha), take = static_cast<float>(alpha);
  Matrix x = start;
  for (int i = 0; i < options.iterations; ++i) {
    x = propagate(propagation, x.view(), options.threads);
    for (std::int64_t j = 0; j < x.size(); ++j) x.data()[j] = keep * start.data()[j] + take * x.data()[j];
  }
  return x;
}

double size_of(const float* row, std::int64_t cols) {
  double sum = 0.0;
  for (std::int64_t c = 0; c < cols; ++c) sum += std::fabs(static_cast<double>(row[c]));
  return sum;
}

}  // namespace

Matrix correct_and_smooth(const Csr& propagation, const Matrix& probabilities, std::span<const std::int32_t> labels,
                          const CorrectAndSmooth& options) {
  expects(propagation.rows == probabilities.rows() && labels.size() == static_cast<std::size_t>(probabilities.rows()),
          "probabilities and a label for every node of the graph");
  const std::int64_t nodes = probabilities.rows(), classes = probabilities.cols();
  const auto label = [&](std::int64_t i) { return labels[static_cast<std::size_t>(i)]; };
  for (std::int64_t i = 0; i < nodes; ++i) expects(label(i) < classes, "labels of the classes");
  Matrix z = probabilities;
  if (options.correct > 0.0) {
    Matrix error(nodes, classes);
    double sum = 0.0;
    std::int64_t known = 0;
    for (std::int64_t i = 0; i < nodes; ++i) {
      if (label(i) < 0) continue;
      for (std::int64_t c = 0; c < classes; ++c) error(i, c) = (c == label(i) ? 1.0f : 0.0f) - z(i, c);
      sum += size_of(error.row(i), classes);
      ++known;
    }
    const double mean = sum / static_cast<double>(std::max<std::int64_t>(known, 1));
    error = propagated(propagation, error, options.correct, options);
    for (std::int64_t i = 0; i < nodes; ++i) {
      const double size = size_of(error.row(i), classes);
      if (!(size > 0.0)) continue;
      for (std::int64_t c = 0; c < classes; ++c) z(i, c) += static_cast<float>(mean / size) * error(i, c);
    }
  }
  if (options.smooth <= 0.0) return z;
  for (std::int64_t i = 0; i < nodes; ++i) {
    for (std::int64_t c = 0; label(i) >= 0 && c < classes; ++c) z(i, c) = c == label(i) ? 1.0f : 0.0f;
  }
  return propagated(propagation, z, options.smooth, options);
}

}  // namespace gamlp
