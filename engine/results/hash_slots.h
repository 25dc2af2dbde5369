// SPDX-License-Identifier: Apache-2.0
//
// Things by hashes of 64 bits, in one array: finding one touches one line of memory, where a table
// of nodes touches three.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace cairn {

// Borrows them. A hash is even over its low bits, and there once.
template <class T>
class HashSlots {
 public:
  T* find(std::uint64_t hash) const noexcept {
    if (size_ == 0) return nullptr;
    for (std::size_t at = hash & mask();; at = (at + 1) & mask()) {
      const Slot& slot = slots_[at];
      if (slot.thing == nullptr || slot.hash == hash) return slot.thing;
    }
  }
  // `hash` is not there.
  void insert(std::uint64_t hash, T* thing) {
    if ((size_ + 1) * 3 > slots_.size() * 2) grow();
    place({hash, thing});
    ++size_;
  }
  // What follows in the same run of slots moves up: a search ends at the first empty one.
  void erase(std::uint64_t hash) noexcept {
    if (size_ == 0) return;
    std::size_t at = hash & mask();
    while (slots_[at].thing != nullptr && slots_[at].hash != hash) at = (at + 1) & mask();
    if (slots_[at].thing == nullptr) return;
    for (std::size_t next = (at + 1) & mask(); slots_[next].thing != nullptr; next = (next + 1) & mask()) {
      const std::size_t home = slots_[next].hash & mask();
      if (((next - home) & mask()) < ((next - at) & mask())) continue;
      slots_[at] = slots_[next];
      at = next;
    }
    slots_[at] = {};
    --size_;
  }
  std::size_t size() const noexcept { return size_; }

 private:
  struct Slot {
    std::uint64_t hash = 0;
    T* thing = nullptr;  // null: empty
  };

  std::size_t mask() const noexcept { return slots_.size() - 1; }
  void place(const Slot& slot) noexcept {
    std::size_t at = slot.hash & mask();
    while (slots_[at].thing != nullptr) at = (at + 1) & mask();
    slots_[at] = slot;
  }
  void grow() {
    const std::vector<Slot> before = std::exchange(slots_, std::vector<Slot>(slots_.empty() ? 64 : 2 * slots_.size()));
    for (const Slot& slot : before) {
      if (slot.thing != nullptr) place(slot);
    }
  }

  std::vector<Slot> slots_;  // a power of two of them
  std::size_t size_ = 0;
};

}  // namespace cairn
