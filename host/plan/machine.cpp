#include "host/plan/machine.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "host/core/error.hpp"
#include "host/core/files.hpp"
#include "host/core/number_text.hpp"

namespace gamlp {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

// No figure of a machine is above it, nor below its inverse: times and shares made of them can be computed and printed.
constexpr double kLargest = 1e18;

// Reads keys of a machine file; complains with file and key.
class Reader {
 public:
  Reader(const Json& json, std::string origin, std::string path = "")
      : json_(json), origin_(std::move(origin)), path_(std::move(path)) {
    if (!json.is_object()) fail("", "expected an object");
  }

  double positive(const char* key) const {
    const Json& value = at(key);
    if (!value.is_number() || !(value.get<double>() >= 1 / kLargest) || !(value.get<double>() <= kLargest)) {
      fail(key, "expected a number above 0, from 1e-18 to 1e18, found " + value.dump());
    }
    return value.get<double>();
  }
  double not_negative(const char* key) const {
    const Json& value = at(key);
    if (!value.is_number() || !(value.get<double>() >= 0.0) || !(value.get<double>() <= kLargest)) {
      fail(key, "expected a number of at least 0 and at most 1e18, found " + value.dump());
    }
    return value.get<double>();
  }
  int count(const char* key) const {
    const Json& value = at(key);
    if (!value.is_number_integer() || value.get<std::int64_t>() < 1 || value.get<std::int64_t>() > 100000) {
      fail(key, "expected a whole number from 1 to 100000, found " + value.dump());
    }
    return static_cast<int>(value.get<std::int64_t>());
  }
  std::string text(const char* key) const {
    const Json& value = at(key);
    if (!value.is_string()) fail(key, "expected a string, found " + value.dump());
    return value.get<std::string>();
  }
  Link link(const char* key) const {
    const Reader inner(at(key), origin_, path_ + key + ".");
    return {inner.positive("bandwidth"), inner.not_negative("latency")};
  }
  bool has(const char* key) const { return json_.contains(key); }
  const Json& at(const char* key) const {
    const auto found = json_.find(key);
    if (found == json_.end()) fail(key, "missing");
    return *found;
  }
  [[noreturn]] void fail(const std::string& key, const std::string& what) const {
    throw DataError(origin_ + ": " + path_ + key + (path_.empty() && key.empty() ? "" : ": ") + what);
  }

 private:
  const Json& json_;
  std::string origin_, path_;
};

MeasuredOp read_point(const Reader& reader, const std::string& family, const Json& row) {
  const bool numbers =
      row.is_array() && row.size() >= 2 && row.size() <= 4 && std::all_of(row.begin(), row.end(), [](const Json& x) {
        return x.is_number() && x.get<double>() >= 1e-15 && x.get<double>() <= 1e15;
      });
  if (!numbers)
    reader.fail("seconds", family + ": expected [sizes…, seconds], all above 0 and at most 1e15, found " + row.dump());
  MeasuredOp point;
  point.dims = {1, 1, 1};
  for (std::size_t i = 0; i + 1 < row.size(); ++i) point.dims[i] = row[i].get<double>();
  point.seconds = row.back().get<double>();
  return point;
}

void read_measured(const Reader& reader, Machine& m) {
  m.memory_total = reader.positive("memory_total");
  m.threads_per_device = reader.count("threads_per_device");
  m.library = reader.text("library");
  m.copy_bandwidth = reader.positive("copy_bandwidth");
  const Json& sets = reader.at("seconds");
  if (!sets.is_object() || sets.empty()) reader.fail("seconds", "expected an object of measured ops by busy workers");
  for (const auto& [busy, families] : sets.items()) {
    const bool number = !busy.empty() && busy.size() < 5 && busy.find_first_not_of("0123456789") == std::string::npos;
    if (!number || !families.is_object()) reader.fail("seconds." + busy, "expected a number of workers and its ops");
    MeasuredOps& ops = m.seconds[std::stoi(busy)];
    for (const auto& [family, rows] : families.items()) {
      if (!rows.is_array() || rows.empty()) reader.fail("seconds." + busy + "." + family, "expected a list of rows");
      for (const Json& row : rows) ops[family].push_back(read_point(reader, family, row));
    }
  }
}

void read_rates(const Reader& reader, Machine& m) {
  m.memory_per_device = reader.positive("memory_per_device");
  m.gemm_tflops = reader.positive("gemm_tflops");
  m.gemm_saturation = reader.not_negative("gemm_saturation");
  m.multiprocessors = reader.positive("multiprocessors");
  m.factor_column_seconds = reader.not_negative("factor_column_seconds");
  m.factor_share = reader.positive("factor_share");
  m.memory_bandwidth = reader.positive("memory_bandwidth");
  m.op_seconds = reader.not_negative("op_seconds");
  m.link = reader.link("link");
  if (reader.has("island")) {
    m.island = reader.count("island");
    m.link_between_islands = reader.link("link_between_islands");
  }
}

}  // namespace

