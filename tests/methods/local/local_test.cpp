// Replicas that train by steps of their own: every exchange against its definition in double precision, what limits
// they share with plain training, bytes, checkpoints, and planted faults.
#include <algorithm>
#include <cmath>

#include "host/math/permutation.hpp"
#include "host/methods/diloco/diloco_config.hpp"
#include "host/methods/easgd/easgd_config.hpp"
#include "host/methods/lsgd/lsgd_program.hpp"
#include "host/methods/slowmo/slowmo_config.hpp"
#include "tests/methods/gradient_reference.hpp"
#include "tests/methods/simulated.hpp"

using namespace gamlp;
using namespace gamlp::test;
using sim::FaultKind;

namespace {

constexpr double kRate = 0.05;

template <class Options>
Options options_with(std::int64_t tau, Optimizer optimizer = Optimizer::nesterov) {
  Options c;
  c.optimizer.learning_rate = kRate, c.optimizer.eps = 1e-8;
  c.microbatches = 2, c.batch = 8;
  c.local.optimizer = optimizer, c.local.tau = tau;
  return c;
}

template <class Options>
Setup setup_of(const std::string& name, const Options& c, int replicas) {
  Setup s = gamlp::test::setup_of(name, c);
  s.widths = {30, 20, 19, 7, 5, 3};
  s.nodes = 43;
  s.replicas = replicas;
  s.weight_scale = 0.3;
  return s;
}

// All methods, with an exchange every 4 steps. 43 nodes of steps of 8 are 6 steps an epoch.
std::vector<std::pair<std::string, Setup>> all_setups(int replicas, int groups = 1) {
  std::vector<std::pair<std::string, Setup>> all;
  all.emplace_back("local_sgd", setup_of("local_sgd", options_with<LocalMethodConfig>(4), replicas));
  all.emplace_back("easgd", setup_of("easgd", options_with<EasgdConfig>(4), replicas));
  all.emplace_back("slowmo", setup_of("slowmo", options_with<SlowMoConfig>(4), replicas));
  DiLoCoConfig diloco = options_with<DiLoCoConfig>(4, Optimizer::adam);
  all.emplace_back("diloco", setup_of("diloco", diloco, replicas));
  diloco.diloco.bits = 4, diloco.diloco.block = 128;
  all.emplace_back("diloco, 4 bits", setup_of("diloco", diloco, replicas));
  LsgdConfig lsgd = options_with<LsgdConfig>(4);
  lsgd.lsgd.window = 3;
  all.emplace_back("lsgd", setup_of("lsgd", lsgd, replicas));
  LsgdConfig of_all = lsgd;
  of_all.lsgd.leader = LeaderBy::training_set;
  all.emplace_back("lsgd, by the training set", setup_of("lsgd", of_all, replicas));
  if (groups > 1) {
    lsgd.local.tau = 2, lsgd.lsgd.tau_global = 6, lsgd.lsgd.groups = groups;
    all.emplace_back("lsgd, groups", setup_of("lsgd", lsgd, replicas));
  }
  return all;
}

using Row = std::vector<double>;

// A replica in double precision.
struct Replica {
  reference::Mlp mlp;
  reference::Optimizer optimizer;
  std::vector<double> losses, nodes;  // by step

  Row weights() const { return numbers(mlp); }
  void set(const Row& row) {
    reference::each_number(mlp, [&](std::size_t i, double& w) { w = row[i]; });
  }
};

class Replicas {
 public:
  Replicas(const Setup& s, const Start& start, const LocalMethodConfig& c) : data_(start), setup_(s), config_(c) {
    reference::OptimizerSettings settings;
    settings.name = name_of(*c.local.optimizer), settings.rate = *c.optimizer.learning_rate;
    for (int r = 0; r < s.replicas; ++r) {
      replicas_.push_back({mlp_of(start.network), reference::Optimizer(settings), {}, {}});
    }
    spec_.nodes = s.nodes, spec_.blocks = static_cast<int>(*c.microbatches), spec_.seed = s.seed;
    spec_.placement.replicas = s.replicas;
  }
  Replica& operator[](int r) { return replicas_[static_cast<std::size_t>(r)]; }
  int size() const { return static_cast<int>(replicas_.size()); }
  int steps() const { return MiniBatches(spec_, 0, config_.batch, config_.local.data).steps(); }

