// What gpu_check runs on a GPU, and the record that it writes.
#pragma once

#include <array>
#include <cstdio>
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
  bool processes = true;
};

Table check_conformance(const Scope& scope);
Table check_training(const Scope& scope);
Table check_collectives(const Scope& scope);
Table check_augmentation(const Scope& scope);
// Where the build has NCCL. A member: one of the processes that the check starts, with its arguments.
Table check_nccl_exchange(const Scope& scope);
void check_self_exchange(const Scope& scope, Table& table);
int nccl_member(const std::vector<std::string>& arguments);
std::vector<std::string> nccl_member_arguments(const Scope& scope, int rank, int size, int stage,
                                               const std::string& folder, const std::string& id);
// What of the members' state is not that of one device; empty: nothing.
std::string nccl_members_differ(const Scope& scope, int size, int stage, const std::string& folder);
Table measure_kernels(const Scope& scope);
Table measure_iterations(const Scope& scope);

inline std::string number(double value, const char* format = "%.4g") {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

}  // namespace gamlp::gpu
