#include "host/experiment/search.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace gamlp {
namespace {

// The labels that a job has of some axes, or, with `of` false, of all others.
std::string labels_along(const Job& job, const std::vector<std::size_t>& axes, bool of) {
  std::string out;
  for (std::size_t i = 0; i < job.labels.size(); ++i) {
    if ((std::find(axes.begin(), axes.end(), i) != axes.end()) == of) out += job.labels[i] + '\n';
  }
  return out;
}

}  // namespace

Search::Search(const Experiment& experiment, const std::vector<Job>& jobs)
    : experiment_(experiment), jobs_(jobs), kept_(jobs.size(), true), undecided_(jobs.size(), false) {}

std::vector<bool> Search::candidates() const {
  std::vector<std::size_t> later;
  for (std::size_t round = round_ + 1; round < experiment_.search->rounds.size(); ++round) {
    later.insert(later.end(), experiment_.search->rounds[round].begin(), experiment_.search->rounds[round].end());
  }
  std::vector<bool> out(jobs_.size(), false);
  std::set<std::string> seen;
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    const bool of_a_seed = kept_[i] && experiment_.is_search_job(jobs_[i].labels);
    // Jobs come in the order of the axes' values, so that the first one has the first value of every later axis.
    out[i] = of_a_seed && seen.insert(labels_along(jobs_[i], later, false)).second;
  }
  return out;
}

void Search::choose(const std::vector<JobOutcome>& outcomes) {
  struct Candidate {
    std::string key;
    double sum = 0;
    bool diverged = false;
  };
  struct Group {
    std::vector<Candidate> candidates;  // in the order of the jobs
    bool complete = true;
  };
  const std::vector<bool> compared = candidates();
  // What tells candidates apart: the labels of this round's axes.
  const auto values_of = [&](const Job& job) { return labels_along(job, experiment_.search->rounds[round_], true); };
  std::map<std::string, Group> groups;
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    if (!compared[i]) continue;
    Group& group = groups[jobs_[i].key_without_search(experiment_)];
    auto& all = group.candidates;
    const std::string key = values_of(jobs_[i]);
    auto at = std::find_if(all.begin(), all.end(), [&](const Candidate& c) { return c.key == key; });
    if (at == all.end()) at = all.insert(at, {key});
    const double accuracy = number_in(outcomes[i].result, "validation_accuracy");
    const bool done = outcomes[i].state == JobState::done && std::isfinite(accuracy);
    if (done) at->sum += accuracy;
    at->diverged = at->diverged || outcomes[i].state == JobState::diverged;
    group.complete = group.complete && (done || outcomes[i].state == JobState::diverged);
  }
  std::map<std::string, std::string> best;
  for (const auto& [name, group] : groups) {
    const Candidate* chosen = nullptr;
    for (const Candidate& one : group.candidates) {
      if (!one.diverged && (chosen == nullptr || one.sum > chosen->sum)) chosen = &one;
    }
    if (group.complete && chosen != nullptr) best[name] = chosen->key;
  }
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    const auto at = best.find(jobs_[i].key_without_search(experiment_));
    undecided_[i] = undecided_[i] || (compared[i] && at == best.end());
    kept_[i] = kept_[i] && at != best.end() && at->second == values_of(jobs_[i]);
  }
  ++round_;
}

}  // namespace gamlp