  // One step of the optimiser of each. `step` of the stage.
  void step(std::int64_t step) {
    for (int r = 0; r < size(); ++r) {
      const MiniBatches batches(spec_, r, config_.batch, config_.local.data);
      const Parts blocks = spec_.block_nodes();
      std::vector<std::int64_t> nodes;
      for (int block = 0; block < blocks.count(); ++block) {
        const Rows from = batches.rows(block), taken = batches.of_step(block, static_cast<int>(step % batches.steps()));
        const auto epoch = static_cast<std::uint32_t>(step / batches.steps());
        const Permutation order(key_at(batches.key(block), epoch), static_cast<std::uint32_t>(from.count));
        for (std::int64_t i = taken.first; i < taken.first + taken.count; ++i) {
          nodes.push_back(blocks.first(block) + from.first + order(static_cast<std::uint32_t>(i)));
        }
      }
      reference::Dense x(static_cast<std::int64_t>(nodes.size()), data_.x.cols);
      std::vector<int> labels;
      for (std::size_t i = 0; i < nodes.size(); ++i) {
        std::copy_n(data_.x.values.begin() + nodes[i] * data_.x.cols, data_.x.cols,
                    x.values.begin() + static_cast<std::int64_t>(i) * data_.x.cols);
        labels.push_back(data_.labels[static_cast<std::size_t>(nodes[i])]);
      }
      Replica& replica = (*this)[r];
      const auto count = static_cast<double>(nodes.size());
      replica.losses.push_back(reference::mean_loss(replica.mlp, x, labels, {}) * count);
      replica.nodes.push_back(count);
      replica.optimizer.step(replica.mlp, reference::gradient(replica.mlp, x, labels, {}));
    }
  }
  Row mean() {
    Row sum((*this)[0].weights().size(), 0.0);
    for (int r = 0; r < size(); ++r) {
      const Row own = (*this)[r].weights();
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += own[i] / size();
    }
    return sum;
  }
  // The first of the lowest mean losses, of replicas first … first + count − 1: those in the last `window` steps, or,
  // for 0, of all nodes.
  int leader(int first, int count, int window) {
    int best = first;
    double least = HUGE_VAL;
    for (int r = first; r < first + count; ++r) {
      const Replica& one = (*this)[r];
      double loss = 0.0, nodes = 0.0;
      const std::size_t begin =
          one.losses.size() - std::min<std::size_t>(one.losses.size(), static_cast<std::size_t>(window));
      for (std::size_t i = begin; i < one.losses.size(); ++i) loss += one.losses[i], nodes += one.nodes[i];
      if (window == 0) loss = reference::mean_loss(one.mlp, data_.x, data_.labels, {}), nodes = 1.0;
      if (loss / nodes < least) best = r, least = loss / nodes;
    }
    return best;
  }

 private:
  std::vector<Replica> replicas_;
  Data data_;
  Setup setup_;
  LocalMethodConfig config_;
  StageSpec spec_;
};

Row lerp(const Row& a, const Row& to, double share) {
  Row out(a);
  for (std::size_t i = 0; i < a.size(); ++i) out[i] += share * (to[i] - a[i]);
  return out;
}

// Trains for three epochs, and compares every replica after each of them with the reference, whose exchanges are those
// of `exchange`, given the steps done so far. float32 loses what 18 steps make of rounding.
void check_against(Setup s, const LocalMethodConfig& c,
                   const std::function<void(Replicas&, std::int64_t)>& after_step) {
  const Start start = start_of(s);
  Replicas expected(s, start, c);
  Training training(s, start, s.replicas);
  training.forward();
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    training.iterate(epoch, 1);
    for (int step = 0; step < expected.steps(); ++step) {
      const std::int64_t done = epoch * expected.steps() + step;
      expected.step(done);
      after_step(expected, done + 1);
    }
    double risk = 0.0;
    for (int r = 0; r < s.replicas; ++r) {
      INFO(s.method << ", epoch " << epoch << ", replica " << r << " of " << s.replicas);
      CHECK(largest_difference(expected[r].weights(), numbers(mlp_of(training.network(r)))) < 2e-5);
      double own = 0.0, nodes = 0.0;
      for (int step = 0; step < expected.steps(); ++step) {
        const std::size_t at = expected[r].losses.size() - 1 - static_cast<std::size_t>(step);
        own += expected[r].losses[at], nodes += expected[r].nodes[at];
      }
      risk += c.local.data == ReplicaData::replicated ? own / s.replicas : own;
      if (s.replicas > 1) {
        CHECK(training.figures().replica_risks.at(static_cast<std::size_t>(r)) ==
              Approx(own / nodes * static_cast<double>(s.nodes)).epsilon(1e-4));
      }
    }
    CHECK(training.figures().risk == Approx(risk).epsilon(1e-4));
  }
}

}  // namespace

