#include "host/method/settings.hpp"

#include "host/core/error.hpp"
#include "host/methods/admm/admm_scalars.hpp"
#include "host/methods/registry.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;

namespace {

Config resolved(Config config, std::int64_t train_nodes, std::string* why = nullptr) {
  resolve_method(config, {train_nodes, 1000, 7}, why);
  return config;
}

}  // namespace

TEST_CASE("auto takes the exact update from four training nodes per neuron on, and says so") {
  Config config;
  config.model.width = 100;
  std::string why;
  CHECK(resolved(config, 399, &why).method.update == Update::gradient);
  CHECK(why.find("gradient") != std::string::npos);
  CHECK(why.find("399") != std::string::npos);
  CHECK(resolved(config, 400, &why).method.update == Update::exact);
  CHECK(why.find("exact") != std::string::npos);
  CHECK(why.find("400") != std::string::npos);
  config.method.update = Update::exact;
  why.clear();
  CHECK(resolved(config, 3, &why).method.update == Update::exact);
  CHECK(why.empty());
}

TEST_CASE("the defaults depend on the update") {
  Config config;
  config.method.update = Update::gradient;
  CHECK(*resolved(config, 10).method.nu == 1e-2);
  CHECK(*resolved(config, 10).method.rho == 1e-2);
  CHECK(*resolved(config, 10).method.weight_decay_first == Approx(0.1));
  config.method.update = Update::exact;
  CHECK(*resolved(config, 10).method.nu == 1e-3);
  CHECK(*resolved(config, 10).method.weight_decay_first == Approx(1e-2));
  config.method.rho = 0.5;
  CHECK(*resolved(config, 10).method.nu == 0.5);  // equal to ρ
  config.method.nu = 0.25;
  CHECK_THROWS_AS(resolved(config, 10), ConfigError);
  config.method.update = Update::gradient;
  CHECK(*resolved(config, 10).method.rho == 0.5);
  CHECK(*resolved(config, 10).method.nu == 0.25);
}

TEST_CASE("weight decay is of the first layer, of all, or per layer of the last stage") {
  MethodConfig m;
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
