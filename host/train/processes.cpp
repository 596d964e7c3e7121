#include "host/train/processes.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "host/core/clock.hpp"
#include "host/core/error.hpp"
#include "host/core/files.hpp"
#include "host/math/hash.hpp"
#include "host/methods/load_config.hpp"

namespace gamlp {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
std::span<std::byte> bytes_of(T& value) {
  return std::as_writable_bytes(std::span(&value, 1));
}
template <class T>
std::span<std::byte> bytes_of(std::vector<T>& values) {
  return std::as_writable_bytes(std::span(values));
}

// Calls body(memory) for what layers first … last hold.
template <class Body>
void for_each_layer_memory(Network& network, const LayerRange& range, Body body) {
  for (int l = range.first; l <= range.last; ++l) {
    LayerWeights& layer = network.at(static_cast<std::size_t>(l) - 1);
    body(std::as_writable_bytes(std::span(layer.w.data(), static_cast<std::size_t>(layer.w.size()))));
    body(bytes_of(layer.b));
  }
}

// Sends rows of tensors. Of one that the state does not have, nothing: who asked for it will miss it.
void send_rows(ProcessGroup& group, int to, const TrainingState& state, const std::vector<StateRows>& wanted) {
  Json header = Json::array();
  std::vector<std::span<const std::byte>> all;
  for (const auto& [name, first, count] : wanted) {
    const auto found = state.find(name);
    if (found == state.end()) continue;
    const HostTensor& tensor = found->second;
    // What does not fit is sent whole, for the error that names the sizes.
    const bool fits = first >= tensor.first && first + count <= tensor.first + tensor.held();
    all.push_back(fits ? std::span(tensor.row(first), static_cast<std::size_t>(count * tensor.row_bytes()))
                       : std::span(tensor.data));
    header.push_back(
        {name, tensor.rows, tensor.cols, tensor.item_bytes, fits ? first : tensor.first, all.back().size()});
  }
  send_text(group, to, header.dump());
  for (const auto& rows : all) group.send(to, rows);
}

// Adds rows to tensors. `whole`: memory for all rows of each.
void receive_rows(ProcessGroup& group, int from, TrainingState& state, bool whole) {
  for (const Json& entry : Json::parse(receive_text(group, from))) {
    HostTensor& tensor = state[entry.at(0).get<std::string>()];
    tensor.rows = entry.at(1), tensor.cols = entry.at(2), tensor.item_bytes = entry.at(3);
    const std::int64_t first = entry.at(4);
    const auto bytes = entry.at(5).get<std::size_t>();
    if (whole) {
      expects(tensor.first == 0, "rank 0 has the first rows");
      tensor.data.resize(static_cast<std::size_t>(tensor.rows * tensor.row_bytes()));
    } else {
      tensor.first = first;
      tensor.data.resize(bytes);
    }
    group.receive(from, {tensor.row(first), bytes});
  }
}

// What `read` says of each device of the run, on rank 0; elsewhere of the process's own.
template <class Read>
auto gather(ProcessGroup& group, const Fleet& fleet, Read read) {
  std::vector<decltype(read(std::declval<const Device&>()))> all;
  for (int rank = 0; rank < fleet.size(); ++rank) {
    if (fleet.local(rank)) {
      all.push_back(read(*fleet.context(rank).device));
      if (group.rank() != 0) group.send(0, bytes_of(all.back()));
    } else if (group.rank() == 0) {
      group.receive(rank, bytes_of(all.emplace_back()));
    }
  }
  return all;
}

// A span's texts live as long as the program.
const char* kept(const std::string& text) {
  static std::set<std::string> all;
  return all.insert(text).first->c_str();
}

// JSON has null for NaN.
std::vector<double> numbers_of(const Json& array) {
  std::vector<double> numbers;
  for (const Json& value : array) numbers.push_back(value.is_null() ? std::nan("") : value.get<double>());
  return numbers;
}

// "method.rho: 0.01 here, 0.001 on rank 0" for each value that differs.
void list_differences(const Json& here, const Json& there, const std::string& path, std::string& out) {
  if (here == there) return;
  if (here.is_object() && there.is_object()) {
    for (const auto& [key, value] : here.items()) {
      const std::string inner = path.empty() ? key : path + "." + key;
      list_differences(value, there.contains(key) ? there.at(key) : Json(), inner, out);
    }
    for (const auto& [key, value] : there.items()) {
      if (!here.contains(key)) list_differences(Json(), value, path.empty() ? key : path + "." + key, out);
    }
    return;
  }
  out += (out.empty() ? "" : "; ") + path + " is " + here.dump() + ", and " + there.dump() + " on rank 0";
}

}  // namespace

