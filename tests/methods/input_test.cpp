// Layer 1 in reduced coordinates: QR and the kernel form against the original inputs.
#include "host/config/config.hpp"
#include "host/methods/common/predictor.hpp"
#include "host/methods/registry.hpp"
#include "tests/methods/admm/compare.hpp"

using namespace gamlp;
using namespace gamlp::test;
using reference::Dense;

namespace {

double difference(const Matrix& a, const Dense& b) { return reference::largest(reference::sum(dense(a), b, -1.0)); }

Setup wide(Update update) {
  Setup s = setup_of(update, 0.1, 0.1);
  s.widths = {60, 7, 6, 3}, s.nodes = 14;
  s.admm.weight_decay_first = 0.5;
  s.admm.exact.kappa = 0.05;
  s.weight_scale = 0.2;
  return s;
}

}  // namespace

TEST_CASE("the QR reduction of layer 1 equals the unreduced update") {
  const Setup s = wide(Update::gradient);
  Start start = start_of(s);
  const TrainingInput input = make_training_input(copy_of(start.x), InputKind::qr);
  REQUIRE(input.inputs() == s.nodes);
  // W1 in the span of the inputs: W1 = W' q.
  Network reduced = start.network;
  reduced.front().w = Matrix(7, 14);
  Random random(3);
  for (float& w : reduced.front().w.view().flat()) w = static_cast<float>(0.2 * random.normal());
  start.network.front() = input.expanded(reduced.front());
  const reference::Rules rules = rules_of(s);
  for (const int iterations : {1, 20}) {
    reference::State state = reference_start(s, start, rules);
    Training full(s, start, 1), less(s, input, start.labels, reduced, 2);
    full.forward(), less.forward();
    full.iterate(0, iterations), less.iterate(0, iterations);
    // Both against the unreduced reference; W1 through the basis.
    check_against_reference(full.state(), state, rules, iterations, false, reference::gradient_iteration);
    TrainingState got = less.state();
    const Matrix w = input.expanded(less.network().front()).w;
    HostTensor& w1 = got.at("W1");
    w1.data.assign(reinterpret_cast<const std::byte*>(w.data()),
                   reinterpret_cast<const std::byte*>(w.data() + w.size()));
    check_against_reference(got, state, rules, iterations, false, reference::gradient_iteration);
  }
}

TEST_CASE("the kernel form of layer 1 equals the n x n update in the span of the inputs") {
  const Setup s = wide(Update::exact);
  Start start = start_of(s);
  const TrainingInput input = make_training_input(copy_of(start.x), InputKind::kernel);
  // Where the run starts: c and a of the new program, b of the network.
  Network shape = start.network;
  shape.front().w = Matrix(7, 14);
  for (float& w : shape.front().w.view().flat()) w = static_cast<float>(0.01 * start.x.data()[0] + 0.02);
  Random random(8);
  for (float& w : shape.front().w.view().flat()) w = static_cast<float>(0.2 * random.normal());
  Training training(s, input, start.labels, shape, 2);
  training.forward();
  start.network.front() = input.expanded(training.network().front());
  const reference::Rules rules = rules_of(s);
  const reference::State state = reference_start(s, start, rules);
  int done = 0;
  for (const int iterations : {1, 10}) {
    training.iterate(done, iterations - done);
    done = iterations;
    TrainingState got = training.state();
    const LayerWeights first = input.expanded(training.network().front());
    HostTensor w1;
    w1.rows = first.w.rows(), w1.cols = first.w.cols();
    w1.data.assign(reinterpret_cast<const std::byte*>(first.w.data()),
                   reinterpret_cast<const std::byte*>(first.w.data() + first.w.size()));
    got["W1"] = w1;
    HostTensor& b1 = got.at("b1");  // of centred inputs in the state
    b1.data.assign(reinterpret_cast<const std::byte*>(first.b.data()),
                   reinterpret_cast<const std::byte*>(first.b.data() + first.b.size()));
    check_against_reference(got, state, rules, iterations, true, reference::exact_iteration);
  }
}

TEST_CASE("scores from reduced coordinates equal scores from expanded weights") {
  for (const InputKind kind : {InputKind::plain, InputKind::qr, InputKind::kernel}) {
    Setup s = wide(kind == InputKind::kernel ? Update::exact : Update::gradient);
    const Start start = start_of(s);
    const TrainingInput input = make_training_input(copy_of(start.x), kind);
    Network network = start.network;
    network.front().w = Matrix(7, input.inputs());
    Random random(4);
    for (float& w : network.front().w.view().flat()) w = static_cast<float>(0.1 * random.normal());
    Network full = network;
    full.front() = input.expanded(network.front());
    CHECK(full.front().w.cols() == 60);

    Matrix others(25, 60);  // nodes outside the training set
    for (float& x : others.view().flat()) x = static_cast<float>(0.3 + random.normal());
    const Matrix a = forward(network, s.activation, input.coordinates(copy_of(others)).view());
    const Matrix b = forward(full, s.activation, others.view());
    const Matrix c = forward(network, s.activation, input.train.view()),
                 d = forward(full, s.activation, start.x.view());
    // Sums of 60 products through the basis and of 14 without it, three layers: a few hundred roundings of the scores'
    // scale, which the magnitudes of W x bound.
    const double scale =
        reference::largest(reference::product(dense(full.front().w), reference::transposed(dense(others)))) + 3.0;
    INFO(input_kind_name(kind));
    CHECK(difference(a, dense(b)) <= 400 * 0x1p-24 * scale);
    CHECK(difference(c, dense(d)) <= 400 * 0x1p-24 * scale);
  }
}

