// gpu_check: what a machine with a GPU shows of the CUDA devices, and a record of it. tools/gpu_check.sh builds and
// runs it.
//   gpu_check [--small] [--device N] [--json FILE] [--markdown FILE] [--wait FILE] [conformance] [training]
//             [collectives] [augmentation] [nccl] [kernels] [iterations]
// Without parts: all. --small: sizes for compute-sanitizer. --wait: rates are measured only once FILE is there, up to
// ten minutes later: others use the GPU until then. Exit status 0 when all passed, 1 when something failed, 77 where
// there is no GPU.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cuda_runtime_api.h>
#include <fstream>
#include <string>
#include <thread>

#include "cuda/core/check.hpp"
#include "host/core/clock.hpp"
#include "tests/gpu/check.hpp"

namespace gamlp::gpu {
namespace {

constexpr int kSkipped = 77;

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out + '"';
}

using Facts = std::vector<std::pair<std::string, std::string>>;

Facts facts_of(int ordinal) {
  cudaDeviceProp properties;
  cuda::check(cudaGetDeviceProperties(&properties, ordinal), "cudaGetDeviceProperties");
  int runtime = 0, driver = 0;
  cuda::check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  cuda::check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  const auto version = [](int v) { return std::to_string(v / 1000) + "." + std::to_string(v % 1000 / 10); };
  return {{"device", properties.name},
          {"compute capability", std::to_string(properties.major) + "." + std::to_string(properties.minor)},
          {"multiprocessors", std::to_string(properties.multiProcessorCount)},
          {"memory MB", std::to_string(properties.totalGlobalMem >> 20)},
          {"CUDA runtime", version(runtime)},
          {"driver supports CUDA", version(driver)}};
}

std::string as_json(const Facts& facts, const std::vector<Table>& tables) {
  std::string out = "{\n  \"facts\": {";
  for (std::size_t i = 0; i < facts.size(); ++i) {
    out += (i > 0 ? ", " : "") + quoted(facts[i].first) + ": " + quoted(facts[i].second);
  }
  out += "},\n  \"parts\": {\n";
  for (std::size_t t = 0; t < tables.size(); ++t) {
    const Table& table = tables[t];
    out += "    " + quoted(table.name) + ": {\"passed\": " + (table.failures.empty() ? "true" : "false") +
           ", \"rows\": [\n";
    for (std::size_t r = 0; r < table.rows.size(); ++r) {
      out += "      {";
      for (std::size_t c = 0; c < table.columns.size(); ++c) {
        out += (c > 0 ? ", " : "") + quoted(table.columns[c]) + ": " + quoted(table.rows[r][c]);
      }
      out += r + 1 < table.rows.size() ? "},\n" : "}\n";
    }
    out += "    ], \"failures\": [";
    for (std::size_t f = 0; f < table.failures.size(); ++f) out += (f > 0 ? ", " : "") + quoted(table.failures[f]);
    out += t + 1 < tables.size() ? "]},\n" : "]}\n";
  }
  return out + "  }\n}\n";
}

std::string as_markdown(const Facts& facts, const std::vector<Table>& tables) {
  std::string out;
  for (const auto& [key, value] : facts) out += "- " + key + ": " + value + "\n";
  for (const Table& table : tables) {
    out += "\n## " + table.title + "\n\n" + (table.failures.empty() ? "passed" : "FAILED") + "\n\n|";
    for (const std::string& column : table.columns) out += " " + column + " |";
    out += "\n|";
    for (std::size_t i = 0; i < table.columns.size(); ++i) out += "---|";
    for (const auto& row : table.rows) {
      out += "\n|";
      for (const std::string& cell : row) out += " " + cell + " |";
    }
    out += "\n";
    for (const std::string& failure : table.failures) out += "- " + failure + "\n";
  }
  return out;
}

int run(int argc, char** argv) {
  Scope scope;
  std::string json, markdown, awaited;
  std::vector<std::string> wanted;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto value = [&] { return i + 1 < argc ? std::string(argv[++i]) : std::string(); };
    if (argument == "--small") {
      scope.large = false;
    } else if (argument == "--device") {
      scope.ordinal = std::atoi(value().c_str());
    } else if (argument == "--json") {
      json = value();
    } else if (argument == "--markdown") {
      markdown = value();
    } else if (argument == "--wait") {
      awaited = value();
    } else if (argument.starts_with("-")) {
      std::fprintf(stderr, "gpu_check: unknown option %s\n", argument.c_str());
      return 2;
    } else {
      wanted.push_back(argument);
    }
  }
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess || count == 0) {
    std::printf("gpu_check: skipped, there is no usable GPU (%s)\n", cudaGetErrorString(status));
    return kSkipped;
  }
  const Facts facts = facts_of(scope.ordinal);
  std::vector<Table> tables;
  bool passed = true;
  const std::vector<std::pair<std::string, Table (*)(const Scope&)>> parts = {
      {"conformance", check_conformance}, {"training", check_training},
      {"collectives", check_collectives}, {"augmentation", check_augmentation},
#ifdef GAMLP_WITH_NCCL
      {"nccl", check_nccl_exchange},
#endif
      {"kernels", measure_kernels},       {"iterations", measure_iterations}};
  for (const auto& [name, part] : parts) {
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), name) == wanted.end()) continue;
    const bool rates = part == measure_kernels || part == measure_iterations;
    const auto waiting = Clock::now();
    while (rates && !awaited.empty() && !std::ifstream(awaited) && seconds_since(waiting) < 600) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    const auto start = Clock::now();
    try {
      tables.push_back(part(scope));
    } catch (const std::exception& error) {  // the other parts still say what they can
      tables.push_back({name, name, {}, {}, {std::string("stopped: ") + error.what()}});
    }
    passed = passed && tables.back().failures.empty();
    std::printf("%s\n%.1f s\n\n", as_markdown({}, {tables.back()}).c_str(), seconds_since(start));
    std::fflush(stdout);
    // After each part: what is known is not lost with a later one.
    if (!json.empty()) std::ofstream(json) << as_json(facts, tables);
    if (!markdown.empty()) std::ofstream(markdown) << as_markdown(facts, tables);
  }
  return passed ? 0 : 1;
}

}  // namespace

}  // namespace gamlp::gpu

int main(int argc, char** argv) {
  try {
#ifdef GAMLP_WITH_NCCL
    if (argc > 2 && std::string(argv[1]) == "--nccl-member") return gamlp::gpu::nccl_member({argv + 2, argv + argc});
#endif
    return gamlp::gpu::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gpu_check: %s\n", error.what());
    return 1;
  }
}
