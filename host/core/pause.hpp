// Waits for something that comes soon, or later, where the caller has no handle to block on.
#pragma once

#include <chrono>
#include <sched.h>
#include <thread>

namespace gamlp {

// `turn` is how often the caller has found nothing so far. At first this lets other threads run. Later it sleeps, for
// ever longer times.
inline void pause(int turn) {
  if (turn < 200) {
    ::sched_yield();
  } else {
    std::this_thread::sleep_for(std::chrono::microseconds(turn < 1000 ? 50 : turn < 4000 ? 500 : 2000));
  }
}

}  // namespace gamlp