void share_epoch(ProcessGroup& group, const Placement& placement, std::vector<double>& scalars, EpochShare& share) {
  const auto of = [&](int rank) {
    const LayerRange& range = placement.layers_of(rank);
    const int layers = placement.ranges.back().last, before = placement.replica_of(rank) * layers + range.first - 1;
    const std::size_t each = scalars.size() / static_cast<std::size_t>(placement.replicas * layers);
    return std::as_writable_bytes(std::span(scalars).subspan(static_cast<std::size_t>(before) * each,
                                                             static_cast<std::size_t>(range.count()) * each));
  };
  const auto speaks = [&](int rank) { return rank < placement.devices() && placement.speaks(rank); };
  std::array<std::uint64_t, 3> head = {share.bytes_sent, share.stop ? 1u : 0u, share.ended ? 1u : 0u};
  if (group.rank() != 0) {
    group.send(0, bytes_of(head));
    if (speaks(group.rank())) group.send(0, of(group.rank()));
    if (!share.hashes.empty()) group.send(0, bytes_of(share.hashes));
  } else {
    for (int from = 1; from < group.size(); ++from) {
      std::array<std::uint64_t, 3> theirs{};
      group.receive(from, bytes_of(theirs));
      head[0] += theirs[0], head[1] |= theirs[1];
      if (speaks(from)) group.receive(from, of(from));
      std::vector<std::uint64_t> hashes(share.hashes.size());
      if (!hashes.empty()) group.receive(from, bytes_of(hashes));
      for (std::size_t i = 0; i < hashes.size(); ++i) share.hashes[i] |= hashes[i];
    }
  }
  broadcast(group, bytes_of(head));
  broadcast(group, bytes_of(scalars));
  if (!share.hashes.empty()) broadcast(group, bytes_of(share.hashes));
  share.bytes_sent = head[0], share.stop = head[1] != 0, share.ended = head[2] != 0;
}

std::uint64_t hash_of_replicas(const Placement& placement, const std::vector<std::uint64_t>& hashes,
                               std::int64_t epoch) {
  std::uint64_t all = 0;
  for (int rank = 0; rank < static_cast<int>(hashes.size()); ++rank) {
    const int speaker = placement.rank(placement.range_of(rank), 0, placement.replica_of(rank));
    const std::uint64_t own = hashes[static_cast<std::size_t>(rank)];
    if (rank == speaker) all = added_hash(all, own);
    if (own == hashes[static_cast<std::size_t>(speaker)]) continue;
    const LayerRange& layers = placement.layers_of(rank);
    throw DeviceError("after epoch " + std::to_string(epoch) + " devices " + std::to_string(speaker) + " and " +
                      std::to_string(rank) + " hold different weights of layers " + std::to_string(layers.first) +
                      " to " + std::to_string(layers.last) +
                      ", which must have the same bits: a device or its memory is faulty, or they compute differently");
  }
  return all;
}

Matrix scatter_rows(ProcessGroup& group, const Matrix& whole, const Parts& rows, const std::vector<int>& ranks) {
  const auto part_of = [&](int rank) {
    const auto at = std::find(ranks.begin(), ranks.end(), rank);
    return at == ranks.end() ? rows.count() : static_cast<int>(at - ranks.begin()) % rows.count();
  };
  if (group.rank() == 0) {
    for (const int to : ranks) {
      if (to == 0 || to >= group.size()) continue;
      const int part = part_of(to);
      std::uint64_t wants = 0, cols = static_cast<std::uint64_t>(whole.cols());
      group.receive(to, bytes_of(wants));
      if (wants == 0) continue;
      group.send(to, bytes_of(cols));
      group.send(to, std::as_bytes(std::span(whole.row(rows.first(part)),
                                             static_cast<std::size_t>(rows.size(part) * whole.cols()))));
    }
    return {};
  }
  const int own_part = part_of(group.rank());
  if (own_part == rows.count()) return {};
  std::uint64_t wants = whole.rows() < rows.total(), cols = 0;
  group.send(0, bytes_of(wants));
  if (wants == 0) return {};
  group.receive(0, bytes_of(cols));
  Matrix own(rows.size(own_part), static_cast<std::int64_t>(cols));
  group.receive(0, std::as_writable_bytes(std::span(own.data(), static_cast<std::size_t>(own.size()))));
  return own;
}

void gather_weights(ProcessGroup& group, const Placement& placement, std::vector<Network>& networks) {
  const auto network = [&](int rank) -> Network& {
    return networks[static_cast<std::size_t>(placement.replica_of(rank))];
  };
  const int active = std::min(placement.devices(), group.size());
  if (group.rank() != 0) {
    if (group.rank() >= active || !placement.speaks(group.rank())) return;
    for_each_layer_memory(network(group.rank()), placement.layers_of(group.rank()),
                          [&](std::span<std::byte> memory) { group.send(0, memory); });
    return;
  }
  for (int from = 1; from < active; ++from) {
    if (!placement.speaks(from)) continue;
    for_each_layer_memory(network(from), placement.layers_of(from),
                          [&](std::span<std::byte> memory) { group.receive(from, memory); });
  }
}

