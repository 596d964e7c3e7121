// Aligned host memory. Large blocks ask the system for huge pages: without them, touching 2 GB for the first time costs
// half a million page faults.
#pragma once

#include <cstddef>
#include <new>
#include <string>
#include <utility>

#include "host/core/error.hpp"

namespace gamlp {

// Returns a text like "12.3 GB".
std::string human_bytes(double bytes);

// The error that allocate_aligned() throws.
class AllocationFailure : public std::bad_alloc {
 public:
  // `for_what` is what the memory was for, where that is known: "a matrix of 3 × 4".
  explicit AllocationFailure(std::size_t bytes, const std::string& for_what = "");
  const char* what() const noexcept override { return text_.c_str(); }  // "cannot allocate 12.3 GB for a matrix of …"

 private:
  std::string text_;
};

// Returns `bytes` of uninitialised memory. It is aligned to at least 64 bytes, so that vector loops and BLAS see the
// same alignment in every run. Throws AllocationFailure.
void* allocate_aligned(std::size_t bytes);
void free_aligned(void* memory) noexcept;

// Gives the freed memory that the C library keeps back to the system. The library keeps blocks of less than 32 MB
// wherever a later block is in use. The call takes milliseconds. It does nothing where the library has no such call.
void return_freed_memory() noexcept;

// The text for the user: "out of memory", how much was asked for, if that is known, and the command that says what a
// run needs.
std::string out_of_memory_text(const std::bad_alloc& error);

// Runs `step` and returns its result. When `step` finds no memory, throws a DeviceError that begins with `what`.
template <class Step>
auto with_room_for(const std::string& what, Step&& step) {
  try {
    return std::forward<Step>(step)();
  } catch (const std::bad_alloc& error) {
    throw DeviceError(what + ": " + out_of_memory_text(error));
  }
}

}  // namespace gamlp
