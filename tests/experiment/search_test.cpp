// What a search chooses.
#include "host/experiment/search.hpp"

#include "tests/experiment/support.hpp"

namespace gamlp::test {

TEST_CASE("a search chooses by mean validation accuracy over its seeds, and by nothing else") {
  const Experiment e = loaded(searched(R"("axes": ["rate"])"));
  const std::vector<Job> jobs = expand(e, "", {});
  std::vector<JobOutcome> outcomes(jobs.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const bool narrow = jobs[i].labels[0] == "8";
    const std::string &rate = jobs[i].labels[1], &seed = jobs[i].labels[3];
    if (seed == "2") continue;  // not of the search
    // 8: 0.2 is best by validation, 0.1 by test; 16: 0.3 would be best, but a seed of it diverged; 0.1 and 0.2 tie.
    const double validation = narrow ? (rate == "0.2" ? 0.7 : 0.6) : rate == "0.3" ? 0.9 : 0.4;
    outcomes[i] = done(rate == "0.1" ? 0.99 : 0.1, validation);
    if (!narrow && rate == "0.3" && seed == "1") outcomes[i] = {JobState::diverged, {}, ""};
  }
  Search search(e, jobs);
  CHECK(search.rounds() == 1);
  search.choose(outcomes);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const bool expected = jobs[i].labels[1] == (jobs[i].labels[0] == "8" ? "0.2" : "0.1");
    INFO(jobs[i].name);
    CHECK(search.chosen()[i] == expected);
  }
  // A run that failed may have been the best: nothing is chosen beside it, and it is reported.
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (jobs[i].name == "16_0.3_one_0") outcomes[i] = {JobState::failed, {}, "x"};
  }
  Search again(e, jobs);
  again.choose(outcomes);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const bool narrow = jobs[i].labels[0] == "8";
    INFO(jobs[i].name);
    CHECK(again.chosen()[i] == (narrow && jobs[i].labels[1] == "0.2"));
    CHECK(again.undecided()[i] == (!narrow && jobs[i].labels[3] != "2"));
  }
}

TEST_CASE("a search in rounds tries later axes with what the rounds before chose") {
  const Experiment e = loaded(searched(R"("axes": ["rate"], "then": ["decay"])",
                                       R"({"name": "decay", "key": "method.weight_decay", "values": [0, 0.01]},)"));
  const std::vector<Job> jobs = expand(e, "", {});
  std::vector<JobOutcome> outcomes(jobs.size());
  Search search(e, jobs);
  REQUIRE(search.rounds() == 2);
  // Decay 0 comes first, so the first round has each rate with it. A job of a later round would be better by itself.
  const std::vector<bool> first = search.candidates();
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const std::vector<std::string>& labels = jobs[i].labels;
    INFO(jobs[i].name);
    CHECK(first[i] == (labels[2] == "0" && labels[4] != "2"));
    const bool chosen = labels[1] == (labels[0] == "8" ? "0.3" : "0.1");
    outcomes[i] = done(0.5, labels[2] == "0" ? (chosen ? 0.6 : 0.5) : chosen ? 0.7 : 0.9);
    if (labels[0] == "16" && labels[2] == "0.01") outcomes[i] = done(0.9, 0.55);
  }
  search.choose(outcomes);
  const std::vector<bool> second = search.candidates();
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const std::vector<std::string>& labels = jobs[i].labels;
    INFO(jobs[i].name);
    CHECK(second[i] == (labels[1] == (labels[0] == "8" ? "0.3" : "0.1") && labels[4] != "2"));
  }
  search.choose(outcomes);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const std::vector<std::string>& labels = jobs[i].labels;
    INFO(jobs[i].name);
    CHECK(search.chosen()[i] ==
          (labels[0] == "8" ? labels[1] == "0.3" && labels[2] == "0.01" : labels[1] == "0.1" && labels[2] == "0"));
    CHECK_FALSE(search.undecided()[i]);
  }
}

TEST_CASE("a later round can try several axes jointly") {
  const Experiment e = loaded(searched(R"("axes": ["rate"], "then": [["decay", "evaluate"]])",
                                       R"({"name": "decay", "key": "method.weight_decay", "values": [0, 0.01]},
                                          {"name": "evaluate", "key": "train.evaluate_every", "values": [1, 2]},)"));
  const std::vector<Job> jobs = expand(e, "", {});
  std::vector<JobOutcome> outcomes(jobs.size());
  Search search(e, jobs);
  REQUIRE(search.rounds() == 2);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const std::vector<std::string>& labels = jobs[i].labels;
    // Each axis alone is worse away from its first value. Both together are better.
    const int moved = (labels[2] != "0" ? 1 : 0) + (labels[3] != "1" ? 1 : 0);
    outcomes[i] = done(0.5, moved == 0 ? 0.6 : moved == 1 ? 0.5 : 0.7);
  }
  search.choose(outcomes);
  search.choose(outcomes);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const std::vector<std::string>& labels = jobs[i].labels;
    INFO(jobs[i].name);
    CHECK(search.chosen()[i] == (labels[1] == "0.1" && labels[2] == "0.01" && labels[3] == "2"));
  }
}

}  // namespace gamlp::test