void broadcast_weights(ProcessGroup& group, Network& network) {
  for_each_layer_memory(network, {1, static_cast<int>(network.size())},
                        [&](std::span<std::byte> memory) { broadcast(group, memory); });
}

void gather_state(ProcessGroup& group, TrainingState& state) {
  if (group.rank() == 0) {
    for (int from = 1; from < group.size(); ++from) receive_rows(group, from, state, true);
    return;
  }
  std::vector<StateRows> all;
  for (const auto& [name, tensor] : state) all.push_back({name, tensor.first, tensor.held()});
  send_rows(group, 0, state, all);
}

TrainingState scatter_state(ProcessGroup& group, const TrainingState& whole, const std::vector<StateRows>& rows) {
  TrainingState own;
  if (group.rank() == 0) {
    for (int to = 1; to < group.size(); ++to) {
      std::vector<StateRows> wanted;
      for (const Json& entry : Json::parse(receive_text(group, to))) {
        wanted.push_back({entry.at(0).get<std::string>(), entry.at(1), entry.at(2)});
      }
      send_rows(group, to, whole, wanted);
    }
  } else {
    Json wanted = Json::array();
    for (const auto& [name, first, count] : rows) wanted.push_back({name, first, count});
    send_text(group, 0, wanted.dump());
    receive_rows(group, 0, own, false);
  }
  return own;
}

std::uint64_t gather_bytes_sent(ProcessGroup& group, const Fleet& fleet) {
  std::vector<double> none;
  EpochShare share;
  share.bytes_sent = fleet.traffic().bytes_sent;
  share_epoch(group, {}, none, share);
  return share.bytes_sent;
}

std::vector<DeviceTimes> gather_times(ProcessGroup& group, const Fleet& fleet) {
  return gather(group, fleet, [](const Device& device) { return device.times(); });
}

std::vector<MemoryUse> gather_memory(ProcessGroup& group, const Fleet& fleet) {
  return gather(group, fleet, [](const Device& device) { return device.memory(); });
}

void broadcast_config(ProcessGroup& group, Config& config) {
  if (group.size() == 1) return;
  const std::string text = broadcast_text(group, group.rank() == 0 ? to_json(config).dump() : "");
  if (group.rank() != 0) config = parse_config_text(text, "the config of rank 0");
}

Preparation broadcast_start(ProcessGroup& group, TrainingStart& start) {
  Preparation trained = start.trained();
  if (group.size() == 1) return trained;
  Problem& problem = start.problem;
  Json json;
  if (group.rank() == 0) {
    json["method"] = start.config.method.options.json();
    for (const StageConfig& stage : start.config.stages) {
      json["stage_methods"].push_back(stage.method ? Json(stage.method->options.json()) : Json());
    }
    json["partition"] = {start.config.partition.shards.value_or(0),
                         static_cast<int>(start.config.partition.order.value_or(RankOrder::shards)),
                         start.config.partition.replicas.value_or(0)};
    json["standardize"] = static_cast<int>(problem.standardized);
    json["inputs"] = problem.inputs;
    json["classes"] = problem.classes;
    for (const InputKind kind : problem.stage_kinds) json["kinds"].push_back(static_cast<int>(kind));
    json["nodes"] = problem.train_labels().size();
    json["trained"] = {trained.class_ids, trained.shift, trained.factor};
    if (start.from) {
      const Checkpoint& c = *start.from;
      json["from"] = {c.stage,
                      c.stage_epoch,
                      c.stage_complete,
                      c.epoch,
                      c.recent.objectives,
                      c.recent.residuals,
                      c.recent.dual_residuals,
                      c.recent.largest_residual};
    }
  }
  json = Json::parse(broadcast_text(group, json.dump()));
  if (group.rank() != 0) {
    start.config.method.options.json() = json.at("method");
    const Json& grid = json.at("partition");
    if (grid.at(0) != 0) start.config.partition.shards = grid.at(0).get<std::int64_t>();
    start.config.partition.order = static_cast<RankOrder>(grid.at(1).get<int>());
    if (grid.at(2) != 0) start.config.partition.replicas = grid.at(2).get<std::int64_t>();
    for (std::size_t i = 0; i < start.config.stages.size(); ++i) {
      auto& own = start.config.stages[i].method;
      if (own) own->options.json() = json.at("stage_methods").at(i);
    }
    start.config.dataset.standardize = problem.standardized =
        static_cast<Standardize>(json.at("standardize").get<int>());
    problem.inputs = json.at("inputs");
    problem.classes = json.at("classes");
    for (const Json& kind : json.at("kinds")) {
      problem.stage_kinds.push_back(static_cast<InputKind>(kind.get<int>()));
      problem.layer_inputs.emplace_back().train.kind = problem.stage_kinds.back();
    }
    problem.parts[0].labels.resize(json.at("nodes").get<std::size_t>());
    const Json& took = json.at("trained");
    trained = {took.at(0).get<std::vector<std::int32_t>>(), numbers_of(took.at(1)), numbers_of(took.at(2))};
    if (json.contains("from")) {
      const Json& from = json.at("from");
      Checkpoint c;
      c.stage = from.at(0), c.stage_epoch = from.at(1), c.stage_complete = from.at(2), c.epoch = from.at(3);
      c.recent.objectives = from.at(4).get<std::vector<double>>();
      c.recent.residuals = numbers_of(from.at(5));
      c.recent.dual_residuals = numbers_of(from.at(6));
      c.recent.largest_residual = from.at(7);
      start.from = std::move(c);
    }
  }
  broadcast(group, bytes_of(problem.parts[0].labels));
  return trained;
}