TEST_CASE("the probe of the inputs tells other coordinates from rounding") {
  const Start start = start_of(wide(Update::gradient));
  const auto moved = [&](std::int64_t twin, InputKind kind) {  // how far rounding moves the probe, of its largest value
    Matrix a = copy_of(start.x);
    if (twin > 0) std::copy_n(a.row(2), a.cols(), a.row(twin));
    Matrix b = copy_of(a);
    Random random(4);
    for (float& x : b.view().flat()) x *= static_cast<float>(1.0 + 1e-7 * random.normal());
    const std::vector<double> p = make_training_input(std::move(a), kind).probe(),
                              q = make_training_input(std::move(b), kind).probe();
    double largest = 0.0, apart = 0.0;
    for (std::size_t i = 0; i < p.size(); ++i) {
      largest = std::max(largest, std::fabs(p[i]));
      apart = std::max(apart, std::fabs(p[i] - q[i]));
    }
    return apart / largest;
  };
  for (const InputKind kind : {InputKind::plain, InputKind::qr, InputKind::kernel}) CHECK(moved(0, kind) < 1e-4);
  // Two nodes with the same inputs: one of the orthonormal rows is arbitrary, and so are all coordinates along it, if
  // only those of other nodes.
  for (const std::int64_t twin : {9, 13}) {
    CHECK(moved(twin, InputKind::plain) < 1e-4);
    CHECK(moved(twin, InputKind::qr) > 1e-2);
  }
}

TEST_CASE("layer 1 is reduced only where that is cheaper") {
  std::string why;
  CHECK(plain_or_qr({1000, 500, 7}, 100, 600, &why) == InputKind::plain);
  CHECK(plain_or_kernel({500, 500, 7}, &why) == InputKind::plain);
  CHECK(why.empty());
  CHECK(plain_or_qr({140, 5732, 7}, 100, 600, &why) == InputKind::qr);
  CHECK(why.find("140 training nodes") != std::string::npos);
  CHECK(plain_or_kernel({140, 5732, 7}, &why) == InputKind::kernel);
  CHECK(why.find("V × V") != std::string::npos);
  why.clear();
  CHECK(plain_or_qr({140, 5732, 7}, 100, 1, &why) == InputKind::plain);  // QR would not pay
  CHECK(why.empty());
  CHECK(plain_or_qr({140, 5732, 7}, 100, 600, nullptr) == InputKind::qr);
}

TEST_CASE("weights of other coordinates give the training nodes the same in qr and kernel") {
  Random random(17);
  for (const std::int64_t nodes : {9, 40}) {
    Matrix x(nodes, 300);
    for (float& value : x.view().flat()) value = static_cast<float>(1.0 + random.normal());
    for (std::int64_t j = 0; j < x.cols(); ++j) x(3, j) = x(1, j);  // two nodes alike: K has less than full rank
    LayerWeights layer{Matrix(7, 300), std::vector<float>(7, 0.25f)};
    for (float& w : layer.w.view().flat()) w = static_cast<float>(0.2 * random.normal());
    for (const InputKind kind : {InputKind::plain, InputKind::qr, InputKind::kernel}) {
      const TrainingInput input = make_training_input(copy_of(x), kind);
      const LayerWeights part = input.reduced(layer);
      REQUIRE(part.w.cols() == input.inputs());
      const LayerWeights back = input.expanded(part), twice = input.expanded(input.reduced(back));
      const auto outputs = [](const LayerWeights& of, const Matrix& inputs) {
        return forward({of}, {}, inputs.view());
      };
      const Matrix wanted = outputs(layer, x), direct = outputs(part, input.train), whole = outputs(back, x);
      INFO(input_kind_name(kind) << ", " << nodes << " nodes");
      double error = 0.0, again = 0.0;
      for (std::int64_t i = 0; i < wanted.size(); ++i) {
        error = std::max(error, std::fabs(double(wanted.data()[i]) - double(direct.data()[i])));
        error = std::max(error, std::fabs(double(wanted.data()[i]) - double(whole.data()[i])));
      }
      for (std::int64_t i = 0; i < back.w.size(); ++i) {
        again = std::max(again, std::fabs(double(back.w.data()[i]) - double(twice.w.data()[i])));
      }
      CHECK(error < 1e-3);  // outputs are of size 3.5 · sqrt(2)
      CHECK(again < 1e-4);  // weights of the span are kept
    }
  }
}

TEST_CASE("of the optimisers only gradient descent trains in reduced coordinates") {
  for (const std::string name : {"gd", "nesterov", "adadelta", "adagrad", "adam"}) {
    Config config;
    config.method.name = name;
    config.stages = {{2, 300}, {5, 300}};
    std::vector<std::string> notes;
    const bool reduced = resolve_problem(config, {140, 5732, 7}, &notes).front() == InputKind::qr;
    CHECK(reduced == (name == "gd" || name == "nesterov"));
    CHECK(notes.size() == (reduced ? 2 : 1));
    CHECK(resolve_problem(config, {6000, 5732, 7}).front() == InputKind::plain);
    config.method.options.json()["input_dropout"] = 0.5;  // of the inputs as they are
    CHECK(resolve_problem(config, {140, 5732, 7}).front() == InputKind::plain);
  }
}
