// Remembers when a process has last heard of each of the others, and finds those that are silent. Times are seconds on
// one clock.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

namespace gamlp {

class SignsOfLife {
 public:
  // Seconds. A process that was itself kept from running (stopped, asleep) for so long cannot tell who was silent then.
  static constexpr double kOwnPause = 0.5;

  SignsOfLife(std::vector<int> watched, double now) : last_look_(now) {
    for (const int rank : watched) last_.push_back({rank, now});
  }

  void heard(int rank, double now) {
    for (auto& one : last_) {
      if (one.rank == rank) one.time = now;
    }
  }

  // The owner calls this often. After a pause of this process, all silences begin anew.
  void look(double now) {
    if (now - last_look_ > kOwnPause) {
      for (auto& one : last_) one.time = now;
    }
    last_look_ = now;
  }

  struct Silence {
    int rank;
    double seconds;
  };
  // Returns the longest silence of at least `limit` seconds.
  std::optional<Silence> silent(double now, double limit) const {
    std::optional<Silence> longest;
    for (const auto& one : last_) {
      const double seconds = now - one.time;
      if (seconds >= limit && (!longest || seconds > longest->seconds)) longest = {one.rank, seconds};
    }
    return longest;
  }

 private:
  struct Heard {
    int rank;
    double time;
  };
  std::vector<Heard> last_;
  double last_look_;
};

}  // namespace gamlp