void gather_trace(ProcessGroup& group, TraceLog& trace) {
  constexpr int kAsks = 8;
  double time = 0;
  if (group.rank() == 0) {
    for (int from = 1; from < group.size(); ++from) {
      for (int ask = 0; ask < kAsks; ++ask) {
        group.receive(from, bytes_of(time));
        time = seconds_now();
        group.send(from, bytes_of(time));
      }
      for (const Json& s : Json::parse(receive_text(group, from))) {
        const auto text = [&](std::size_t i) { return kept(s.at(i).get<std::string>()); };
        trace.sink(from).span({text(0),
                               text(1),
                               text(2),
                               {text(3), s.at(4), s.at(5)},
                               static_cast<Lane>(s.at(6).get<int>()),
                               s.at(7),
                               s.at(8),
                               s.at(9)});
      }
    }
    return;
  }
  // Clocks of two hosts differ: the answer that came soonest says by how much.
  double soonest = HUGE_VAL, ahead = 0;
  for (int ask = 0; ask < kAsks; ++ask) {
    const double begin = seconds_now();
    group.send(0, bytes_of(time));
    group.receive(0, bytes_of(time));
    const double end = seconds_now();
    if (end - begin >= soonest) continue;
    soonest = end - begin;
    ahead = time - 0.5 * (begin + end);
  }
  Json spans = Json::array();
  for (const Span& s : trace.spans_of(group.rank())) {
    spans.push_back({s.name, s.category, s.detail, s.label.step, s.label.layer, s.label.epoch, static_cast<int>(s.lane),
                     s.start + ahead, s.end + ahead, s.bytes});
  }
  send_text(group, 0, spans.dump());
}

void expect_same_problem(ProcessGroup& group, const Problem& problem) {
  std::uint32_t crc = 0;
  for (std::size_t i = 0; i < problem.parts.size(); ++i) {
    crc = crc32_of(std::as_bytes(std::span(problem.parts[i].nodes)), crc);
    crc = crc32_of(std::as_bytes(std::span(problem.parts[i].labels)), crc);
    for (const LayerInputs& all : problem.layer_inputs) {
      const ConstMat inputs = all.part(i);
      crc =
          crc32_of({reinterpret_cast<const std::byte*>(inputs.data), static_cast<std::size_t>(inputs.size()) * 4}, crc);
    }
  }
  const std::vector<std::string> all = all_gather(group, std::to_string(crc));
  for (std::size_t rank = 1; rank < all.size(); ++rank) {
    if (all[rank] == all.front()) continue;
    throw AgreedError(ExitCode::data, group.describe(static_cast<int>(rank)) +
                                          ": the nodes, labels or inputs read there differ from those of rank 0; is it "
                                          "the same dataset, on the same kind of machine?");
  }
}

void expect_same_program(ProcessGroup& group, const Config& config, const std::string& build) {
  if (group.size() == 1) return;
  const std::string text = Json{{"config", to_json(config)}, {"build", build}}.dump();
  const Json first = Json::parse(broadcast_text(group, text));
  agree(group, [&] {
    const Json own = Json::parse(text);
    std::string differences;
    list_differences(own.at("config"), first.at("config"), "", differences);
    if (!differences.empty()) throw ConfigError("the config differs from that of rank 0: " + differences);
    if (own.at("build") == first.at("build")) return;
    throw ConfigError("this gamlp is another build than that of rank 0; here:\n" + own.at("build").get<std::string>() +
                      "\non rank 0:\n" + first.at("build").get<std::string>());
  });
}

}  // namespace gamlp
