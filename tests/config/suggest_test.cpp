#include "host/config/suggest.hpp"

#include <vector>

#include "tests/support/catch.hpp"

using gamlp::closest_match;

TEST_CASE("closest_match finds the likely word", "[config]") {
  const std::vector<std::string> words = {"nearest",    "stochastic", "value",        "difference", "width",
                                          "activation", "nu",         "weight_decay", "rho",        "epochs"};
  CHECK(closest_match("neerest", words) == "nearest");       // substitution
  CHECK(closest_match("witdh", words) == "width");           // swap
  CHECK(closest_match("activaton", words) == "activation");  // deletion
  CHECK(closest_match("valuee", words) == "value");          // insertion
  CHECK(closest_match("Weight-Decay", words) == "weight_decay");
  CHECK(closest_match("diff", words) == "difference");  // beginning of a word
  CHECK(closest_match("roh", words) == "rho");
  CHECK(closest_match("epoch", words) == "epochs");
}

TEST_CASE("closest_match stays silent without a near word", "[config]") {
  const std::vector<std::string> words = {"nearest", "nu", "p"};
  CHECK(closest_match("banana", words).empty());
  CHECK(closest_match("", words).empty());
  CHECK(closest_match("x", words).empty());
  CHECK(closest_match("nearest", std::vector<std::string>{}).empty());
  CHECK(closest_match(std::string(100000, 'n'), words).empty());
}
