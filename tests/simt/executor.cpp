#include "tests/simt/executor.hpp"

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#include <algorithm>
#include <exception>
#include <memory>
#include <utility>
#include <vector>

#include "tests/support/asan.hpp"
#if defined(GAMLP_ASAN)
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(__x86_64__)
// Saves what a function must preserve, changes stacks, restores. swapcontext would do, but asks the kernel for the
// signal mask each time, which takes longer than everything else.
extern "C" void simt_switch(void** from, void* to);
asm(R"(
.text
.type simt_switch, @function
simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size simt_switch, .-simt_switch
)");
#endif

namespace simt {
namespace {

#if defined(__x86_64__)
class Context {
 public:
  void start(char* stack, std::size_t size, void (*entry)()) {
    auto top = reinterpret_cast<std::uintptr_t>(stack + size) & ~std::uintptr_t{15};
    auto* words = reinterpret_cast<std::uintptr_t*>(top) - 8;  // six registers, entry, the address it would return to
    std::fill_n(words, 8, std::uintptr_t{0});
    words[6] = reinterpret_cast<std::uintptr_t>(entry);
    stack_pointer_ = words;
  }
  static void change(Context& from, Context& to) { simt_switch(&from.stack_pointer_, to.stack_pointer_); }

 private:
  void* stack_pointer_ = nullptr;
};
#else
class Context {
 public:
  void start(char* stack, std::size_t size, void (*entry)()) {
    getcontext(&context_);
    context_.uc_stack.ss_sp = stack;
    context_.uc_stack.ss_size = size;
    context_.uc_link = nullptr;
    makecontext(&context_, entry, 0);
  }
  static void change(Context& from, Context& to) { swapcontext(&from.context_, &to.context_); }

 private:
  ucontext_t context_;
};
#endif

constexpr std::size_t kStack = 256 * 1024;
constexpr unsigned kWarp = 32;

enum class State { ready, barrier, warp, done };

struct Fiber {
  Context context;
  std::unique_ptr<char[]> stack;
  State state = State::done;
  Place place;
  Location where;
  unsigned mask = 0;
  std::uint64_t value = 0;     // put into a warp operation
  unsigned source = 0;         // the lane whose value is wanted
  std::uint64_t received = 0;  // that value, taken when the operation was complete
  bool all = false;            // whether every lane's value was other than 0
  void* fake_stack = nullptr;
};

// Memory of exact size under AddressSanitizer; elsewhere with a canary behind it.
class SharedMemory {
 public:
  SharedMemory() = default;
  explicit SharedMemory(std::size_t bytes) : bytes_(bytes), memory_(new std::byte[bytes + kCanary]) {
    std::memset(memory_.get() + bytes, 0x5A, kCanary);
    clear();
  }
  std::byte* data() const { return memory_.get(); }
  std::size_t bytes() const { return bytes_; }
  void clear() const { std::memset(memory_.get(), 0xFF, bytes_); }
  bool intact() const {
    return std::all_of(memory_.get() + bytes_, memory_.get() + bytes_ + kCanary,
                       [](std::byte b) { return b == std::byte{0x5A}; });
  }

 private:
#if defined(GAMLP_ASAN)
  static constexpr std::size_t kCanary = 0;
#else
  static constexpr std::size_t kCanary = 64;
#endif
  std::size_t bytes_ = 0;
  std::unique_ptr<std::byte[]> memory_;
};

struct SharedBlock {
  Location where;
  SharedMemory memory;
};

class Executor {
 public:
  void run(const char* kernel, Dim3 grid, Dim3 block, std::size_t dynamic_bytes, const std::function<void()>& body);
  const Place& place() const { return current_->place; }
  void* dynamic_shared() const { return dynamic_.data(); }
  void* shared(std::size_t bytes, Location where);
  void barrier(Location where);
  std::uint64_t exchange(unsigned mask, std::uint64_t value, unsigned source, Location where);
  bool all(unsigned mask, bool value, Location where);
  std::string running() const { return at(*current_); }

 private:
  static void enter();
  void start_block(Dim3 index);
  void run_block();
  bool release_warps();
  void release_barrier();
  void resume(Fiber& fiber);
  void leave();
  void meet(unsigned mask, std::uint64_t value, unsigned source, Location where);
  std::string at(const Fiber& fiber) const;

