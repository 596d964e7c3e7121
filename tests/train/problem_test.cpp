// What a problem says of its data.
#include "host/problem/problem.hpp"

#include "tests/train/support.hpp"

namespace gamlp::test {

TEST_CASE("a training accuracy near that of naming the largest class is warned of") {
  Problem problem;
  problem.classes = 3;
  problem.parts[0].labels = {0, 1, 1, 2};  // the largest class: one half, so that warnings end at 0.55
  problem.scales = {3, 0.5, 2e9, {1}, {2}};
  CHECK(!chance_warning(problem, 1.0));
  CHECK(!chance_warning(problem, 0.56));
  const auto warning = chance_warning(problem, 0.54);
  REQUIRE(warning.has_value());
  check_says(*warning, "54.0 % of the training nodes, always the largest class gives 50.0 %");
  check_says(*warning, "0.5 (column 1) to 2e+09 (column 2): try dataset.standardize \"columns\"");
  problem.scales.largest = 5;  // alike
  check_says(*chance_warning(problem, 0.54), "5 (column 2): try more epochs, or dataset.standardize \"columns\"");
  problem.standardized = Standardize::columns;
  check_says(*chance_warning(problem, 0.25), "were standardised by column");
}

TEST_CASE("a resolved config names how the features were standardised") {
  Config config = small_config();
  CHECK(!config.dataset.standardize);
  const PreparedProblem prepared = prepare_problem(config, 1);
  CHECK(prepared.config.dataset.standardize == Standardize::none);
  CHECK(prepared.problem.preparation.factor.empty());
  config.dataset.standardize = Standardize::columns;
  CHECK(prepare_problem(config, 1).problem.preparation.factor.size() == 12);
}

}  // namespace gamlp::test