TEST_CASE("local SGD: every τ steps all take the mean") {
  for (const ReplicaData data : {ReplicaData::replicated, ReplicaData::reshuffled, ReplicaData::fixed}) {
    for (const int replicas : {1, 2, 3}) {
      LocalMethodConfig c = options_with<LocalMethodConfig>(4);
      c.local.data = data, c.batch = 5;
      check_against(setup_of("local_sgd", c, replicas), c, [](Replicas& all, std::int64_t done) {
        if (done % 4 != 0) return;
        const Row mean = all.mean();
        for (int r = 0; r < all.size(); ++r) all[r].set(mean);
      });
    }
  }
}

TEST_CASE("EASGD: replicas and the centre pull each other") {
  for (const int replicas : {1, 2, 4}) {
    EasgdConfig c = options_with<EasgdConfig>(4);
    c.easgd.beta = 0.6;
    Row centre;
    const Setup s = setup_of("easgd", c, replicas);
    centre = numbers(mlp_of(start_of(s).network));
    check_against(s, c, [&](Replicas& all, std::int64_t done) {
      if (done % 4 != 0) return;
      const Row mean = all.mean();
      for (int r = 0; r < all.size(); ++r) all[r].set(lerp(all[r].weights(), centre, 0.6 / replicas));
      centre = lerp(centre, mean, 0.6);
    });
  }
}

TEST_CASE("SlowMo and DiLoCo: an outer step along the mean change") {
  for (const bool slowmo : {true, false}) {
    for (const int replicas : {1, 2, 4}) {
      const double alpha = slowmo ? 0.8 : 0.7, beta = slowmo ? 0.5 : 0.9, gamma = slowmo ? kRate : 1.0;
      SlowMoConfig slow = options_with<SlowMoConfig>(4);
      slow.slowmo = {alpha, beta};
      DiLoCoConfig outer = options_with<DiLoCoConfig>(4, Optimizer::adam);
      outer.optimizer.learning_rate = 0.01;
      outer.diloco.learning_rate = alpha, outer.diloco.momentum = beta;
      const Setup s = slowmo ? setup_of("slowmo", slow, replicas) : setup_of("diloco", outer, replicas);
      Row anchor = numbers(mlp_of(start_of(s).network)), u(anchor.size(), 0.0);
      const LocalMethodConfig& c = slowmo ? static_cast<const LocalMethodConfig&>(slow) : outer;
      check_against(s, c, [&](Replicas& all, std::int64_t done) {
        if (done % 4 != 0) return;
        const Row mean = all.mean();
        for (std::size_t i = 0; i < u.size(); ++i) {
          const double g = (anchor[i] - mean[i]) / gamma;
          u[i] = beta * u[i] + g;
          anchor[i] -= alpha * gamma * (slowmo ? u[i] : g + beta * u[i]);
        }
        for (int r = 0; r < all.size(); ++r) all[r].set(anchor);
      });
    }
  }
}

