// SPDX-License-Identifier: Apache-2.0
//
// A bounded queue of rows between one thread that logs and the one that writes, without a lock on either side.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <span>

namespace cairn {

// A row is a cell {step, time}, and for each value a cell {MetricTag, bits}; behind a text's, cells with its bytes.
struct MetricCell {
  std::uint64_t first = 0, second = 0;
};

// Who a value is of, and how many values of its row are left, this one included.
struct MetricTag {
  std::uint32_t series = 0;
  std::uint8_t kind = 0;
  std::uint16_t left = 0;

  std::uint64_t bits() const noexcept {
    return series | static_cast<std::uint64_t>(kind) << 32 | static_cast<std::uint64_t>(left) << 48;
  }
  static MetricTag of(std::uint64_t bits) noexcept {
    return {static_cast<std::uint32_t>(bits), static_cast<std::uint8_t>(bits >> 32),
            static_cast<std::uint16_t>(bits >> 48)};
  }
};

class MetricRing {  // NOLINT(clang-analyzer-optin.performance.Padding): each thread has its own lines
 public:
  enum class Push : std::uint8_t { done, full, closed };

  explicit MetricRing(std::size_t cells)
      : mask_(std::bit_ceil(cells) - 1), cells_(std::make_unique<MetricCell[]>(mask_ + 1)) {}

  std::size_t capacity() const noexcept { return mask_ + 1; }

  // --- The thread that logs ---
  // All of `row` or nothing of it.
  Push push(std::span<const MetricCell> row) noexcept {
    if (at_ + row.size() - seen_tail_ > capacity()) {
      seen_tail_ = tail_.load(std::memory_order_acquire);
      if (at_ + row.size() - seen_tail_ > capacity()) {
        return (head_.load(std::memory_order_relaxed) & kClosed) != 0 ? Push::closed : Push::full;
      }
    }
    for (std::size_t i = 0; i < row.size(); ++i) cells_[(at_ + i) & mask_] = row[i];
    // Fails only when close() came first: so whatever was accepted is there for the last drain.
    std::uint64_t expected = at_;
    if (!head_.compare_exchange_strong(expected, at_ + row.size(), std::memory_order_release,
                                       std::memory_order_relaxed)) {
      return Push::closed;
    }
    at_ += row.size();
    return Push::done;
  }
  // Whether it is half full, once for each time that it was drained.
  bool should_wake() noexcept {
    if (at_ - seen_tail_ <= capacity() / 2) return false;
    seen_tail_ = tail_.load(std::memory_order_acquire);
    if (at_ - seen_tail_ <= capacity() / 2 || woken_at_ == seen_tail_ + 1) return false;
    woken_at_ = seen_tail_ + 1;
    return true;
  }
  bool has_room(std::size_t cells) const noexcept {
    return at_ + cells - tail_.load(std::memory_order_acquire) <= capacity();
  }

  // --- The thread that writes ---
  // Behind the last row that is there now.
  std::uint64_t end() const noexcept { return head_.load(std::memory_order_acquire) & ~kClosed; }
  // Calls visit(reader), where reader.next() gives a cell, for each row before `end`, until it returns false or
  // `visit` has seen all. False in the first case.
  template <class Visit>
  bool drain(std::uint64_t end, const Visit& visit) {
    std::uint64_t at = tail_.load(std::memory_order_relaxed);
    while (at != end && visit([&]() -> const MetricCell& { return cells_[at++ & mask_]; })) {
      tail_.store(at, std::memory_order_release);
    }
    tail_.store(at, std::memory_order_release);
    return at == end;
  }

  // --- Any thread ---
  // No push succeeds after this.
  void close() noexcept { head_.fetch_or(kClosed, std::memory_order_acq_rel); }
  std::size_t used() const noexcept {
    const std::uint64_t tail = tail_.load(std::memory_order_acquire);
    return (head_.load(std::memory_order_acquire) & ~kClosed) - tail;
  }

 private:
  static constexpr std::uint64_t kClosed = std::uint64_t{1} << 63;

  const std::size_t mask_;
  const std::unique_ptr<MetricCell[]> cells_;
  // Of the thread that logs.
  alignas(64) std::uint64_t at_ = 0;
  std::uint64_t seen_tail_ = 0;
  std::uint64_t woken_at_ = 0;  // the tail, plus one
  alignas(64) std::atomic<std::uint64_t> head_ = 0;
  alignas(64) std::atomic<std::uint64_t> tail_ = 0;
};

}  // namespace cairn
