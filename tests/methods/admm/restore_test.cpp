// Saving and restoring in the middle of a stage continues bit by bit, on any number of workers.
#include "host/core/error.hpp"
#include "tests/methods/admm/compare.hpp"

using namespace gamlp;
using namespace gamlp::test;

namespace {

Setup quantised(Update update, bool feedback) {
  Setup s = setup_of(update, 0.05, 0.05);
  s.widths = {9, 8, 7, 6, 4}, s.nodes = 31;
  s.admm.exact.kappa = 0.05;
  for (CodecConfig* c : {&s.exchange.p, &s.exchange.q}) {
    c->bits = 4;
    c->coding = feedback ? Coding::value : Coding::difference;
    c->rounding = Rounding::stochastic;
    c->error_feedback = feedback;
  }
  s.exchange.schedule = {{0, 8}, {6, 4}};
  return s;
}

}  // namespace

TEST_CASE("a restored stage continues bit-identically, also on another number of workers") {
  for (const Update update : {Update::gradient, Update::exact}) {
    for (const bool feedback : {false, true}) {
      const Setup s = quantised(update, feedback);
      const Start start = start_of(s);
      Training whole(s, start, 2);
      whole.forward();
      whole.iterate(0, 12);
      const TrainingState expected = whole.state();
      for (const int cut : {1, 4, 7}) {  // odd and even: messages are double-buffered
        for (const int saver : {1, 3}) {
          Training first(s, start, saver);
          first.forward();
          first.iterate(0, cut);
          const TrainingState saved = first.state();
          for (const int workers : {1, 2, 4}) {
            Training second(s, start, workers);
            second.restore(saved);
            CHECK(first_difference(saved, second.state()) == "");
            second.iterate(cut, 12 - cut);
            INFO("update " << static_cast<int>(update) << " feedback " << feedback << " cut " << cut << " from "
                           << saver << " to " << workers << " workers");
            CHECK(first_difference(expected, second.state()) == "");
          }
          first.iterate(cut, 12 - cut);  // saving disturbs nothing
          CHECK(first_difference(expected, first.state()) == "");
        }
      }
    }
  }
}

TEST_CASE("the kernel form of layer 1 is part of the state") {
  Setup s = quantised(Update::exact, false);
  s.widths.front() = 80;
  s.admm.weight_decay_first = 0.5;
  Start start = start_of(s);
  const TrainingInput input = make_training_input(std::move(start.x), InputKind::kernel);
  start.network.front().w = Matrix(8, 31);
  Training first(s, input, start.labels, start.network, 2);
  first.forward();
  first.iterate(0, 3);
  const TrainingState saved = first.state();
  first.iterate(3, 4);
  Training second(s, input, start.labels, start.network, 3);
  second.restore(saved);
  second.iterate(3, 4);
  CHECK(first_difference(first.state(), second.state()) == "");
}

TEST_CASE("a state that does not fit is refused, naming the tensor") {
  const Setup s = quantised(Update::gradient, false);
  const Start start = start_of(s);
  Training training(s, start, 2);
  training.forward();
  const TrainingState good = training.state();
  const auto message = [&](const TrainingState& state) -> std::string {
    Training other(s, start, 2);
    try {
      other.restore(state);
    } catch (const DataError& error) {
      return error.what();
    }
    return "";
  };
  TrainingState missing = good;
  missing.erase("z2");
  CHECK(message(missing).find("\"z2\" is missing") != std::string::npos);
  TrainingState turned = good;
  std::swap(turned.at("W1").rows, turned.at("W1").cols);
  CHECK(message(turned).find("\"W1\" is 9 × 8, expected 8 × 9") != std::string::npos);
}
