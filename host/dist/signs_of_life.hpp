// Who has been heard of, and when. Times are seconds on one clock.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

namespace gamlp {

class SignsOfLife {
 public:
  // A process that was itself kept from running (stopped, asleep) for that long cannot tell who was silent meanwhile.
  static constexpr double kOwnPause = 0.5;

  SignsOfLife(std::vector<int> watched, double now) : last_look_(now) {
    for (const int rank : watched) last_.push_back({rank, now});
  }

  void heard(int rank, double now) {
    for (auto& one : last_) {
      if (one.rank == rank) one.time = now;
    }
  }

  // To be called often. Begins again after a pause of this process.
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
  // The longest silence of at least `limit` seconds.
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
