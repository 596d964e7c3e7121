// Chooses values of axes by validation accuracy, in rounds. The first round tries the axes of `search.axes` jointly.
// Then comes a round for each element of `search.then`, an axis or a list of axes that are tried jointly, with what the
// rounds before chose. An axis whose round has not come yet stays at its first value.
#pragma once

#include <string>
#include <vector>

#include "host/experiment/experiment.hpp"
#include "host/experiment/report.hpp"

namespace gamlp {

// A vector of this class has an element for each job.
class Search {
 public:
  // `jobs` are all of the experiment, which has a search. Both must outlive this object.
  Search(const Experiment& experiment, const std::vector<Job>& jobs);

  int rounds() const { return static_cast<int>(experiment_.search->rounds.size()); }
  // The jobs that the next round compares: those on the search's seeds that differ in the axes of that round alone.
  std::vector<bool> candidates() const;
  // Ends a round. For each combination of the axes that are not searched it keeps the values with the best mean
  // validation accuracy over the seeds; ties go to the first. A run that diverged disqualifies its candidate. Where a
  // run failed or is missing, or every candidate is disqualified, nothing is kept, and no later round looks there.
  void choose(const std::vector<JobOutcome>& outcomes);
  // After the last round: the jobs with the chosen values, on all seeds.
  const std::vector<bool>& chosen() const { return kept_; }
  // The candidates of the rounds that could not choose, so that they are reported.
  const std::vector<bool>& undecided() const { return undecided_; }

 private:
  const Experiment& experiment_;
  const std::vector<Job>& jobs_;
  std::size_t round_ = 0;
  std::vector<bool> kept_, undecided_;
};

}  // namespace gamlp
