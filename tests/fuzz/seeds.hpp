// Seeds made in code: written into the corpus folder of the command line before libFuzzer reads it.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace gamlp::fuzz {

// Call from LLVMFuzzerInitialize.
inline void write_seeds(int argc, char** argv, const std::vector<std::string>& seeds) {
  for (int a = 1; a < argc; ++a) {
    if (argv[a][0] == '-' || !std::filesystem::is_directory(argv[a])) continue;
    for (std::size_t i = 0; i < seeds.size(); ++i) {
      std::ofstream(std::filesystem::path(argv[a]) / ("seed-" + std::to_string(i)), std::ios::binary) << seeds[i];
    }
    return;
  }
}

}  // namespace gamlp::fuzz
