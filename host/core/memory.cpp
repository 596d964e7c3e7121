#include "host/core/memory.hpp"

#include <cstdlib>
#include <new>
#include <sys/mman.h>

namespace gamlp {

void* allocate_aligned(std::size_t bytes) {
  constexpr std::size_t kHugePage = std::size_t{2} << 20;
  const bool large = bytes >= 2 * kHugePage;
  void* memory = nullptr;
  if (::posix_memalign(&memory, large ? kHugePage : 64, bytes > 0 ? bytes : 1) != 0) throw std::bad_alloc();
  if (large) (void)::madvise(memory, bytes, MADV_HUGEPAGE);  // a hint; without it pages are small
  return memory;
}

void free_aligned(void* memory) noexcept { std::free(memory); }

}  // namespace gamlp
