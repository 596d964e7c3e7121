// What the theory promises: the Lagrangian falls, and the multipliers are where Lemma 4 says.
#include "tests/methods/admm/compare.hpp"

using namespace gamlp;
using namespace gamlp::test;

namespace {

// max |u − weight (q − f(z))| over a state, relative to the size of the terms that u is computed from.
double lemma4_error(const TrainingState& state, const Setup& s, double weight) {
  const reference::Activation f = rules_of(s).f;
  double worst = 0.0;
  for (std::size_t l = 1; l + 1 < s.widths.size(); ++l) {
    const std::string id = std::to_string(l);
    const auto z = values_of(state, "z" + id), q = values_of(state, "q" + id), u = values_of(state, "u" + id);
    const auto p = values_of(state, "p" + std::to_string(l + 1));
    double size = 0.0, error = 0.0;
    for (std::size_t i = 0; i < u.size(); ++i) {
      const double fz = f(static_cast<double>(z[i])), qi = q[i], ui = u[i];
      error = std::max(error, std::abs(ui - weight * (qi - fz)));
      size =
          std::max({size, (weight + *s.admm.rho) * (std::abs(qi) + std::abs(fz) + std::abs(static_cast<double>(p[i]))),
                    std::abs(ui)});
    }
    worst = std::max(worst, error / size);
  }
  return worst;
}

}  // namespace

TEST_CASE("the Lagrangian decreases in every iteration of the gradient update") {
  for (const double nu : {1.0, 0.1, 0.01}) {
    const double least = std::max(4.0 * nu, (std::sqrt(17.0) + 1.0) * nu / 2.0);
    for (const double rho : {1.01 * least, 5.0 * least}) {
      for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        Setup s = setup_of(Update::gradient, nu, rho);
        s.widths = {10, 8, 8, 8, 4}, s.nodes = 50, s.seed = seed;
        const Start start = start_of(s);
        const reference::Rules rules = rules_of(s);
        Training training(s, start, 1);
        training.forward();
        // With u = 0 and q = f(z), p = q from the forward pass the objective is the risk.
        double last = reference::objective(reference_start(s, start, rules), rules, nu);
        double largest_gap = 0.0;
        for (int k = 0; k < 50; ++k) {
          training.iterate(k, 1);
          const double now = training.objective();
          INFO("nu " << nu << " rho " << rho << " seed " << seed << " iteration " << k);
          // The sums are float32 sums of squares of rounded terms: relative 1e-5 of the objective's largest term.
          CHECK(now <= last + 1e-5 * std::abs(last));
          last = now;
          double gap = 0.0;
          const std::vector<double> scalars = training.scalars();
          for (std::size_t l = 0; l + 2 < s.widths.size(); ++l) gap += scalars[l * kAdmmScalars + kGap2];
          largest_gap = std::max(largest_gap, gap);  // 0 at first: the start is feasible
          if (k == 49) CHECK(gap < largest_gap);
        }
      }
    }
  }
}

// q = (ρp + u + ν f)/(ρ+ν) and u + ρ(p − q): seven roundings of terms bounded by `size` above, f(z) of tanh off by
// 3e-7.
TEST_CASE("Lemma 4 holds after every iteration while q is not quantised") {
  for (const Update update : {Update::gradient, Update::exact}) {
    for (const ActivationRule& f :
         {ActivationRule{}, ActivationRule{Activation::leaky_relu, 0.1f}, ActivationRule{Activation::tanh, 0.0f}}) {
      for (const std::int64_t bits : {32, 8}) {  // of p
        Setup s = setup_of(update, 0.05, 0.05);
        s.widths = {10, 8, 7, 4}, s.nodes = 40;
        s.activation = f;
        s.exchange.p.bits = bits;
        s.admm.exact.kappa = 0.05;
        const Start start = start_of(s);
        Training training(s, start, 2);
        training.forward();
        const double weight = update == Update::exact ? s.admm.exact.nu2 * 0.05 : 0.05;
        for (int k = 0; k < 20; ++k) {
          training.iterate(k, 1);
          INFO("update " << static_cast<int>(update) << " activation " << static_cast<int>(f.kind) << " iteration "
                         << k);
          CHECK(lemma4_error(training.state(), s, weight) <= 8 * 0x1p-24 + (f.kind == Activation::tanh ? 3e-7 : 0.0));
        }
      }
    }
  }
}

TEST_CASE("the residual goes to zero, also through a quantised wire of differences") {
  for (const std::int64_t bits : {32, 8, 4}) {
    Setup s = setup_of(Update::gradient, 0.1, 0.5);
    s.widths = {10, 8, 8, 4}, s.nodes = 50;
    for (CodecConfig* codec : {&s.exchange.p, &s.exchange.q}) codec->bits = bits, codec->coding = Coding::difference;
    const Start start = start_of(s);
    Training training(s, start, 2);
    training.forward();
    const auto gap = [&] {
      const std::vector<double> scalars = training.scalars();
      return scalars[kGap2] + scalars[kAdmmScalars + kGap2];
    };
    training.iterate(0, 5);
    const double early = gap();
    training.iterate(5, 300);
    INFO("bits " << bits << " early " << early << " late " << gap());
    CHECK(gap() < 0.1 * early);
  }
}
