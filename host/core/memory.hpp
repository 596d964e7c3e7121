// Aligned host memory. Large blocks ask for huge pages: touching 2 GB for the first time otherwise costs half a
// million page faults.
#pragma once

#include <cstddef>
#include <new>
#include <string>
#include <utility>

#include "host/core/error.hpp"

namespace gamlp {

// "12.3 GB".
std::string human_bytes(double bytes);

// What allocate_aligned() throws.
class AllocationFailure : public std::bad_alloc {
 public:
  // `for_what`: "a matrix of 3 × 4", where that is known.
  explicit AllocationFailure(std::size_t bytes, const std::string& for_what = "");
  const char* what() const noexcept override { return text_.c_str(); }  // "cannot allocate 12.3 GB for a matrix of …"

 private:
  std::string text_;
};

// `bytes` of uninitialised memory aligned to at least 64 bytes, so that vector loops and BLAS see the same
// alignment in every run. Throws AllocationFailure.
void* allocate_aligned(std::size_t bytes);
void free_aligned(void* memory) noexcept;

// Gives back to the system what the C library keeps of freed memory: it keeps blocks of less than 32 MB wherever a
// later block is in use. Milliseconds. Does nothing where the C library has no such call.
void return_freed_memory() noexcept;

// For the user: "out of memory", how much was asked for, if that is known, and which command says what a run needs.
std::string out_of_memory_text(const std::bad_alloc& error);

// Runs `step`; where it finds no room throws a DeviceError that names what that was for.
template <class Step>
auto with_room_for(const std::string& what, Step&& step) {
  try {
    return std::forward<Step>(step)();
  } catch (const std::bad_alloc& error) {
    throw DeviceError(what + ": " + out_of_memory_text(error));
  }
}

}  // namespace gamlp