  std::string kernel_;
  Dim3 grid_, block_;
  std::vector<Fiber> fibers_;
  std::size_t count_ = 0;
  Fiber* current_ = nullptr;
  Context scheduler_;
  const std::function<void()>* body_ = nullptr;
  SharedMemory dynamic_;
  bool stopped_ = false;  // the last run did not come to its end
  std::vector<SharedBlock> shared_;
  std::exception_ptr failure_;
  void* scheduler_fake_ = nullptr;
  const void* scheduler_stack_ = nullptr;
  std::size_t scheduler_size_ = 0;
};

Executor& executor() {
  static thread_local Executor instance;
  return instance;
}

std::string text(Location where) {
  std::string file = where.file;
  const std::size_t slash = file.rfind('/');
  if (slash != std::string::npos) file = file.substr(slash + 1);
  return file + ":" + std::to_string(where.line);
}

bool same(Location a, Location b) { return a.line == b.line && std::strcmp(a.file, b.file) == 0; }

std::string Executor::at(const Fiber& fiber) const {
  const Place& p = fiber.place;
  return kernel_ + ", block (" + std::to_string(p.block.x) + ", " + std::to_string(p.block.y) + "), thread " +
         std::to_string(p.linear);
}

void Executor::run(const char* kernel, Dim3 grid, Dim3 block, std::size_t dynamic_bytes,
                   const std::function<void()>& body) {
#if defined(GAMLP_ASAN)
  // Fibers that a fault left in the middle have frames whose guards nobody took down.
  for (const Fiber& fiber : fibers_) {
    if (stopped_ && fiber.stack) ASAN_UNPOISON_MEMORY_REGION(fiber.stack.get(), kStack);
  }
#endif
  stopped_ = true;
  kernel_ = kernel;
  grid_ = grid, block_ = block;
  count_ = static_cast<std::size_t>(block.x) * block.y * block.z;
  if (count_ == 0 || count_ > 1024) throw Fault(kernel_ + ": " + std::to_string(count_) + " threads per block");
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) throw Fault(kernel_ + ": a grid without blocks");
  if (fibers_.size() < count_) fibers_.resize(count_);
  body_ = &body;
  dynamic_ = SharedMemory(dynamic_bytes);
  shared_.clear();
  const std::size_t blocks = static_cast<std::size_t>(grid.x) * grid.y * grid.z;
  for (std::size_t k = 0; k < blocks; ++k) {
    const std::size_t i = options().reverse ? blocks - 1 - k : k;
    start_block({static_cast<unsigned>(i % grid.x), static_cast<unsigned>(i / grid.x % grid.y),
                 static_cast<unsigned>(i / grid.x / grid.y)});
    run_block();
    if (!dynamic_.intact()) throw Fault(kernel_ + ": wrote beyond the end of its dynamic shared memory");
    for (const SharedBlock& shared : shared_) {
      if (!shared.memory.intact())
        throw Fault(kernel_ + ": wrote beyond the end of shared memory, " + text(shared.where));
    }
  }
  stopped_ = false;
}

void Executor::start_block(Dim3 index) {
  dynamic_.clear();
  for (const SharedBlock& block : shared_) block.memory.clear();
  for (unsigned i = 0; i < count_; ++i) {
    Fiber& fiber = fibers_[i];
    if (!fiber.stack) fiber.stack.reset(new char[kStack]);
    fiber.state = State::ready;
    fiber.fake_stack = nullptr;
    fiber.place = {{i % block_.x, i / block_.x % block_.y, i / (block_.x * block_.y)}, index, block_, grid_, i};
    fiber.context.start(fiber.stack.get(), kStack, &Executor::enter);
  }
}

void Executor::enter() {
  Executor& e = executor();
#if defined(GAMLP_ASAN)
  __sanitizer_finish_switch_fiber(nullptr, &e.scheduler_stack_, &e.scheduler_size_);
#endif
  try {
    (*e.body_)();
  } catch (...) {
    if (!e.failure_) e.failure_ = std::current_exception();
  }
  e.current_->state = State::done;
  e.leave();
}

void Executor::resume(Fiber& fiber) {
  current_ = &fiber;
#if defined(GAMLP_ASAN)
  __sanitizer_start_switch_fiber(&scheduler_fake_, fiber.stack.get(), kStack);
#endif
  Context::change(scheduler_, fiber.context);
#if defined(GAMLP_ASAN)
  __sanitizer_finish_switch_fiber(scheduler_fake_, nullptr, nullptr);
#endif
  current_ = nullptr;
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void Executor::leave() {
  Fiber& me = *current_;
#if defined(GAMLP_ASAN)
  __sanitizer_start_switch_fiber(me.state == State::done ? nullptr : &me.fake_stack, scheduler_stack_, scheduler_size_);
#endif
  Context::change(me.context, scheduler_);
#if defined(GAMLP_ASAN)
  __sanitizer_finish_switch_fiber(me.fake_stack, &scheduler_stack_, &scheduler_size_);
#endif
}

void Executor::run_block() {
  for (;;) {
    bool ran = false;
    for (std::size_t k = 0; k < count_; ++k) {
      Fiber& fiber = fibers_[options().reverse ? count_ - 1 - k : k];
      if (fiber.state != State::ready) continue;
      ran = true;
      resume(fiber);
    }
    if (ran) continue;
    if (std::all_of(fibers_.begin(), fibers_.begin() + static_cast<std::ptrdiff_t>(count_),
                    [](const Fiber& f) { return f.state == State::done; })) {
      return;
    }
    if (!release_warps()) release_barrier();
  }
}

// Lets every group of lanes go whose mask is complete.
bool Executor::release_warps() {
  bool released = false;
  const Fiber* stuck = nullptr;
  std::string why;
  for (std::size_t first = 0; first < count_; first += kWarp) {
    const std::size_t size = std::min<std::size_t>(kWarp, count_ - first);
    for (std::size_t i = 0; i < size; ++i) {
      Fiber& one = fibers_[first + i];
      if (one.state != State::warp) continue;
      bool complete = true;
      for (unsigned lane = 0; lane < kWarp && complete; ++lane) {
        if ((one.mask >> lane & 1u) == 0) continue;
        const Fiber* other = lane < size ? &fibers_[first + lane] : nullptr;
        const bool here =
            other != nullptr && other->state == State::warp && other->mask == one.mask && same(other->where, one.where);
        if (here) continue;
        complete = false;
        stuck = &one;
        why = other == nullptr                 ? "which does not exist"
              : other->state == State::done    ? "which has ended"
              : other->state == State::barrier ? "which waits at the barrier of " + text(other->where)
              : other->mask != one.mask        ? "which names other lanes"
                                               : "which waits at " + text(other->where);
        why = "lane " + std::to_string(lane) + ", " + why;
      }
      if (!complete) continue;
      const unsigned mask = one.mask;
      bool all = true;
      for (unsigned lane = 0; lane < size; ++lane) {
        all = all && ((mask >> lane & 1u) == 0 || fibers_[first + lane].value != 0);
      }
      for (unsigned lane = 0; lane < size; ++lane) {
        if ((mask >> lane & 1u) == 0) continue;
        Fiber& fiber = fibers_[first + lane];
        fiber.received = fibers_[first + fiber.source].value;
        fiber.all = all;
        fiber.state = State::ready;
      }
      released = true;
    }
  }
  if (!released && stuck != nullptr) {
    throw Fault(at(*stuck) + ": the warp operation at " + text(stuck->where) + " names " + why);
  }
  return released;
}

void Executor::release_barrier() {
  const Fiber* first = nullptr;
  for (std::size_t i = 0; i < count_; ++i) {
    if (fibers_[i].state == State::barrier && first == nullptr) first = &fibers_[i];
  }
  for (std::size_t i = 0; i < count_; ++i) {
    const Fiber& fiber = fibers_[i];
    if (fiber.state == State::done) {
      throw Fault(at(*first) + ": waits at the barrier of " + text(first->where) + ", but thread " + std::to_string(i) +
                  " has ended");
    }
    if (!same(fiber.where, first->where)) {
      throw Fault(at(*first) + ": waits at the barrier of " + text(first->where) + ", thread " + std::to_string(i) +
                  " at that of " + text(fiber.where));
    }
  }
  for (std::size_t i = 0; i < count_; ++i) fibers_[i].state = State::ready;
}

void* Executor::shared(std::size_t bytes, Location where) {
  for (const SharedBlock& block : shared_) {
    if (block.memory.bytes() == bytes && same(block.where, where)) return block.memory.data();
  }
  std::size_t total = dynamic_.bytes() + bytes;
  for (const SharedBlock& block : shared_) total += block.memory.bytes();
  if (total > 48 * 1024) throw Fault(kernel_ + ": " + std::to_string(total) + " bytes of shared memory, of 48 KB");
  shared_.push_back({where, SharedMemory(bytes)});
  return shared_.back().memory.data();
}

void Executor::barrier(Location where) {
  current_->where = where;
  current_->state = State::barrier;
  leave();
}

void Executor::meet(unsigned mask, std::uint64_t value, unsigned source, Location where) {
  Fiber& me = *current_;
  if ((mask >> (me.place.linear % kWarp) & 1u) == 0) {
    throw Fault(at(me) + ": the warp operation at " + text(where) + " does not name its own lane");
  }
  if ((mask >> source & 1u) == 0) {
    throw Fault(at(me) + ": the shuffle at " + text(where) + " reads lane " + std::to_string(source) +
                ", which its mask does not name");
  }
  me.where = where;
  me.mask = mask;
  me.value = value;
  me.source = source;
  me.state = State::warp;
  leave();
}

std::uint64_t Executor::exchange(unsigned mask, std::uint64_t value, unsigned source, Location where) {
  meet(mask, value, source, where);
  return current_->received;
}

bool Executor::all(unsigned mask, bool value, Location where) {
  meet(mask, value ? 1 : 0, current_->place.linear % kWarp, where);
  return current_->all;
}

}  // namespace

Options& options() {
  static Options instance;
  return instance;
}

const Place& place() { return executor().place(); }
void misaligned(std::size_t bytes) {
  throw Fault(executor().running() + ": an access of " + std::to_string(bytes) + " bytes is not aligned");
}
void run(const char* kernel, Dim3 grid, Dim3 block, std::size_t dynamic_bytes, const std::function<void()>& body) {
  executor().run(kernel, grid, block, dynamic_bytes, body);
}
void* dynamic_shared() { return executor().dynamic_shared(); }
void* shared(std::size_t bytes, Location where) { return executor().shared(bytes, where); }
void block_barrier(Location where) { executor().barrier(where); }
std::uint64_t warp_exchange(unsigned mask, std::uint64_t value, unsigned source, Location where) {
  return executor().exchange(mask, value, source, where);
}
bool warp_all(unsigned mask, bool value, Location where) { return executor().all(mask, value, where); }

}  // namespace simt