TEST_CASE("LSGD: replicas are pulled toward leaders") {
  for (const auto& [replicas, groups, window] :
       {std::tuple{1, 1, 3}, {2, 1, 3}, {4, 1, 3}, {4, 2, 3}, {6, 3, 3}, {4, 1, 0}, {6, 2, 0}}) {
    LsgdConfig c = options_with<LsgdConfig>(groups > 1 ? 2 : 4);
    c.lsgd = {groups, std::nullopt, 0.3, 0.4, 0.2, 0.5, window > 0 ? LeaderBy::window : LeaderBy::training_set, 3};
    if (groups > 1) c.lsgd.tau_global = 4;
    const Setup s = setup_of("lsgd", c, replicas);
    const Row begin = numbers(mlp_of(start_of(s).network));
    std::vector<Row> leader(static_cast<std::size_t>(groups), begin);
    Row global = begin;
    const int each = replicas / groups;
    std::vector<std::int64_t> leads(static_cast<std::size_t>(replicas), 0);
    check_against(s, c, [&, groups = groups, replicas = replicas, window = window](Replicas& all, std::int64_t done) {
      for (int r = 0; r < replicas; ++r) {
        Row x = lerp(all[r].weights(), global, 0.5 / 4);
        if (groups > 1) x = lerp(x, leader[static_cast<std::size_t>(r / each)], 0.2 / 2);
        all[r].set(x);
      }
      // All leaders are those of the losses before the exchange.
      const int best = all.leader(0, replicas, window);
      for (int g = 0; g < groups && groups > 1 && done % 2 == 0; ++g) {
        leader[static_cast<std::size_t>(g)] = all[all.leader(g * each, each, window)].weights();
        for (int r = g * each; r < (g + 1) * each; ++r) {
          all[r].set(lerp(all[r].weights(), leader[static_cast<std::size_t>(g)], 0.3));
        }
      }
      if (done % 4 != 0) return;
      ++leads[static_cast<std::size_t>(best)];
      global = all[best].weights();
      for (int r = 0; r < replicas; ++r) all[r].set(lerp(all[r].weights(), global, 0.4));
    });
    // What an epoch says of who has led, against the exchanges of the reference.
    Training training(s, start_of(s), replicas);
    training.forward();
    std::vector<std::int64_t> told(leads.size(), 0);
    for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
      training.iterate(epoch, 1);
      const std::vector<std::int64_t> now = training.figures().leads;
      for (std::size_t r = 0; r < now.size(); ++r) told[r] += now[r];
    }
    if (replicas > 1) CHECK(told == leads);
  }
}

TEST_CASE("the leader is the first of the lowest finite losses") {
  const double nan = std::nan("");
  CHECK(LsgdProgram::leader_of({3, 1, 2, 1}, 0, 4) == 1);
  CHECK(LsgdProgram::leader_of({3, 1, 2, 1}, 2, 2) == 3);
  CHECK(LsgdProgram::leader_of({nan, 5, HUGE_VAL, 7}, 0, 4) == 1);
  CHECK(LsgdProgram::leader_of({-HUGE_VAL, 5}, 0, 2) == 1);
  CHECK(LsgdProgram::leader_of({nan, nan, nan}, 1, 2) == 1);
}

TEST_CASE("replicas that are not pulled train as networks alone, bit for bit") {
  for (const int groups : {1, 2}) {
    LsgdConfig c = options_with<LsgdConfig>(2);
    c.lsgd.groups = groups, c.lsgd.tau_global = 4;
    c.lsgd.lambda = c.lsgd.lambda_global = c.lsgd.p1 = c.lsgd.p2 = 0.0;
    const Setup s = setup_of("lsgd", c, 4);
    const Start start = start_of(s);
    Training replicas(s, start, 4);
    replicas.forward();
    replicas.iterate(0, 3);
    for (int r = 0; r < 4; ++r) {
      Setup one = gamlp::test::setup_of("nesterov", kRate, 2);
      one.widths = s.widths, one.nodes = s.nodes;
      one.backprop.batch = 8;
      one.seed = replica_seed(s.seed, r);
      Training alone(one, start, 1);
      alone.forward();
      alone.iterate(0, 3);
      CHECK(numbers(mlp_of(alone.network())) == numbers(mlp_of(replicas.network(r))));
    }
  }
}

// Also those of the mean, but for rounding.
TEST_CASE("replicas that take the same steps stay the same, bit for bit") {
  for (auto& [name, s] : all_setups(4, 2)) {
    if (s.method != "lsgd") continue;
    s.other.json()["batch"] = nullptr;
    for (const char* p : {"p1", "p2"}) s.other.json()["lsgd"][p] = 0.0;
    const Start start = start_of(s);
    Training replicas(s, start, 4);
    replicas.forward();
    replicas.iterate(0, 9);
    Setup one = gamlp::test::setup_of("nesterov", kRate, 2);
    one.widths = s.widths, one.nodes = s.nodes;
    Training alone(one, start, 1);
    alone.forward();
    alone.iterate(0, 9);
    for (int r = 0; r < 4; ++r) CHECK(numbers(mlp_of(alone.network())) == numbers(mlp_of(replicas.network(r))));
  }
}

