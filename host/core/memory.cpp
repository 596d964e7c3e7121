#include "host/core/memory.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace gamlp {

std::string human_bytes(double bytes) {
  constexpr std::array<const char*, 6> kUnits = {"B", "KB", "MB", "GB", "TB", "PB"};
  std::size_t unit = 0;
  while (bytes >= 1000 && unit + 1 < kUnits.size()) bytes /= 1000, ++unit;
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", bytes, kUnits[unit]);
  return text.data();
}

AllocationFailure::AllocationFailure(std::size_t bytes, const std::string& for_what)
    : text_("cannot allocate " + human_bytes(static_cast<double>(bytes)) +
            (for_what.empty() ? "" : " for " + for_what)) {}

void* allocate_aligned(std::size_t bytes) {
  constexpr std::size_t kHugePage = std::size_t{2} << 20;
  const bool large = bytes >= 2 * kHugePage;
  void* memory = nullptr;
  if (::posix_memalign(&memory, large ? kHugePage : 64, bytes > 0 ? bytes : 1) != 0) throw AllocationFailure(bytes);
  if (large) (void)::madvise(memory, bytes, MADV_HUGEPAGE);  // a hint; without it pages are small
  return memory;
}

void free_aligned(void* memory) noexcept { std::free(memory); }

void return_freed_memory() noexcept {
#ifdef __GLIBC__
  (void)::malloc_trim(0);
#endif
}

std::string out_of_memory_text(const std::bad_alloc& error) {
  const auto* sized = dynamic_cast<const AllocationFailure*>(&error);
  return std::string("out of memory") + (sized != nullptr ? std::string(" (") + sized->what() + ")" : "") +
         "; gamlp plan CONFIG says what a run needs memory for, and with what it would need less";
}

}  // namespace gamlp
