// Counts what a device has allocated, by kind. Any thread may release memory, so any thread may change the count.
#pragma once

#include <atomic>
#include <memory>

#include "host/device/device.hpp"

namespace gamlp {

class MemoryAccount {
 public:
  void add(MemoryKind kind, std::size_t bytes) {
    bytes_[static_cast<std::size_t>(kind)] += bytes;
    if (kind == MemoryKind::host) return;
    const std::size_t total = total_ += bytes;
    std::size_t peak = peak_;
    while (total > peak && !peak_.compare_exchange_weak(peak, total)) {
    }
  }
  void remove(MemoryKind kind, std::size_t bytes) {
    bytes_[static_cast<std::size_t>(kind)] -= bytes;
    if (kind != MemoryKind::host) total_ -= bytes;
  }
  MemoryUse use() const {
    MemoryUse use;
    for (std::size_t i = 0; i < use.bytes.size(); ++i) use.bytes[i] = bytes_[i];
    use.total = total_;
    use.peak = peak_;
    return use;
  }

 private:
  std::array<std::atomic<std::size_t>, kMemoryKindNames.size()> bytes_{};
  std::atomic<std::size_t> total_{0}, peak_{0};
};

// An allocation's entry in an account. The owner of the memory makes the entry once the memory is there. The entry
// counts for as long as it lives, and it may outlive the device.
class AccountEntry {
 public:
  AccountEntry(std::shared_ptr<MemoryAccount> account, MemoryKind kind, std::size_t bytes)
      : account_(std::move(account)), kind_(kind), bytes_(bytes) {
    account_->add(kind_, bytes_);
  }
  ~AccountEntry() { account_->remove(kind_, bytes_); }
  AccountEntry(const AccountEntry&) = delete;
  AccountEntry& operator=(const AccountEntry&) = delete;
  std::size_t bytes() const { return bytes_; }

 private:
  std::shared_ptr<MemoryAccount> account_;
  MemoryKind kind_;
  std::size_t bytes_;
};

}  // namespace gamlp