Machine parse_machine(const std::string& text, const std::string& origin) {
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Json::exception& error) {
    throw DataError(origin + ": not JSON: " + error.what());
  }
  const Reader reader(json, origin);
  Machine m;
  m.origin = origin;
  m.name = reader.text("name");
  const std::string kind = reader.text("kind");
  if (kind != "cpu" && kind != "gpu") reader.fail("kind", "expected \"cpu\" or \"gpu\", found \"" + kind + "\"");
  m.gpu = kind == "gpu";
  m.devices = reader.count("devices");
  if (reader.has("host_bandwidth")) m.host_bandwidth = reader.positive("host_bandwidth");
  if (reader.has("hosts")) {
    m.hosts = reader.count("hosts");
    m.network = reader.link("network");
    if (m.devices % m.hosts != 0) reader.fail("hosts", "expected a number that divides the devices");
  }
  m.gpu ? read_rates(reader, m) : read_measured(reader, m);
  return m;
}

Link network_link(double mbits) {
  constexpr double kBytesPerMbit = 1e6 / 8, kLatency = 50e-6;  // a message over TCP; InfiniBand takes a tenth
  return {mbits * kBytesPerMbit, kLatency};
}

Machine on_hosts(Machine machine, int hosts, double network) {
  if (machine.hosts > 1) {
    throw ConfigError("--hosts " + std::to_string(hosts) + ": " + machine.origin + " is of " +
                      std::to_string(machine.hosts) + " hosts already (`hosts`, `network`)");
  }
  const std::string speed =
      network < 1000 ? short_number(network) + " Mbit/s" : short_number(network / 1000) + " Gbit/s";
  machine.name = std::to_string(hosts) + " hosts over " + speed + ", each: " + machine.name;
  machine.hosts = hosts;
  machine.devices *= hosts;
  machine.network = network_link(network);
  return machine;
}

std::vector<int> spread_over_hosts(const Machine& machine, int devices) {
  std::vector<int> hosts;
  for (int rank = 0; rank < devices; ++rank) hosts.push_back(rank * std::min(machine.hosts, devices) / devices);
  return hosts;
}

Machine load_machine(const std::string& where, const fs::path& config) {
  constexpr std::uintmax_t kLimit = 64u << 20;
  if (where.find('/') != std::string::npos || where.ends_with(".json")) {
    return parse_machine(read_file(where, kLimit), where);
  }
  const fs::path folders[] = {config.parent_path() / "machines", config.parent_path().parent_path() / "machines",
                              "configs/machines"};
  for (const fs::path& folder : folders) {
    const fs::path file = folder / (where + ".json");
    std::error_code error;
    if (fs::exists(file, error)) return parse_machine(read_file(file, kLimit), file.string());
  }
  const auto& built_in = built_in_machines();
  if (const auto found = built_in.find(where); found != built_in.end()) {
    return parse_machine(std::string(found->second), "machine " + where + " (built in)");
  }
  std::set<std::string> names;
  for (const auto& [name, text] : built_in) names.insert(name);
  for (const fs::path& folder : folders) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      if (entry.path().extension() == ".json") names.insert(entry.path().stem().string());
    }
  }
  std::string known;
  for (const std::string& name : names) known += (known.empty() ? "" : ", ") + name;
  throw DataError("--machine " + where + ": no such machine; there are " + known +
                  "; or give the path of a file (gamlp bench --machine FILE measures this one)");
}

std::string machine_text(const Machine& m, const Json& about) {
  Json json = {{"name", m.name}, {"kind", "cpu"}, {"devices", m.devices}};
  json.update(about);
  json["memory_total"] = m.memory_total;
  json["threads_per_device"] = m.threads_per_device;
  json["library"] = m.library;
  json["copy_bandwidth"] = m.copy_bandwidth;
  if (m.host_bandwidth > 0) json["host_bandwidth"] = m.host_bandwidth;
  // One row of figures per line keeps the file readable and its changes reviewable.
  std::string text = json.dump(2);
  text.resize(text.rfind('\n'));
  text += ",\n  \"seconds\": {";
  const auto number = [](double value) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%.4g", value);
    return std::string(buffer);
  };
  const char* between_sets = "\n";
  for (const auto& [busy, ops] : m.seconds) {
    text += between_sets + std::string("    \"") + std::to_string(busy) + "\": {";
    between_sets = ",\n";
    const char* between = "\n";
    for (const auto& [family, points] : ops) {
      text += between + std::string("      ") + Json(family).dump() + ": [";
      between = ",\n";
      for (std::size_t i = 0; i < points.size(); ++i) {
        std::size_t used = 3;
        while (used > 1 && points[i].dims[used - 1] == 1) --used;
        text += i == 0 ? "[" : ", [";
        for (std::size_t k = 0; k < used; ++k) text += number(points[i].dims[k]) + ", ";
        text += number(points[i].seconds) + "]";
      }
      text += "]";
    }
    text += "\n    }";
  }
  return text + "\n  }\n}\n";
}

}  // namespace gamlp