TEST_CASE("pulled all the way, every replica is the leader") {
  LsgdConfig c = options_with<LsgdConfig>(6);  // an exchange at the end of each epoch
  c.lsgd.lambda_global = 1.0, c.lsgd.p2 = 0.0;
  const Setup s = setup_of("lsgd", c, 4);
  Training training(s, start_of(s), 4);
  training.forward();
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    training.iterate(epoch, 1);
    for (int r = 1; r < 4; ++r) {
      CHECK(numbers(mlp_of(training.network(r))) == numbers(mlp_of(training.network(0))));
    }
  }
}

TEST_CASE("permuting what replicas train on permutes them") {
  // Each has a fixed share, of which a step takes all.
  LsgdConfig c = options_with<LsgdConfig>(1);
  c.microbatches = 1, c.batch = 100, c.local.data = ReplicaData::fixed;
  c.lsgd.window = 2, c.lsgd.lambda_global = 0.5;
  Setup s = setup_of("lsgd", c, 3);
  s.nodes = 36;
  const Start start = start_of(s);
  const std::vector<int> of = {2, 0, 1};  // whose share replica r gets
  Start other = start_of(s);
  for (int r = 0; r < 3; ++r) {
    for (std::int64_t i = 0; i < 12; ++i) {
      const std::int64_t from = 12 * of[static_cast<std::size_t>(r)] + i, to = 12 * r + i;
      std::copy_n(start.x.row(from), start.x.cols(), other.x.row(to));
      other.labels[static_cast<std::size_t>(to)] = start.labels[static_cast<std::size_t>(from)];
    }
  }
  Training a(s, start, 3), b(s, other, 3);
  for (Training* one : {&a, &b}) one->forward(), one->iterate(0, 12);
  double apart = 0.0;
  for (int r = 0; r < 3; ++r) {
    const Row mine = numbers(mlp_of(b.network(r)));
    CHECK(largest_difference(mine, numbers(mlp_of(a.network(of[static_cast<std::size_t>(r)])))) < 2e-5);
    apart = std::max(apart, largest_difference(mine, numbers(mlp_of(a.network(r)))));
  }
  CHECK(apart > 1e-3);
}

TEST_CASE("replicas have the same bits on any run of devices and shards, and after a resume") {
  for (auto& [name, s] : all_setups(4, 2)) {
    s.other.json()["microbatches"] = 6;
    s.nodes = 61;
    const Start start = start_of(s);
    TrainingState one, half;
    for (const auto& [runs, shards] : {std::pair{1, 1}, {2, 1}, {5, 1}, {1, 2}, {2, 3}}) {
      s.shards = shards;
      Training training(s, start, runs * shards * 4);
      training.forward();
      training.iterate(0, 3);
      if (half.empty()) half = training.state();
      training.iterate(3, 2);
      TrainingState state = training.state();
      INFO(name << ", " << runs << " runs, " << shards << " shards");
      if (one.empty()) one = state;
      if (shards > 1) {  // each keeps the losses of its own nodes
        TrainingState without = one;
        without.erase("window5"), state.erase("window5");
        CHECK(first_difference(without, state) == "");
        continue;
      }
      CHECK(first_difference(one, state) == "");
      Training other(s, start, runs * 4);
      other.go_on_from(half, 3, 2);
      CHECK(first_difference(one, other.state()) == "");
    }
  }
}

