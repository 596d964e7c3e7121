// What tests take from their surroundings.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace gamlp::test {

// How many tests of this program were skipped. With any, and without a failure, the program ends with status 77, which
// CTest shows as skipped (catch_main.cpp).
inline int& skipped_tests() {
  static int count = 0;
  return count;
}

// Told and counted; the test then returns.
inline void skip(const std::string& why) {
  std::printf("skipped: %s\n", why.c_str());
  ++skipped_tests();
}

inline std::string environment_or(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : otherwise;
}

// The folder of public datasets; the environment's GAMLP_DATASETS, or the one that CMake was given. Tests that need it
// are tagged [.datasets], and run by a CTest entry of their own.
inline std::filesystem::path datasets() { return environment_or("GAMLP_DATASETS", GAMLP_DATASETS); }

inline bool has_dataset(const std::string& file) {
  if (std::filesystem::exists(datasets() / file)) return true;
  skip(file + " is not in " + datasets().string());
  return false;
}

#ifdef GAMLP_PROGRAM
// The gamlp that is tested; the environment's GAMLP_TEST_PROGRAM, or the one that was built.
inline const std::string& program() {
  static const std::string path = environment_or("GAMLP_TEST_PROGRAM", GAMLP_PROGRAM);
  return path;
}
#endif

}  // namespace gamlp::test
