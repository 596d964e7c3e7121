#include "host/methods/common/settings.hpp"

#include "host/core/error.hpp"
#include "host/methods/admm/admm_scalars.hpp"
#include "host/methods/registry.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/methods.hpp"

using namespace gamlp;

namespace {

Config resolved(Config config, std::int64_t train_nodes, std::string* why = nullptr) {
  std::vector<std::string> notes;
  resolve_problem(config, {train_nodes, 1000, 7}, &notes);
  const auto note = std::find_if(notes.begin(), notes.end(), [](const auto& one) { return one.starts_with("update"); });
  if (why != nullptr) *why = note != notes.end() ? *note : "";
  return config;
}

}  // namespace

TEST_CASE("auto takes the exact update from four training nodes per neuron on, and says so") {
  Config config;
  config.model.width = 100;
  std::string why;
  CHECK(test::admm_of(resolved(config, 399, &why)).update == Update::gradient);
  CHECK(why.find("gradient") != std::string::npos);
  CHECK(why.find("399") != std::string::npos);
  CHECK(test::admm_of(resolved(config, 400, &why)).update == Update::exact);
  CHECK(why.find("exact") != std::string::npos);
  CHECK(why.find("400") != std::string::npos);
  test::change_admm(config, [&](AdmmConfig& m) { m.update = Update::exact; });
  CHECK(test::admm_of(resolved(config, 3, &why)).update == Update::exact);
  CHECK(why.empty());
}

TEST_CASE("the defaults depend on the update") {
  Config config;
  test::change_admm(config, [&](AdmmConfig& m) { m.update = Update::gradient; });
  CHECK(*test::admm_of(resolved(config, 10)).nu == 1e-2);
  CHECK(*test::admm_of(resolved(config, 10)).rho == 1e-2);
  CHECK(*test::admm_of(resolved(config, 10)).weight_decay_first == Approx(0.1));
  test::change_admm(config, [&](AdmmConfig& m) { m.update = Update::exact; });
  CHECK(*test::admm_of(resolved(config, 10)).nu == 1e-3);
  CHECK(*test::admm_of(resolved(config, 10)).weight_decay_first == Approx(1e-2));
  test::change_admm(config, [&](AdmmConfig& m) { m.rho = 0.5; });
  CHECK(*test::admm_of(resolved(config, 10)).nu == 0.5);  // equal to ρ
  test::change_admm(config, [&](AdmmConfig& m) { m.nu = 0.25; });
  CHECK_THROWS_AS(resolved(config, 10), ConfigError);
  test::change_admm(config, [&](AdmmConfig& m) { m.update = Update::gradient; });
  CHECK(*test::admm_of(resolved(config, 10)).rho == 0.5);
  CHECK(*test::admm_of(resolved(config, 10)).nu == 0.25);
}

TEST_CASE("weight decay is of the first layer, of all, or per layer of the last stage") {
  AdmmConfig m;
  m.weight_decay_first = 0.5;
  m.weight_decay = 0.1;
  CHECK(weight_decay_of(m, 1, 4) == 0.5);
  CHECK(weight_decay_of(m, 2, 4) == 0.1);
  CHECK(weight_decay_of(m, 4, 4) == 0.1);
  m.weight_decay_layers = std::vector<double>{1.0, 2.0, 3.0, 4.0};
  for (int l = 1; l <= 4; ++l) CHECK(weight_decay_of(m, l, 4) == static_cast<double>(l));
  CHECK(weight_decay_of(m, 1, 2) == 1.0);
  CHECK(weight_decay_of(m, 2, 2) == 4.0);  // the head of a shorter stage is the head
}

TEST_CASE("the activation rule carries the slope of leaky ReLU only") {
  ModelConfig model;
  model.leaky_slope = 0.3;
  CHECK(activation_rule(model).slope == 0.0f);
  model.activation = Activation::leaky_relu;
  CHECK(activation_rule(model).slope == 0.3f);
}