TEST_CASE("a stage starts anew") {
  for (auto& [name, s] : all_setups(4, 2)) {
    Training training(s, start_of(s), 4);
    training.forward();
    training.iterate(0, 3);
    training.restart(training.state());
    const TrainingState state = training.state();
    for (const auto& [key, tensor] : state) {
      INFO(name << ", " << key);
      const std::string kind = key.substr(0, key.find_last_not_of("0123456789") + 1);
      const bool leaders = kind == "leader" || kind == "group_leader", anchored = kind == "anchor" || kind == "centre";
      if (leaders || anchored) {  // as the weights are: W and b of each replica, or of the first
        const std::string id = key.substr(kind.size());
        const std::vector<float> row = values_of(state, key), w = values_of(state, "W" + id);
        const std::size_t each = row.size() / (leaders ? 4 : 1), of_w = w.size() / 4;
        for (std::size_t r = 0; r < (leaders ? 4u : 1u); ++r) {
          CHECK(std::equal(w.begin() + static_cast<std::ptrdiff_t>(r * of_w),
                           w.begin() + static_cast<std::ptrdiff_t>((r + 1) * of_w),
                           row.begin() + static_cast<std::ptrdiff_t>(r * each)));
        }
      } else if (kind != "W" && kind != "b") {
        CHECK(std::all_of(tensor.data.begin(), tensor.data.end(), [](std::byte b) { return b == std::byte{0}; }));
      }
    }
  }
}

TEST_CASE("what replicas send: LSGD half of what EASGD does") {
  const std::vector<std::int64_t> widths = {30, 20, 19, 7, 5, 3};
  std::int64_t values = 0;  // padded to 16 bytes
  for (std::size_t l = 1; l < widths.size(); ++l) {
    for (const std::int64_t count : {widths[l] * widths[l - 1], widths[l]}) values += (count + 3) / 4 * 4;
  }
  for (const int replicas : {2, 4, 6}) {
    for (auto& [name, s] : all_setups(replicas)) {
      if (name == "diloco, 4 bits") continue;
      s.epochs = 2;  // 12 steps: 3 exchanges
      Training training(s, start_of(s), replicas);
      training.forward();
      training.iterate(0, 2);
      training.settle();
      const auto n = static_cast<std::uint64_t>(replicas), all = static_cast<std::uint64_t>(4 * values);
      const std::uint64_t losses = 8 * n * (n - 1),
                          each = s.method == "lsgd" ? all * (n - 1) + losses : 2 * all * (n - 1);
      INFO(name << ", " << replicas << " replicas");
      CHECK(training.bytes_sent() == 3 * each);
    }
  }
}

TEST_CASE("what compressed changes lose is made good") {
  for (const std::int64_t bits : {1, 4, 8}) {
    DiLoCoConfig c = options_with<DiLoCoConfig>(6, Optimizer::gd);  // an exchange at the end of each epoch
    c.diloco.bits = bits, c.diloco.block = 128, c.diloco.momentum = 0.0, c.diloco.learning_rate = 1.0;
    const Setup s = setup_of("diloco", c, 4);
    const Start start = start_of(s);
    Training training(s, start, 4);
    training.forward();
    Replicas reference(s, start, c);
    const Row begin = numbers(mlp_of(start.network));
    Row anchor = begin, changes(anchor.size(), 0.0);
    for (std::int64_t epoch = 0; epoch < 4; ++epoch) {
      for (int step = 0; step < 6; ++step) reference.step(6 * epoch + step);
      const Row mean = reference.mean();
      for (std::size_t i = 0; i < mean.size(); ++i) changes[i] += anchor[i] - mean[i];
      training.iterate(epoch, 1);
      anchor = numbers(mlp_of(training.network(0)));
      for (int r = 0; r < 4; ++r) {
        CHECK(anchor == numbers(mlp_of(training.network(r))));
        reference[r].set(anchor);
      }
    }
    // Of a row of the state the values of all tensors, without padding. Of several replicas' rows their mean.
    const TrainingState state = training.state();
    const auto of_row = [&](const std::string& name, std::size_t rows) {
      Row all;
      for (std::size_t layer = 1; layer < s.widths.size(); ++layer) {
        const Row values = doubles(state, name + std::to_string(layer));
        const auto m = static_cast<std::size_t>(s.widths[layer]), n = static_cast<std::size_t>(s.widths[layer - 1]);
        const std::size_t padded = (m * n + 127) / 128 * 128, size = padded + (m + 127) / 128 * 128;
        for (const auto& [first, count] : {std::pair{std::size_t{0}, m * n}, {padded, m}}) {
          for (std::size_t i = first; i < first + count; ++i) {
            double sum = 0.0;
            for (std::size_t r = 0; r < rows; ++r) sum += values[r * size + i] / static_cast<double>(rows);
            all.push_back(sum);
          }
        }
      }
      return all;
    };
    const Row errors = of_row("worker_error", 4), of_mean = of_row("mean_error", 1);
    Row made_good(anchor.size());
    double lost = 0.0;
    for (std::size_t i = 0; i < anchor.size(); ++i) {
      made_good[i] = begin[i] - anchor[i] + errors[i] + of_mean[i];
      lost = std::max(lost, std::fabs(errors[i] + of_mean[i]));
    }
    INFO(bits << " bits");
    CHECK(largest_difference(made_good, changes) < 5e-6);
    CHECK(lost > (bits == 8 ? 4e-5 : 5e-4));
  }
}

