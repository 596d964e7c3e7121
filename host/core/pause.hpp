// Waiting for what comes soon, or later, without a handle to block on.
#pragma once

#include <chrono>
#include <sched.h>
#include <thread>

namespace gamlp {

// `turn`: how often the caller has found nothing. At first others run, then ever longer sleeps.
inline void pause(int turn) {
  if (turn < 200) {
    ::sched_yield();
  } else {
    std::this_thread::sleep_for(std::chrono::microseconds(turn < 1000 ? 50 : turn < 4000 ? 500 : 2000));
  }
}

}  // namespace gamlp
