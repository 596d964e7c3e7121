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

void expect_labels(const Csr& propagation, const Matrix& probabilities, std::span<const std::int32_t> labels) {
  expects(propagation.rows == probabilities.rows() && labels.size() == static_cast<std::size_t>(probabilities.rows()),
          "probabilities and a label for every node of the graph");
  for (const std::int32_t label : labels) expects(label < probabilities.cols(), "labels of the classes");
}

}  // namespace

Matrix correct_step(const Csr& propagation, Matrix z, std::span<const std::int32_t> labels,
                    const CorrectAndSmooth& options) {
  expect_labels(propagation, z, labels);
  if (options.correct <= 0.0) return z;
  const auto label = [&](std::int64_t i) { return labels[static_cast<std::size_t>(i)]; };
  Matrix error(z.rows(), z.cols());
  double sum = 0.0;
  std::int64_t known = 0;
  for (std::int64_t i = 0; i < z.rows(); ++i) {
    if (label(i) < 0) continue;
    for (std::int64_t c = 0; c < z.cols(); ++c) error(i, c) = (c == label(i) ? 1.0f : 0.0f) - z(i, c);
    sum += size_of(error.row(i), z.cols());
    ++known;
  }
  const double mean = sum / static_cast<double>(std::max<std::int64_t>(known, 1));
  error = propagated(propagation, error, options.correct, options);
  for (std::int64_t i = 0; i < z.rows(); ++i) {
    const double size = size_of(error.row(i), z.cols());
    if (!(size > 0.0)) continue;
    // Far from every known node the error is so small that mean / size is no float.
    for (std::int64_t c = 0; c < z.cols(); ++c) {
      z(i, c) += static_cast<float>(mean / size * static_cast<double>(error(i, c)));
    }
  }
  return z;
}

Matrix smooth_step(const Csr& propagation, Matrix z, std::span<const std::int32_t> labels,
                   const CorrectAndSmooth& options) {
  expect_labels(propagation, z, labels);
  if (options.smooth <= 0.0) return z;
  for (std::int64_t i = 0; i < z.rows(); ++i) {
    const std::int32_t label = labels[static_cast<std::size_t>(i)];
    for (std::int64_t c = 0; label >= 0 && c < z.cols(); ++c) z(i, c) = c == label ? 1.0f : 0.0f;
  }
  return propagated(propagation, z, options.smooth, options);
}

Matrix correct_and_smooth(const Csr& propagation, const Matrix& probabilities, std::span<const std::int32_t> labels,
                          const CorrectAndSmooth& options) {
  return smooth_step(propagation, correct_step(propagation, probabilities, labels, options), labels, options);
}

}  // namespace gamlp