TEST_CASE("each of other replicas begins with the mean of those that there were") {
  for (auto& [name, s] : all_setups(4)) {
    const Start start = start_of(s);
    Training before(s, start, 4);
    before.forward();
    before.iterate(0, 3);
    const TrainingState saved = before.state();
    Row mean(numbers(mlp_of(before.network(0))).size(), 0.0);
    for (int r = 0; r < 4; ++r) {
      const Row own = numbers(mlp_of(before.network(r)));
      for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += own[i] / 4;
    }
    CHECK_FALSE(method_of(s)->fitted_state(saved, before.spec()).has_value());
    for (const int replicas : {1, 2, 6}) {
      INFO(name << ", " << replicas << " replicas");
      s.replicas = replicas;
      Training other(s, start, replicas);
      const std::optional<FittedState> fitted = method_of(s)->fitted_state(saved, other.spec());
      REQUIRE(fitted.has_value());
      CHECK(fitted->note.find("the run had 4 replicas") != std::string::npos);
      other.restore(fitted->state);
      CHECK(first_difference(other.state(), fitted->state) == "");
      for (int r = 0; r < replicas; ++r) {
        CHECK(largest_difference(mean, numbers(mlp_of(other.network(r)))) < 1e-6);
      }
      other.iterate(3, 1);
      CHECK(std::isfinite(other.objective()));
    }
  }
}

TEST_CASE("groups that a run did not have before begin with the leader of all") {
  LsgdConfig c = options_with<LsgdConfig>(4);
  c.lsgd.groups = 1;
  const Setup one = setup_of("lsgd", c, 4);
  const Start start = start_of(one);
  Training before(one, start, 4);
  before.forward();
  before.iterate(0, 3);
  c.lsgd.groups = 2;
  const Setup two = setup_of("lsgd", c, 4);
  Training after(two, start, 4);
  const TrainingState saved = before.state();
  const std::optional<FittedState> fitted = method_of(two)->fitted_state(saved, after.spec());
  REQUIRE(fitted.has_value());
  CHECK(fitted->note == "the run had one group of replicas: each of 2 begins with the leader of all");
  for (int layer = 1; layer <= 5; ++layer) {
    const std::string name = "leader" + std::to_string(layer);
    CHECK(values_of(fitted->state, "group_" + name) == values_of(saved, name));
  }
  after.restore(fitted->state);
  after.iterate(3, 1);
  CHECK(std::isfinite(after.objective()));
  CHECK_FALSE(method_of(two)->fitted_state(after.state(), after.spec()).has_value());
  CHECK_FALSE(method_of(one)->fitted_state(after.state(), before.spec()).has_value());
}

TEST_CASE("replicas have no race and no deadlock") {
  for (const auto& [runs, shards, replicas] : {std::tuple{1, 1, 1}, {1, 1, 4}, {2, 1, 4}, {1, 2, 4}, {5, 2, 2}}) {
    for (auto& [name, s] : all_setups(replicas, replicas > 2 ? 2 : 1)) {
      s.shards = shards;
      for (const std::uint64_t seed : {1, 2, 3}) {
        const auto fault = fault_of_training(s, runs * shards * replicas, {}, seed);
        INFO(name << ", " << runs << " runs, " << shards << " shards, " << replicas
                  << " replicas: " << (fault ? fault->what() : ""));
        CHECK_FALSE(fault.has_value());
      }
    }
  }
}
