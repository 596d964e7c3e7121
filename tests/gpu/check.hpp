// What gpu_check runs on a GPU, and the record that it writes.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cuda/device/cuda_device.hpp"

namespace gamlp::gpu {

// A part of the record: rows of a table, written as JSON and as Markdown.
struct Table {
  std::string name, title;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> failures;  // none: passed
};

struct Scope {
  int ordinal = 0;
  bool large = true;  // false: sizes for compute-sanitizer
};

Table check_conformance(const Scope& scope);
Table check_training(const Scope& scope);
Table check_augmentation(const Scope& scope);
Table measure_kernels(const Scope& scope);
Table measure_iterations(const Scope& scope);

std::string number(double value, const char* format = "%.4g");

}  // namespace gamlp::gpu
