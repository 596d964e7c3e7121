// Reads a timeline and checks it as viewers do: every test that writes one reads it by this.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/catch.hpp"

namespace gamlp::test {

// Viewers count in whole nanoseconds, to which some round and some cut each number of the file, and read the slices of
// one thread by start, those of one start in the file's order. A slice that ends after the one that it began in is
// dropped; so is the time of one without a named thread.
inline std::vector<std::string> faults_of_timeline(const nlohmann::json& trace) {
  struct Slice {
    long long start, end;
    std::string name;
  };
  using Thread = std::pair<int, int>;
  std::map<Thread, std::vector<Slice>> threads;
  std::set<Thread> named;
  std::vector<std::string> faults;
  for (const auto& event : trace.at("traceEvents")) {
    const Thread thread{event.at("pid").get<int>(), event.at("tid").get<int>()};
    if (event.at("ph") == "M" && event.at("name") == "thread_name") named.insert(thread);
    if (event.at("ph") != "X") continue;
    const auto nanoseconds = [&](const char* key) { return static_cast<long long>(1e3 * event.at(key).get<double>()); };
    const long long start = nanoseconds("ts"), length = nanoseconds("dur");
    const std::string name = event.at("name").get<std::string>() + " at " + std::to_string(start) + " ns of thread " +
                             std::to_string(thread.first) + "." + std::to_string(thread.second);
    if (start < 0 || length < 0) faults.push_back(name + " has a negative time");
    if (named.count(thread) == 0) faults.push_back(name + " lies on a thread without a name");
    threads[thread].push_back({start, start + length, name});
  }
  for (auto& [thread, slices] : threads) {
    std::stable_sort(slices.begin(), slices.end(), [](const Slice& a, const Slice& b) { return a.start < b.start; });
    std::vector<const Slice*> open;
    for (const Slice& slice : slices) {
      while (!open.empty() && open.back()->end <= slice.start) open.pop_back();
      if (!open.empty() && slice.end > open.back()->end)
        faults.push_back(slice.name + " ends after " + open.back()->name);
      open.push_back(&slice);
    }
  }
  return faults;
}

inline nlohmann::json read_timeline(const std::filesystem::path& file) {
  INFO(file.string());
  std::ifstream in(file, std::ios::binary);
  REQUIRE(in.good());
  nlohmann::json trace = nlohmann::json::parse(in);
  CHECK(faults_of_timeline(trace) == std::vector<std::string>{});
  return trace;
}

}  // namespace gamlp::test
